// SPDX-License-Identifier: Apache-2.0
// Rows of a label and pixels, Parquet to Parquet through a scikit-learn model:
//
//   parquet_beambridge.mjs SHAPE INPUT OUTPUT MODEL
//
// SHAPE is `list`, of files whose pixels are a list, or `wide`, with a column for each pixel.

import { createRunner } from 'beambridge';
import { readFromParquet, writeToParquet } from 'beambridge/io';
import { RunInference, sklearn } from 'beambridge/ml';
import { int64, row, typedArray } from 'beambridge/schema';

const [, , shape = '', input = '', output = '', modelUri = ''] = process.argv;

const pixels = typedArray('float32');
const schema = row({ label: int64, pixels });
const names = Array.from({ length: 64 }, (_, at) => `pixel${at}`);
const model = sklearn({ modelUri, example: pixels, inference: int64 });
await createRunner().run((root) =>
  root
    .apply(
      readFromParquet(
        input,
        shape === 'wide' ? { schema, columns: { pixels: names } } : { schema },
      ),
    )
    .map(({ label, pixels: value }) => ({ key: label, value }))
    .apply(RunInference.ofKVs(model, int64))
    .map(({ key, value }) => ({ label: key, prediction: value.inference }))
    .apply(writeToParquet(output, { schema: row({ label: int64, prediction: int64 }) })),
);
