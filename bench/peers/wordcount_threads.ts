// SPDX-License-Identifier: Apache-2.0
// Word count whose pipeline is an exported one, so that threads can run it: wordcount_threads.mjs INPUT OUTPUT THREADS.

import { combinePerKey, createRunner, pipeline, sum } from 'beambridge';
import { readFromText, writeToText } from 'beambridge/io';

const [, , input = '', output = '', threads = '2'] = process.argv;

export const count = pipeline(import.meta.url, (root) =>
  root
    .apply(readFromText(input))
    .flatMap((line) => line.match(/[A-Za-z']+/g) ?? [])
    .map((word) => ({ key: word, value: 1 }))
    .apply(combinePerKey(sum))
    .map(({ key, value }) => `${key}: ${value}`)
    .apply(writeToText(output)),
);

const began = performance.now();
const result = await createRunner({ runner: 'node', nodeWorkers: Number(threads) }).run(count);
console.log(`pipeline seconds: ${((performance.now() - began) / 1000).toFixed(3)}`);
const { user, system } = process.cpuUsage();
console.log(`processor seconds: ${((user + system) / 1e6).toFixed(3)}`);
const threaded = result.stages.filter(({ where }) => where === 'threads').length;
console.log(`stages in threads: ${threaded}`);
