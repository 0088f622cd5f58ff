// SPDX-License-Identifier: Apache-2.0
// Word count without a pipeline, the least that Node can need: wordcount_plain.mjs INPUT OUTPUT.

import { readFileSync, writeFileSync } from 'node:fs';

const [, , input = '', output = ''] = process.argv;
const began = performance.now();
const counts = new Map<string, number>();
for (const line of readFileSync(input, 'utf8').split('\n')) {
  for (const word of line.match(/[A-Za-z']+/g) ?? []) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
}
let text = '';
for (const [word, count] of counts) text += `${word}: ${count}\n`;
writeFileSync(`${output}-00000-of-00001`, text);
console.log(`pipeline seconds: ${((performance.now() - began) / 1000).toFixed(3)}`);
const { user, system } = process.cpuUsage();
console.log(`processor seconds: ${((user + system) / 1e6).toFixed(3)}`);
