// SPDX-License-Identifier: Apache-2.0
// The pipeline that the README opens with. `npm run example -- train-mnist` makes its model.

import { createRunner } from 'beambridge';
import { readFromText, writeToText } from 'beambridge/io';
import { RunInference, sklearn } from 'beambridge/ml';
import { array, int64 } from 'beambridge/schema';
import { parseDigit } from './support/digits.ts';

const digits = sklearn({
  modelUri: '.cache/mnist/digits/model.pkl',
  example: array(int64),
  inference: int64,
});

await createRunner().run((root) =>
  root
    .apply(readFromText('.cache/mnist/digits/test.csv'))
    .map(parseDigit) // "7,0,0,12,…" to { key: 7, value: [0, 0, 12, …] }
    .apply(RunInference.ofKVs(digits, int64))
    .map(({ key, value }) => `${key},${value.inference}`)
    .apply(writeToText('out/predictions')),
);
