// SPDX-License-Identifier: Apache-2.0
// Counts words, Beam's first example: `npm run example -- wordcount --input=GLOB --output=PREFIX`.

import { countPerElement } from 'beambridge';
import { readFromText, writeToText } from 'beambridge/io';
import { exampleFlags } from './support/flags.ts';

const { flags, runner } = exampleFlags({ input: 'README.md', output: 'out/wordcount' });

await runner.run((root) =>
  root
    .apply(readFromText(flags.input))
    .flatMap((line) => line.match(/[\p{Letter}\p{Number}']+/gu) ?? [])
    .apply(countPerElement())
    .map(({ element, count }) => `${element}: ${count}`)
    .apply(writeToText(flags.output)),
);
console.log(`counts are in ${flags.output}-*`);
