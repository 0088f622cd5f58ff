// SPDX-License-Identifier: Apache-2.0
// Word count as a user of this package writes it: wordcount_beambridge.mjs INPUT OUTPUT.

import { combinePerKey, createRunner, sum } from 'beambridge';
import { readFromText, writeToText } from 'beambridge/io';

const [, , input = '', output = ''] = process.argv;
const began = performance.now();
await createRunner({ runner: 'node' }).run((root) =>
  root
    .apply(readFromText(input))
    .flatMap((line) => line.match(/[A-Za-z']+/g) ?? [])
    .map((word) => ({ key: word, value: 1 }))
    .apply(combinePerKey(sum))
    .map(({ key, value }) => `${key}: ${value}`)
    .apply(writeToText(output)),
);
console.log(`pipeline seconds: ${((performance.now() - began) / 1000).toFixed(3)}`);
const { user, system } = process.cpuUsage();
console.log(`processor seconds: ${((user + system) / 1e6).toFixed(3)}`);
