// SPDX-License-Identifier: Apache-2.0
// Messages from Kafka through RunInference to Kafka while processes are killed at random moments, one of
// each kind: a Python worker, a program or worker of ours, the broker, and on Flink a TaskManager. What a
// supervisor would start again is. Kafka's own consumer then counts what is lost, twice, or out of order.
// Messages come while the program runs, and never many more than the next kill waits for: so nobody is too
// fast to be killed, and whoever is killed has messages in work.
//
//   npm run kafka-kills -- [--runner=node|flink] [--messages=100000] [--seed=1] [--kills=1] [--exactly-once] [--keep]
//
// It needs Java, and what scripts/test-engines fetches. `--keep` keeps the folder with all logs.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { fetchKafka, startBroker, stopBroker } from './kafka-broker.ts';
import { Feed } from './kafka-kills/feed.ts';
import { FlinkPlace, type Kill, NodePlace } from './kafka-kills/places.ts';
import { Topics } from './kafka-kills/topics.ts';
import { numbers } from './killing.ts';

/** So long nothing may change: whoever was killed is back by then, also on a machine with other things to do. */
const HANG_MS = 300_000;
/** How long the broker is away. */
const AWAY_MS = 2_000;
/** So long nothing may change before all that is to be written is there. */
const QUIET_MS = 15_000;
/** All messages come within so many seconds, if nobody is slower. */
const FEED_SECONDS = 30;
/** What is there before the first has come out, as a part of all: less than the first kill waits for. */
const FIRST_PART = 0.05;
/** How far messages may come beyond what the next kill waits for, as a part of all. */
const AHEAD_PART = 0.1;

const { values: given } = parseArgs({
  options: {
    runner: { type: 'string', default: 'node' },
    messages: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    kills: { type: 'string', default: '1' },
    'exactly-once': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});

const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(1);
const say = (message: string) => console.error(`${seconds().padStart(6)} s  ${message}`);

const count = Number(given.messages);
const random = numbers(Number(given.seed));
const folder = mkdtempSync(join(tmpdir(), 'beambridge-kafka-kills-'));
await fetchKafka();
const brokerFolder = join(folder, 'broker');
let broker = await startBroker(brokerFolder);
const topics = new Topics(() => broker.address);
const [from, to, groupId] = ['in', 'out', 'kafka-kills'];
const feed = new Feed(() => broker.address, from, count);
const once = given['exactly-once'];
const options = { job: { broker: broker.address, from, to, groupId, once } };
const place = new (given.runner === 'flink' ? FlinkPlace : NodePlace)({ options, folder, random });

const killBroker: Kill = async () => {
  const { pid } = broker;
  await stopBroker(brokerFolder, 'SIGKILL');
  await delay(AWAY_MS);
  broker = await startBroker(brokerFolder);
  await feed.close();
  return { pid, parent: 0, command: 'kafka.Kafka' };
};

/** Who is killed, in a random order, and when: as a part of all messages that have come out. */
function plan(): { kind: string; kill: Kill; at: number }[] {
  const kinds = Object.entries({ ...place.victims, broker: killBroker });
  const all = kinds.flatMap((kind) => Array.from({ length: Number(given.kills) }, () => kind));
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all.map(([kind, kill], i) => ({
    kind,
    kill,
    at: (0.1 + (0.75 * (i + random())) / all.length) * count,
  }));
}

/** Runs until all messages are committed by the group and written, and kills on the way. */
async function run(): Promise<void> {
  const coming = plan();
  let [size, committed, changedAt, toldAt] = [0, 0, Date.now(), 0];
  for (;;) {
    await delay(100);
    // Never while the broker is being killed: what is sent once is there once.
    if (size > 0) {
      await feed.to(coming[0] ? coming[0].at + AHEAD_PART * count : count, count / FEED_SECONDS);
    }
    const now = (await topics.size(to)) ?? size;
    const left = (await topics.committed(groupId, from)) ?? committed;
    if (now !== size || left !== committed) changedAt = Date.now();
    [size, committed] = [now, left];
    if (Date.now() - toldAt > 5_000) {
      say(`${feed.given} came, ${size} written, ${committed} committed`);
      toldAt = Date.now();
    }
    const quietMs = Date.now() - changedAt;
    // A sink that waits for what its runner has committed writes behind the sources.
    if (committed === count && (!once || quietMs > QUIET_MS)) break;
    if (quietMs > HANG_MS) {
      throw new Error(`it hangs: ${size} written, ${committed} of ${count} committed`);
    }
    const [next] = coming;
    if (!next || size < next.at) continue;
    const killed = await next.kill();
    if (!killed) continue;
    coming.shift();
    say(`killed at ${committed} committed of ${feed.given}: ${next.kind} (${killed.pid})`);
  }
  say(`all ${committed} committed`);
  if (coming.length === 0) return;
  throw new Error(`nobody could kill ${coming.map(({ kind }) => kind).join(', ')}`);
}

try {
  await topics.prepare(from, to);
  await feed.to(FIRST_PART * count);
  say(`${feed.given} of ${count} messages are there`);
  await place.start();
  const since = performance.now();
  await run();
  const took = ((performance.now() - since) / 1000).toFixed(1);
  await place.stop();
  say('stopped');
  const verdict = await topics.judge(to, count);
  const { lost, doubled, disordered, wrong } = verdict;
  console.log(
    `${count} messages on ${given.runner} in ${took} s: ${lost} lost, ${doubled} doubled, ${disordered} out of order, ${wrong} wrong`,
  );
  if (lost + disordered + wrong > 0 || (once && doubled > 0)) process.exitCode = 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await place.close();
  await feed.close();
  await stopBroker(brokerFolder, 'SIGKILL');
  if (given.keep || process.exitCode) console.error(`logs: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
