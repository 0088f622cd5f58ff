// SPDX-License-Identifier: Apache-2.0
// Scores handwritten digits with a scikit-learn model in Python, and tells how many were right.
// It mirrors SklearnMnistClassification of Beam's Java SDK, flag by flag:
//
//   npm run example -- mnist --input=GLOB --output=PREFIX --modelPath=FILE [--runner=direct]
//
// Input lines are `label,pixel,pixel,…` (whole numbers, any number of pixels; a header line that
// starts with `label` is skipped), output lines `label,inference` in PREFIX-00000-of-0000N.
// A model that is a pickle runs code when it is loaded: use only models you trust.

import { counter } from 'beambridge';
import { readFromText, writeToText } from 'beambridge/io';
import { RunInference, sklearn } from 'beambridge/ml';
import { array, int64 } from 'beambridge/schema';
import { isData, parseDigit } from './support/digits.ts';
import { exampleFlags } from './support/flags.ts';

const { flags, runner, expansionService } = exampleFlags({
  input: '.cache/mnist/digits/test.csv',
  output: 'out/mnist',
  modelPath: '.cache/mnist/digits/model.pkl',
});

const model = sklearn({
  modelUri: flags.modelPath,
  example: array(int64),
  inference: int64,
});
let inference = RunInference.ofKVs(model, int64);
if (expansionService) inference = inference.withExpansionService(expansionService);

const result = await runner.run((root) =>
  root
    .apply(readFromText(flags.input))
    .filter(isData)
    .map(parseDigit)
    .apply(inference)
    .map(
      ({ key, value }, { seen, correct }) => {
        seen.increment();
        if (key === value.inference) correct.increment();
        return `${key},${value.inference}`;
      },
      { seen: counter('seen'), correct: counter('correct') },
    )
    .apply(writeToText(flags.output)),
);

const { seen = 0, correct = 0 } = await result.counters();
console.log(`accuracy: ${(correct / seen).toFixed(4)} (${seen} examples)`);
