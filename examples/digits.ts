// SPDX-License-Identifier: Apache-2.0
// Scores the same handwritten digits with a model of any of five frameworks, and tells how many were
// right:
//
//   npm run example -- digits [--framework=sklearn|pytorch|tensorflow|onnx|xgboost] [--runner=direct]
//     [--input=GLOB] [--output=PREFIX]
//
// The model is trained at the first run, by support/train_digits.py. Input lines are
// `label,pixel,pixel,…`, output lines `label,prediction`. Without --input, the held-out quarter.

import { readFileSync } from 'node:fs';
import { counter, type KV, type PCollection } from 'beambridge';
import { readFromText, writeToText } from 'beambridge/io';
import {
  type ModelHandler,
  onnx,
  pytorch,
  RunInference,
  sklearn,
  tensorflow,
  xgboost,
} from 'beambridge/ml';
import { array, float32, int64, row } from 'beambridge/schema';
import { isData, parseDigit } from './support/digits.ts';
import { exampleFlags } from './support/flags.ts';
import { trainedDigits } from './support/trained-digits.ts';

const { flags, runner, expansionService } = exampleFlags({
  framework: 'sklearn',
  input: '',
  output: 'out/digits',
});
const folder = await trainedDigits(flags.framework);

/** A label for each digit, by a model whose predictions say it in their own way. */
function labels<InferenceT>(
  handler: ModelHandler<number[], InferenceT>,
  labelOf: (inference: InferenceT) => number,
) {
  const plain = RunInference.ofKVs(handler, int64);
  const scoring = expansionService ? plain.withExpansionService(expansionService) : plain;
  return (digits: PCollection<KV<number, number[]>>) =>
    digits.apply(scoring).map(({ key, value }) => ({ key, value: labelOf(value.inference) }));
}

const itself = (label: number) => label;
const best = (scores: number[]) => scores.indexOf(Math.max(...scores));

const models = {
  sklearn: () =>
    labels(
      sklearn({ modelUri: `${folder}/model.pkl`, example: array(int64), inference: int64 }),
      itself,
    ),
  pytorch: () =>
    labels(
      pytorch({
        stateDictPath: `${folder}/model.pt`,
        modelClass: readFileSync(new URL('support/digits_net.py', import.meta.url), 'utf8'),
        modelParams: { hidden: 32 },
        example: array(float32),
        inference: array(float32),
      }),
      best,
    ),
  tensorflow: () =>
    labels(
      tensorflow({
        modelUri: `${folder}/saved_model`,
        example: array(float32),
        inference: array(float32),
      }),
      best,
    ),
  onnx: () =>
    labels(
      onnx({
        modelUri: `${folder}/model.onnx`,
        example: array(float32),
        inference: row({ label: int64, probabilities: array(float32) }),
      }),
      ({ label }) => label,
    ),
  xgboost: () =>
    labels(
      xgboost({
        modelClass: 'XGBClassifier',
        modelState: `${folder}/model.json`,
        example: array(float32),
        inference: int64,
      }),
      itself,
    ),
};

const score = models[flags.framework as keyof typeof models]();
const result = await runner.run((root) => {
  const digits = root
    .apply(readFromText(flags.input || `${folder}/test.csv`))
    .filter(isData)
    .map(parseDigit);
  return score(digits)
    .map(
      ({ key, value }, { seen, correct }) => {
        seen.increment();
        if (key === value) correct.increment();
        return `${key},${value}`;
      },
      { seen: counter('seen'), correct: counter('correct') },
    )
    .apply(writeToText(flags.output));
});

const { seen = 0, correct = 0 } = await result.counters();
console.log(`${flags.framework} accuracy: ${(correct / seen).toFixed(4)} (${seen} examples)`);
