// SPDX-License-Identifier: Apache-2.0
// The pipeline that the README opens with. `npm run example -- train-mnist` makes its model.

import { createRunner } from 'beambridge';
import { readFromText, writeToText } from 'beambridge/io';
import { RunInference } from 'beambridge/ml';
import { array, int64 } from 'beambridge/schema';
import { parseDigit } from './support/digits.ts';
import { KEYED_SKLEARN } from './support/handlers.ts';

await createRunner({ runner: 'direct' }).run((root) =>
  root
    .apply(readFromText('.cache/mnist/digits/test.csv'))
    .map(parseDigit) // "7,0,0,12,…" to { key: 7, value: [0, 0, 12, …] }
    .apply(
      RunInference.ofKVs(
        KEYED_SKLEARN,
        { example: array(int64), inference: int64 },
        int64,
      ).withKwarg('model_uri', '.cache/mnist/digits/model.pkl'),
    )
    .map(({ key, value }) => `${key},${value.inference}`)
    .apply(writeToText('out/predictions')),
);
