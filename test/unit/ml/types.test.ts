// SPDX-License-Identifier: Apache-2.0
// What RunInference tells the compiler; the compiler is the test.

import type { KV } from '../../../src/coders/index.ts';
import {
  huggingface,
  huggingfacePipeline,
  onnx,
  pytorch,
  RunInference,
  sklearn,
  tensorflow,
  xgboost,
} from '../../../src/ml/index.ts';
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

/** A tensor may be given by its shape and data. */
export const byParts = lines
  .map(() => ({ shape: [2], data: new Float32Array(2) }))
  .apply(RunInference.of('h', { example: tensor(float32, [2]), inference: int64 }));

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

export const classified: PCollection<{
  example: string;
  inference: { label: string; score: number };
}> = lines.apply(RunInference.of(huggingfacePipeline({ task: 'text-classification' })));
export const tokens: PCollection<{ example: string; inference: number[][] }> = lines.apply(
  RunInference.of(huggingfacePipeline({ task: 'feature-extraction', model: 'm' })),
);
export const embedded: PCollection<{ example: string; inference: number[] }> = lines.apply(
  RunInference.of(
    huggingfacePipeline({ task: 'feature-extraction', pooling: 'mean', normalize: true }),
  ),
);
export const generated: PCollection<string> = lines
  .apply(RunInference.of(huggingfacePipeline({ task: 'text-generation', chat: true })))
  .map(({ inference }) => inference.generated_text);
export const chats: PCollection<{
  example: { role: string; content: string }[];
  inference: { generated_text: string };
}> = lines
  .map((content) => [{ role: 'user', content }])
  .apply(
    RunInference.of(
      huggingfacePipeline({
        task: 'text-generation',
        chat: true,
        example: array(row({ role: string, content: string })),
      }),
    ),
  );
export const topK: PCollection<{
  example: string;
  inference: { label: string; score: number }[];
}> = lines.apply(
  RunInference.of(
    huggingfacePipeline({
      task: 'text-classification',
      loadPipelineArgs: { top_k: 3 },
      inference: array(row({ label: string, score: float64 })),
    }),
  ),
);
export const other: PCollection<{ example: string; inference: number }> = lines.apply(
  RunInference.of(huggingfacePipeline({ model: 'mine', example: string, inference: float64 })),
);
export const pictures: PCollection<{
  example: Uint8Array;
  inference: { label: string; score: number }[];
}> = lines
  .map((line) => new Uint8Array(line.length))
  .apply(RunInference.of(huggingfacePipeline({ task: 'image-classification' })));
const inputs = row({ input_ids: array(int64), attention_mask: array(int64) });
export const encoded: PCollection<{
  example: { input_ids: number[]; attention_mask: number[] };
  inference: { pooler_output: number[] };
}> = lines
  .map(() => ({ input_ids: [1], attention_mask: [1] }))
  .apply(
    RunInference.of(
      huggingface({
        modelUri: 'm',
        modelClass: 'AutoModel',
        example: inputs,
        inference: row({ pooler_output: array(float32) }),
      }),
    ),
  );
const scores = { example: array(float32), inference: array(float32) };
export const numbers: PCollection<{ example: number[]; inference: number[] }>[] = [
  pytorch({ torchScriptModelPath: 'm', ...scores }),
  tensorflow({ modelUri: 'm', ...scores }),
  onnx({ modelUri: 'm', ...scores }),
  xgboost({ modelClass: 'Booster', modelState: 'm', ...scores }),
].map((handler) => vectors.apply(RunInference.of(handler)));

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
  // @ts-expect-error there is no such option
  pytorch({ stateDict: 'm', ...scores });
  // @ts-expect-error there is no such device
  pytorch({ stateDictPath: 'm', modelClass: 'M', device: 'TPU', ...scores });
  // @ts-expect-error JSON holds no functions
  tensorflow({ modelUri: 'm', loadModelArgs: { custom_objects: () => 1 }, ...scores });
  // @ts-expect-error session options are an object
  onnx({ modelUri: 'm', sessionOptions: 'fast', ...scores });
  // @ts-expect-error the model's class is missing
  xgboost({ modelState: 'm', ...scores });
  // @ts-expect-error the types of an unknown task are declared
  huggingfacePipeline({ task: 'depth-estimation', model: 'm' });
  // @ts-expect-error images are bytes
  lines.apply(RunInference.of(huggingfacePipeline({ task: 'image-classification' })));
  // @ts-expect-error nothing awaits a prediction that was not declared
  rows.map(({ score }) => score);
}
