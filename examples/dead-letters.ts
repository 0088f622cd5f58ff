// SPDX-License-Identifier: Apache-2.0
// Digits of which one in a hundred is damaged: the model's answers go to one output, the damaged
// digits with the reason to another. `npm run example -- train-mnist` makes the model.
//
//   npm run example -- dead-letters [--input=FILE] [--output=PREFIX] [--modelPath=FILE]
//
// Output lines are `id,label,inference` in PREFIX/predictions-…, and `id,step,errorType,message` in
// PREFIX/failed-…, where a digit's id is its line in the input, counted from 0.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { counter, create } from 'beambridge';
import { writeToText } from 'beambridge/io';
import { RunInference, sklearn } from 'beambridge/ml';
import { array, int64, row } from 'beambridge/schema';
import { parseDigit } from './support/digits.ts';
import { exampleFlags } from './support/flags.ts';

const { flags, runner, expansionService } = exampleFlags({
  input: '.cache/mnist/digits/all.csv',
  output: 'out/dead-letters',
  modelPath: '.cache/mnist/digits/model.pkl',
});

/** The 50th of each hundred loses its last pixel, or has one that is no number: by turns. */
function damaged(pixels: number[], id: number): number[] {
  if (id % 100 !== 50) return pixels;
  return id % 200 === 50 ? pixels.slice(0, -1) : pixels.with(20, Number.NaN);
}

const lines = readFileSync(flags.input, 'utf8').trim().split('\n');
const rows = lines.map((line, id) => {
  const { key: label, value: pixels } = parseDigit(line);
  return { key: { id, label }, value: damaged(pixels, id) };
});

const digits = sklearn({ modelUri: flags.modelPath, example: array(int64), inference: int64 });
let scoring = RunInference.ofKVs(digits, row({ id: int64, label: int64 }));
if (expansionService) scoring = scoring.withExpansionService(expansionService);

const result = await runner.run((root) => {
  const { predictions, failed } = root.apply(create(rows)).apply(scoring.withDeadLetters());
  predictions
    .map(({ key: { id, label }, value }, scored) => {
      scored.increment();
      return `${id},${label},${value.inference}`;
    }, counter('scored'))
    .apply(writeToText(join(flags.output, 'predictions')));
  failed
    .map(({ element, step, errorType, message }, setAside) => {
      setAside.increment();
      return `${element.key.id},${step},${errorType},${JSON.stringify(message)}`;
    }, counter('set aside'))
    .apply(writeToText(join(flags.output, 'failed')));
});

const { scored = 0, 'set aside': setAside = 0 } = await result.counters();
console.log(`${scored} of ${lines.length} digits scored, ${setAside} set aside`);
