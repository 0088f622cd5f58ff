// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import {
  type OpenAiCompatibleOptions,
  openAiCompatible,
  type PythonModelHandler,
} from '../../../src/ml/index.ts';

const LLM = { baseUrl: 'https://host/v1', model: 'm' };

test('options reach Python under their Python names', () => {
  const handler = openAiCompatible({
    ...LLM,
    apiKeyEnv: 'KEY',
    maxTokens: 3,
    requestsPerSecond: 0.5,
    maxRetries: 0,
    rateLimiter: { serviceAddress: 'h:1', domain: 'd', descriptors: [{ key: 'a' }] },
  });
  assert.equal(handler.loader, 'beambridge_host.handlers.openai_compatible.openai_compatible');
  assert.deepEqual(handler.extras, []);
  assert.deepEqual(handler.kwargs, {
    base_url: 'https://host/v1',
    model: 'm',
    api_key_env: 'KEY',
    max_tokens: 3,
    requests_per_second: 0.5,
    max_retries: 0,
    rate_limiter: { serviceAddress: 'h:1', domain: 'd', descriptors: [{ key: 'a' }] },
  });
});

test('types follow from the options', () => {
  const kinds = (handler: { example: { kind: string }; inference: { kind: string } }) =>
    `${handler.example.kind} ${handler.inference.kind}`;
  assert.equal(kinds(openAiCompatible(LLM)), 'string string');
  assert.equal(kinds(openAiCompatible({ ...LLM, api: 'embeddings' })), 'string array');
  assert.equal(kinds(openAiCompatible({ ...LLM, input: 'messages' })), 'array string');
  const embed: PythonModelHandler<string, number[]> = openAiCompatible({
    ...LLM,
    api: 'embeddings',
  });
  assert.equal(embed.name, 'openAiCompatible');
});

test('options that cannot be meant are refused', () => {
  const cases: [Partial<Record<keyof OpenAiCompatibleOptions, unknown>>, RegExp][] = [
    [{ baseUrl: 'localhost:80' }, /baseUrl is not an address such as/],
    [{ baseUrl: 'https://me:secret@host' }, /an address with a credential/],
    [{ model: '' }, /model is not a text/],
    [{ apiKeyEnv: 'sk-proj-123' }, /the credential itself has no place in a pipeline/],
    [{ headers: { Authorization: 'Bearer x' } }, /holding Authorization: name its variable/],
    [{ secretHeaders: { a: 'b c' } }, /secretHeaders is not the name of an environment/],
    [{ temperature: -1 }, /temperature is not a number from 0/],
    [{ requestsPerSecond: 0 }, /requestsPerSecond is not a number above 0/],
    [{ maxRetries: -1 }, /maxRetries is not a whole number from 0/],
    [{ rateLimiter: {} }, /rateLimiter is not \{ serviceAddress/],
    [{ parameters: { a: 1n } }, /parameters is holding a bigint/],
    [{ api: 'responses' }, /api is not 'chat' or 'completions'/],
    [{ api: 'completions', input: 'messages' }, /completions takes no messages/],
    [{ api: 'embeddings', system: 'x' }, /embeddings has no system message/],
    [{ apikey: 'x' } as never, /there is no option apikey/],
    [{ largeModel: true } as never, /there is no option largeModel/],
  ];
  for (const [options, message] of cases) {
    assert.throws(
      () => openAiCompatible({ ...LLM, ...options } as never),
      (error) =>
        error instanceof BeamBridgeError &&
        error.code === 'INVALID_ARGUMENT' &&
        message.test(error.message),
      `${JSON.stringify(options, (_k, v) => (typeof v === 'bigint' ? 'n' : v))}`,
    );
  }
});
