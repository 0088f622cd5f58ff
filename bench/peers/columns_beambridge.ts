// SPDX-License-Identifier: Apache-2.0
// Rows of a label and pixels, CSV to CSV through a scikit-learn model:
//
//   columns_beambridge.mjs SOURCE INPUT OUTPUT MODEL
//
// SOURCE is `float32`, `byte` (typed arrays of readFromCsv), `int64` (its plain arrays) or `own` (lines, and a function of
// the program that takes them apart).

import { createRunner, type Root } from 'beambridge';
import { readFromCsv, readFromText, writeToCsv } from 'beambridge/io';
import { RunInference, sklearn } from 'beambridge/ml';
import { array, float32, int64, row, type SchemaType, typedArray } from 'beambridge/schema';

const [, , source = '', input = '', output = '', modelUri = ''] = process.argv;

const TYPES: Readonly<Record<string, SchemaType<ArrayLike<number>>>> = {
  float32: typedArray('float32'),
  byte: typedArray('byte'),
  int64: array(int64),
  own: array(float32),
};

function digitsOf(root: Root, type: SchemaType<ArrayLike<number>>) {
  if (source === 'own') {
    return root.apply(readFromText(input, { skipHeaderLines: 1 })).map((line) => {
      const [key = 0, ...value] = line.split(',').map(Number);
      return { key, value };
    });
  }
  const schema = row({ label: int64, pixels: type });
  return root
    .apply(readFromCsv(input, { schema, columns: { pixels: /^pixel/ } }))
    .map(({ label, pixels }) => ({ key: label, value: pixels }));
}

const example = TYPES[source];
if (!example) throw new Error(`no source ${source}; there are ${Object.keys(TYPES).join(', ')}`);
const model = sklearn({ modelUri, example, inference: int64 });
await createRunner().run((root) =>
  digitsOf(root, example)
    .apply(RunInference.ofKVs(model, int64))
    .map(({ key, value }) => ({ label: key, prediction: value.inference }))
    .apply(writeToCsv(output, { schema: row({ label: int64, prediction: int64 }), header: false })),
);
