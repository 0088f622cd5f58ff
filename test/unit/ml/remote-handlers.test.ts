// SPDX-License-Identifier: Apache-2.0
// Options of the handlers whose frameworks are heavy, need a GPU, or an account.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adk,
  anthropic,
  gemini,
  type PythonModelHandler,
  tensorrt,
  vertexAi,
  vllm,
} from '../../../src/ml/index.ts';
import { array, float32 } from '../../../src/schema/index.ts';

const TYPES = { example: array(float32), inference: array(float32) };
const ENDPOINT = { endpointId: '1', project: 'p', location: 'l' };
const ENGINE = { ...TYPES, minBatchSize: 4, maxBatchSize: 4 };

test('options reach Python under their Python names', () => {
  const cases: [PythonModelHandler<never, never>, string, Record<string, unknown>][] = [
    [
      anthropic({ modelName: 'c', topK: 3, requestFn: 'm.f', maxRetries: 1 }) as never,
      'anthropic',
      { model_name: 'c', top_k: 3, request_fn: 'm.f', max_retries: 1 },
    ],
    [
      gemini({ modelName: 'g', project: 'p', location: 'l', useVertexFlexApi: true }) as never,
      'gemini',
      { model_name: 'g', project: 'p', location: 'l', use_vertex_flex_api: true },
    ],
    [
      vertexAi({ ...ENDPOINT, ...TYPES, invokeRoute: '/v1', private: true, network: 'n' }) as never,
      'vertexai',
      {
        endpoint_id: '1',
        project: 'p',
        location: 'l',
        invoke_route: '/v1',
        private: true,
        network: 'n',
      },
    ],
    [
      adk({
        agent: 'm.make',
        appName: 'a',
        sessionServiceFactory: 'm.s',
        maxBatchSize: 2,
      }) as never,
      'adk',
      { agent: 'm.make', app_name: 'a', session_service_factory: 'm.s', max_batch_size: 2 },
    ],
    [
      vllm({
        modelName: 'm',
        api: 'chat',
        chatTemplatePath: 't.jinja',
        vllmServerKwargs: { 'max-num-seqs': '4', quiet: null },
        useDynamo: true,
        dynamoFrontendKwargs: { 'router-mode': 'kv' },
      }) as never,
      'vllm',
      {
        model_name: 'm',
        api: 'chat',
        chat_template_path: 't.jinja',
        vllm_server_kwargs: { 'max-num-seqs': '4', quiet: null },
        use_dynamo: true,
        dynamo_frontend_kwargs: { 'router-mode': 'kv' },
      },
    ],
    [
      tensorrt({ ...ENGINE, onnxPath: 'net.onnx', largeModel: true }) as never,
      'tensorrt',
      { min_batch_size: 4, max_batch_size: 4, onnx_path: 'net.onnx', large_model: true },
    ],
  ];
  for (const [{ loader, extras, kwargs }, extra, expected] of cases) {
    assert.equal(loader, `beambridge_host.handlers.${extra}.${extra}`);
    assert.deepEqual(extras, [extra]);
    assert.deepEqual(kwargs, expected);
  }
});

test('options that cannot be meant are refused', () => {
  const cases: [() => unknown, RegExp][] = [
    [() => anthropic({} as never), /anthropic: modelName is missing/],
    [() => anthropic({ modelName: 'c', apiKeyEnv: 'sk-1' }), /has no place in a pipeline/],
    [() => anthropic({ modelName: 'c', largeModel: true } as never), /no option largeModel/],
    [() => gemini({ modelName: 'g', project: 'p' }), /project and location come together/],
    [
      () => gemini({ modelName: 'g', project: 'p', location: 'l', apiKeyEnv: 'K' }),
      /both apiKeyEnv and project/,
    ],
    [() => gemini({ modelName: 'g', useVertexFlexApi: true }), /needs a project/],
    [() => vertexAi({ ...ENDPOINT, ...TYPES, private: true }), /private endpoint needs a network/],
    [() => vertexAi({ ...ENDPOINT, ...TYPES, invokeRoute: 'v1' }), /invokeRoute is not a path/],
    [() => vertexAi({ ...ENDPOINT, example: array(float32) } as never), /no inference type/],
    [() => adk({} as never), /adk: agent is missing/],
    [() => vllm({ modelName: 'm', chatTemplatePath: 't' }), /completions have no chat template/],
    [() => vllm({ modelName: 'm', input: 'messages' } as never), /completions have no messages/],
    [() => vllm({ modelName: 'm', vllmServerKwargs: { a: 1 } as never }), /not an object of texts/],
    [() => vllm({ modelName: 'm', dynamoFrontendKwargs: {} }), /needs useDynamo/],
    [() => tensorrt(ENGINE), /one of enginePath and onnxPath/],
    [() => tensorrt({ ...ENGINE, enginePath: 'a', onnxPath: 'b' }), /one of enginePath and onnx/],
    [
      () => tensorrt({ ...TYPES, enginePath: 'a', maxBatchSize: 4 } as never),
      /minBatchSize is missing/,
    ],
  ];
  for (const [make, message] of cases) assert.throws(make, { message });
});
