// SPDX-License-Identifier: Apache-2.0
// Rows of numbers and texts through a scikit-learn pipeline of data frames, with the default predict:
// frames_beambridge.mjs ROWS.json MODEL OUTPUT.

import { readFileSync, writeFileSync } from 'node:fs';
import { create, createRunner } from 'beambridge';
import { RunInference, sklearn } from 'beambridge/ml';
import { float64, int64, nullable, row, string } from 'beambridge/schema';

const [, , input = '', model = '', output = ''] = process.argv;
type Visitor = { id: number; age: number; income: number | null; visits: number } & Record<
  'city' | 'plan' | 'device',
  string
>;
const rows = JSON.parse(readFileSync(input, 'utf8')) as Visitor[];
const predict = sklearn({
  modelUri: model,
  example: row({
    age: float64,
    income: nullable(float64),
    visits: int64,
    city: string,
    plan: string,
    device: string,
  }),
  inference: int64,
});
const predictions = new Uint8Array(rows.length);
await createRunner({ runner: 'node', progress: false }).run((root) =>
  root
    .apply(create(rows))
    .map(({ id, ...value }) => ({ key: id, value }))
    .apply(RunInference.ofKVs(predict, int64))
    .map(({ key, value }) => {
      predictions[key] = value.inference + 48;
    }),
);
writeFileSync(output, predictions);
