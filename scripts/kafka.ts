// SPDX-License-Identifier: Apache-2.0
// A broker of Kafka that lives until it is told to end:
//
//   scripts/kafka up       starts one on a free port, unless it runs, and prints its address
//   scripts/kafka status   prints the address, or fails
//   scripts/kafka down     ends it, and removes all that it has stored; the jars stay in .cache/engines

import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fetchKafka, runningBroker, startBroker, stopBroker } from './kafka-broker.ts';

const FOLDER = fileURLToPath(new URL('../.cache/engines/kafka-running', import.meta.url));

async function down(): Promise<void> {
  await stopBroker(FOLDER);
  rmSync(FOLDER, { recursive: true, force: true });
}

const [command, ...rest] = process.argv.slice(2);
const running = runningBroker(FOLDER);
if (rest.length > 0 || !['up', 'down', 'status'].includes(command ?? '')) {
  console.error('usage: scripts/kafka up|down|status');
  process.exitCode = 2;
} else if (command === 'down') {
  await down();
} else if (running) {
  console.log(running.address);
} else if (command === 'status') {
  console.error('no broker runs');
  process.exitCode = 1;
} else {
  await fetchKafka();
  // What a broker that was killed has left is not gone on with.
  await down();
  try {
    console.log((await startBroker(FOLDER, { outlives: true })).address);
  } catch (error) {
    await down();
    throw error;
  }
}
