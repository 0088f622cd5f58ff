// SPDX-License-Identifier: Apache-2.0
// One ONNX model, run twice by the same pipeline: in this process by onnxLocal, without Python, and in
// Python by onnx. The model of the digits is made at the first run.
//
//   npm run example -- onnx-local [--runner=node]
//
// Needs the npm package onnxruntime-node beside beambridge.

import { readFileSync } from 'node:fs';
import { create } from 'beambridge';
import { type ModelHandler, onnx, onnxLocal, RunInference } from 'beambridge/ml';
import { array, float32, type Infer, int64, row } from 'beambridge/schema';
import { parseDigit } from './support/digits.ts';
import { exampleFlags } from './support/flags.ts';
import { trainedDigits } from './support/trained-digits.ts';

const { runner } = exampleFlags({}, { runner: 'node' });
const folder = await trainedDigits('onnx');

const ANSWER = row({ label: int64, probabilities: array(float32) });
type Answer = Infer<typeof ANSWER>;
const model = { modelUri: `${folder}/model.onnx`, example: array(float32), inference: ANSWER };

const lines = readFileSync(`${folder}/test.csv`, 'utf8').trim().split('\n');
const digits = lines.map(parseDigit);
const rows = digits.map(({ value }, key) => ({ key, value }));

/** The answer to each digit, in their order. */
async function answers(handler: ModelHandler<number[], Answer>): Promise<Answer[]> {
  const found: Answer[] = [];
  await runner.run((root) =>
    root
      .apply(create(rows))
      .apply(RunInference.ofKVs(handler, int64))
      .map(({ key, value }) => {
        found[key] = value.inference;
      }),
  );
  return found;
}

const local = await answers(onnxLocal(model));
const python = await answers(onnx(model));

const right = (all: Answer[]) => all.filter(({ label }, i) => label === digits[i]?.key).length;
for (const [name, all] of Object.entries({ onnxLocal: local, onnx: python })) {
  console.log(`${name.padEnd(9)} ${(right(all) / rows.length).toFixed(4)} of ${rows.length}`);
}
const apart = local.map(({ label, probabilities }, i) => {
  const other = python[i]!;
  const most = probabilities.map((p, at) => Math.abs(p - other.probabilities[at]!));
  return label === other.label ? Math.max(...most) : 1;
});
console.log(`probabilities differ by ${Math.max(...apart) < 1e-5 ? 'less' : 'more'} than 1e-5`);
