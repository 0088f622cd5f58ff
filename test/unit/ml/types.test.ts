// SPDX-License-Identifier: Apache-2.0
// What RunInference tells the compiler; the compiler is the test.

import type { KV } from '../../../src/coders/index.ts';
import { RunInference, sklearn } from '../../../src/ml/index.ts';
import { type PCollection, Pipeline, Root } from '../../../src/pipeline/index.ts';
import {
  array,
  float32,
  float64,
  int64,
  map,
  nullable,
  row,
  string,
  Tensor,
  tensor,
  typedArray,
  uint8,
} from '../../../src/schema/index.ts';
import { create } from '../../../src/transforms/index.ts';

const root = new Root(new Pipeline());
const lines = root.apply(create(['7,0,0,12']));

function parseDigit(line: string): { key: number; value: number[] } {
  const [label = 0, ...pixels] = line.split(',').map(Number);
  return { key: label, value: pixels };
}

// The pipeline of the README.
export const digits: PCollection<string> = lines
  .map(parseDigit)
  .apply(
    RunInference.ofKVs('h', { example: array(int64), inference: int64 }, int64).withKwarg(
      'model_uri',
      'digits.pkl',
    ),
  )
  .map(({ key, value }) => `${key satisfies number},${value.inference satisfies number}`);

const vectors: PCollection<number[]> = lines.map((line) => parseDigit(line).value);
export const rows: PCollection<{ example: number[]; inference: Map<string, number[]> }> =
  vectors.apply(
    RunInference.of('h', { example: array(float32), inference: map(string, array(float64)) }),
  );
export const withId: PCollection<{
  example: number[];
  inference: Float32Array;
  model_id: string | null;
}> = vectors.apply(
  RunInference.of('h', {
    example: array(float32),
    inference: typedArray('float32'),
    model_id: nullable(string),
  }),
);
export const bySchema: PCollection<{ example: number[]; inference: number }> = vectors.apply(
  RunInference.of('h', row({ example: array(int64), inference: int64 })),
);
export const keyedBySchema: PCollection<KV<string, { example: string; inference: string }>> = lines
  .map((line) => ({ key: line, value: line }))
  .apply(RunInference.ofKVs('h', row({ example: string, inference: string }), string));

const scaled = sklearn({ modelUri: 'm.pkl', example: array(float32), inference: int64 });
export const byHandler: PCollection<{ example: number[]; inference: number }> = vectors.apply(
  RunInference.of(scaled),
);
export const byHandlerWithId: PCollection<{
  example: number[];
  inference: number;
  model_id: string | null;
}> = vectors.apply(RunInference.of(scaled).withModelId());
export const keyedByHandler: PCollection<
  KV<number, { example: number[]; inference: number; model_id: string | null }>
> = lines.map(parseDigit).apply(RunInference.ofKVs(scaled, int64).withModelId());
export const frames: PCollection<{ example: { a: number; b: string }; inference: string }> = lines
  .map((b) => ({ a: 1, b }))
  .apply(
    RunInference.of(
      sklearn({ modelUri: 'm', example: row({ a: int64, b: string }), inference: string }),
    ),
  );
export const images: PCollection<{ example: Tensor<'uint8'>; inference: Tensor<'float32'> }> = lines
  .map(() => new Uint8Array(4))
  .apply(
    RunInference.of('h', { example: tensor(uint8, [2, 2]), inference: tensor(float32, [10]) }),
  );
export const named: PCollection<number[]> = vectors
  .map((pixels) => ({ ids: pixels, mask: Tensor.from('int64', [1, 1]) }))
  .apply(
    RunInference.of('h', {
      example: row({ ids: tensor(int64, [2]), mask: tensor(int64, [2]) }),
      inference: row({ logits: tensor(float64, [null]) }),
    }),
  )
  .map(({ inference }) => [...inference.logits.data]);

/** Never called: only compiled. */
export function refused(): void {
  // @ts-expect-error a tensor of numbers is made of numbers
  lines.apply(RunInference.of('h', { example: tensor(float32, [2]), inference: int64 }));
  // @ts-expect-error the examples are numbers
  lines.apply(RunInference.of('h', { example: array(int64), inference: int64 }));
  // @ts-expect-error there are no keys
  vectors.apply(RunInference.ofKVs('h', { example: array(int64), inference: int64 }, string));
  // @ts-expect-error no inference is declared
  RunInference.of('h', { example: int64 });
  // @ts-expect-error the examples are numbers
  lines.apply(RunInference.of(scaled));
  // @ts-expect-error keys have a type
  RunInference.ofKVs(scaled);
  // @ts-expect-error a handler declares its types itself
  RunInference.of(scaled, { example: array(float32), inference: int64 });
  // @ts-expect-error there is no such option
  sklearn({ modelUri: 'm', modelFile: 'm', example: int64, inference: int64 });
  // @ts-expect-error the model is missing
  sklearn({ example: int64, inference: int64 });
  // @ts-expect-error there is no such file type
  sklearn({ modelUri: 'm', modelFileType: 'ONNX', example: int64, inference: int64 });
  // @ts-expect-error nothing awaits a prediction that was not declared
  rows.map(({ score }) => score);
}
