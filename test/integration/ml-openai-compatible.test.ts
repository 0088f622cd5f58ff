// SPDX-License-Identifier: Apache-2.0
// Models behind an endpoint that speaks OpenAI's API: fake endpoints of this process, which misbehave
// in every way, asked by the managed Python host.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../src/base/index.ts';
import {
  type OpenAiCompatibleOptions,
  openAiCompatible,
  type PythonModelHandler,
  RunInference,
} from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { type Accepts, int64 } from '../../src/schema/index.ts';
import { create } from '../../src/transforms/index.ts';
import { type Answer, fakeEndpoint, type Reply } from '../helpers/fake-endpoint.ts';

// Before the host starts, which inherits them.
process.env.TEST_OPENAI_KEY = 'sk-right';
process.env.TEST_OPENAI_ORG = 'org-7';
process.env.TEST_TWO_LINES = 'sk-left\nsk-right-too';

const runner = createRunner({ runner: 'direct' });

/** Says what it was asked, as a chat does. */
const echo: Answer = ({ body }) => chat(`you said ${body.messages.at(-1).content}`);

const chat = (content: unknown): Reply => ({
  body: {
    model: 'fake-1',
    choices: [{ index: 0, message: { role: 'assistant', content } }],
    usage: { prompt_tokens: 5, completion_tokens: 2 },
  },
});

async function ask<E, I>(handler: PythonModelHandler<E, I>, examples: Accepts<E>[]) {
  const inferences: I[] = [];
  const result = await runner.run((root) => {
    root
      .apply(create(examples))
      .apply(RunInference.of(handler))
      .map(({ inference }) => inferences.push(inference));
  });
  return { inferences, result };
}

async function askWithDeadLetters(options: OpenAiCompatibleOptions, examples: string[]) {
  const predicted: string[] = [];
  const failed: { element: string; errorType: string; message: string }[] = [];
  await runner.run((root) => {
    const handler = openAiCompatible(options as OpenAiCompatibleOptions & { input?: 'text' });
    const out = root.apply(create(examples)).apply(RunInference.of(handler).withDeadLetters());
    out.predictions.map(({ inference }) => predicted.push(inference));
    out.failed.map(({ element, errorType, message }) =>
      failed.push({ element, errorType, message }),
    );
  });
  return { predicted: predicted.sort(), failed };
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `q${i}`);

const coded = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

test('a conversation for each text, several at once, with the key from the environment', async () => {
  await using endpoint = await fakeEndpoint((asked, i) => ({ ...echo(asked, i), after: 30 }));
  const llm = openAiCompatible({
    baseUrl: `${endpoint.url}/v1/`,
    model: 'm',
    apiKeyEnv: 'TEST_OPENAI_KEY',
    secretHeaders: { 'OpenAI-Organization': 'TEST_OPENAI_ORG' },
    headers: { 'X-Team': 'beam' },
    system: 'be brief',
    temperature: 0,
    maxTokens: 9,
    stop: ['\n'],
    parameters: { response_format: { type: 'text' } },
    maxConcurrency: 4,
  });
  const { inferences } = await ask(llm, numbered(12));
  assert.deepEqual(
    inferences.sort(),
    numbered(12)
      .map((q) => `you said ${q}`)
      .sort(),
  );
  assert.ok(endpoint.together > 1 && endpoint.together <= 4, `${endpoint.together} at once`);
  const { path, headers, body } = endpoint.asked.find(
    (each) => each.body.messages[1].content === 'q3',
  )!;
  assert.equal(path, '/v1/chat/completions');
  assert.equal(headers.authorization, 'Bearer sk-right');
  assert.equal(headers['openai-organization'], 'org-7');
  assert.equal(headers['x-team'], 'beam');
  assert.deepEqual(body, {
    model: 'm',
    temperature: 0,
    max_tokens: 9,
    stop: ['\n'],
    response_format: { type: 'text' },
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'q3' },
    ],
  });
});

test('whole conversations, under their keys, and the endpoint’s whole answer', async () => {
  await using endpoint = await fakeEndpoint(echo);
  const llm = openAiCompatible({
    baseUrl: endpoint.url,
    model: 'm',
    input: 'messages',
    response: 'json',
  });
  const messages = [
    { role: 'user', content: 'hello' },
    { role: 'assistant', content: 'hi' },
    { role: 'user', content: 'again' },
  ];
  const rows: { key: number; model: string | null; text: string }[] = [];
  await runner.run((root) => {
    root
      .apply(create([{ key: 7, value: messages }]))
      .apply(RunInference.ofKVs(llm, int64).withModelId())
      .map(({ key, value }) => {
        const text = JSON.parse(value.inference).choices[0].message.content;
        rows.push({ key, model: value.model_id, text });
      });
  });
  assert.deepEqual(rows, [{ key: 7, model: 'fake-1', text: 'you said again' }]);
  assert.deepEqual(endpoint.asked[0]!.body.messages, messages);
  assert.equal(endpoint.asked[0]!.headers.authorization, undefined);
});

test('completions', async () => {
  await using endpoint = await fakeEndpoint(({ path, body }) => ({
    body: { choices: [{ text: `${path} ${body.prompt}!` }] },
  }));
  const llm = openAiCompatible({ baseUrl: endpoint.url, model: 'm', api: 'completions' });
  assert.deepEqual((await ask(llm, ['once'])).inferences, ['/completions once!']);
});

test('embeddings go many in a request, and one bad input fails alone', async () => {
  await using endpoint = await fakeEndpoint(({ body }) => {
    if (body.input.includes('q2')) return { status: 400, body: { error: { message: 'no q2' } } };
    const data = body.input.map((text: string, index: number) => ({
      index,
      embedding: [Number(text.slice(1)), 0.5],
    }));
    return { body: { data: data.reverse() } };
  });
  const embed = openAiCompatible({
    baseUrl: endpoint.url,
    model: 'm',
    api: 'embeddings',
    inputsPerRequest: 5,
  });
  const vectors: number[][] = [];
  const failed: string[] = [];
  await runner.run((root) => {
    const out = root.apply(create(numbered(10))).apply(RunInference.of(embed).withDeadLetters());
    out.predictions.map(({ inference }) => vectors.push(inference));
    out.failed.map(({ element, errorType, message }) =>
      failed.push(`${element} ${errorType} ${message}`),
    );
  });
  vectors.sort((a, b) => a[0]! - b[0]!);
  assert.deepEqual(
    vectors,
    [0, 1, 3, 4, 5, 6, 7, 8, 9].map((n) => [n, 0.5]),
  );
  assert.equal(failed.length, 1);
  assert.match(failed[0]!, /^q2 ENDPOINT_REFUSED .*HTTP 400\): no q2$/);
  assert.equal(endpoint.asked.length, 7, 'two groups of five, and one of them again by itself');
});

test("embeddings whose index is missing or there twice are nobody's", async () => {
  const wrong: Record<string, (number | string | undefined)[]> = {
    missing: [undefined, undefined],
    'there twice': [1, 1],
    'from 1': [1, 2],
    'a text': ['0', '1'],
  };
  for (const [name, indexes] of Object.entries(wrong)) {
    await using endpoint = await fakeEndpoint(({ body }) => ({
      body: {
        data: body.input.map((_: string, i: number) => ({ index: indexes[i], embedding: [i] })),
      },
    }));
    const embed = openAiCompatible({ baseUrl: endpoint.url, model: 'm', api: 'embeddings' });
    const got: string[] = [];
    await runner.run((root) => {
      const out = root.apply(create(['a', 'b'])).apply(RunInference.of(embed).withDeadLetters());
      out.predictions.map(({ inference }) => got.push(`${inference}`));
      out.failed.map(({ errorType, message }) => got.push(`${errorType} ${message}`));
    });
    assert.equal(got.length, 2, name);
    for (const each of got) {
      assert.match(each, /^ENDPOINT_REFUSED .*does not say which embedding is which/, name);
    }
  }
});

test('requests are spaced as requestsPerSecond says', async () => {
  await using endpoint = await fakeEndpoint(echo);
  const llm = openAiCompatible({ baseUrl: endpoint.url, model: 'm', requestsPerSecond: 20 });
  await ask(llm, numbered(9));
  const times = endpoint.asked.map(({ at }) => at).sort((a, b) => a - b);
  assert.ok(times.at(-1)! - times[0]! > 340, `${times.at(-1)! - times[0]!} ms for 8 intervals`);
});

test('throttled and failing requests are tried again by themselves, when the endpoint wants it', async () => {
  const seen = new Map<string, number>();
  await using endpoint = await fakeEndpoint((asked, i) => {
    const question = asked.body.messages[0].content;
    const time = (seen.get(question) ?? 0) + 1;
    seen.set(question, time);
    if (question === 'q1' && time <= 2) {
      const headers = { 'retry-after': time === 1 ? '1' : new Date(Date.now() + 1).toUTCString() };
      return { status: 429, headers, body: { error: { message: 'slow down' } } };
    }
    if (question === 'q2' && time === 1) return { status: 503, body: 'starting' };
    return echo(asked, i);
  });
  const llm = openAiCompatible({ baseUrl: endpoint.url, model: 'm' });
  const { inferences, result } = await ask(llm, numbered(4));
  assert.equal(inferences.length, 4);
  assert.deepEqual(Object.fromEntries(seen), { q0: 1, q1: 3, q2: 2, q3: 1 });
  const times = endpoint.asked.filter((each) => each.body.messages[0].content === 'q1');
  assert.ok(times[1]!.at - times[0]!.at > 950, 'as long as Retry-After says');
  const counters = await result.counters();
  assert.equal(counters.remote_requests, 7);
  assert.equal(counters.remote_retries, 3);
  assert.equal(counters.remote_completion_tokens, 8);
  assert.ok(counters.cumulativeThrottlingSeconds! >= 1);
});

test('rows whose requests fail for good are dead letters, and the others are answered once', async () => {
  await using endpoint = await fakeEndpoint((asked, i) => {
    const replies: Record<string, Reply> = {
      q1: { body: '<html>hello</html>' },
      q2: { body: { choices: [] } },
      q3: { ...chat('late'), after: 5_000 },
      q4: { status: 429, body: { error: { message: 'quota' } } },
      q5: { status: 429, headers: { 'retry-after': '3600' } },
      q6: { status: 500, body: 'boom' },
      q7: { status: 404, body: { error: { message: 'no model m' } } },
      q8: { status: 302, headers: { location: 'http://example.org/' } },
      q9: chat(null),
    };
    return replies[asked.body.messages[0].content] ?? echo(asked, i);
  });
  const { predicted, failed } = await askWithDeadLetters(
    {
      baseUrl: endpoint.url,
      model: 'm',
      maxRetries: 1,
      maxThrottleMs: 1000,
      timeoutMs: 600,
      maxConcurrency: 12,
    },
    numbered(12),
  );
  assert.deepEqual(predicted, ['you said q0', 'you said q10', 'you said q11']);
  const why = Object.fromEntries(failed.map((each) => [each.element, each]));
  const expected: Record<string, [string, RegExp]> = {
    q1: ['ENDPOINT_MISMATCH', /no JSON: <html>hello/],
    q2: ['ENDPOINT_MISMATCH', /without choices\[0\]/],
    q3: ['ENDPOINT_UNAVAILABLE', /did not answer within 0\.6 s \(2 attempts\)/],
    q4: ['ENDPOINT_UNAVAILABLE', /throttles \(HTTP 429\): quota \(2 attempts\)/],
    q5: ['ENDPOINT_UNAVAILABLE', /throttles \(HTTP 429\)$/],
    q6: ['ENDPOINT_UNAVAILABLE', /HTTP 500\): boom \(2 attempts\)/],
    q7: ['ENDPOINT_REFUSED', /HTTP 404\): no model m/],
    q8: ['ENDPOINT_MISMATCH', /at http:\/\/example\.org\/ \(HTTP 302\)/],
    q9: ['ENDPOINT_MISMATCH', /without choices\[0\] with a text/],
  };
  assert.deepEqual(Object.keys(why).sort(), Object.keys(expected));
  for (const [element, [errorType, message]] of Object.entries(expected)) {
    assert.equal(why[element]!.errorType, errorType, element);
    assert.match(why[element]!.message, message);
  }
  const times = (q: string) =>
    endpoint.asked.filter((each) => each.body.messages[0].content === q).length;
  assert.deepEqual(['q0', 'q1', 'q4', 'q5', 'q10'].map(times), [1, 1, 2, 1, 1]);
});

test('without dead letters a request that fails for good fails the run', async () => {
  await using endpoint = await fakeEndpoint(() => ({ body: 'hello' }));
  const llm = openAiCompatible({ baseUrl: endpoint.url, model: 'm' });
  await assert.rejects(ask(llm, ['q']), coded('ENDPOINT_MISMATCH', /no JSON: hello/));
});

test('an endpoint that is not there', async () => {
  const { url, ...endpoint } = await fakeEndpoint(echo);
  await endpoint[Symbol.asyncDispose]();
  const { failed } = await askWithDeadLetters({ baseUrl: url, model: 'm', maxRetries: 1 }, [
    ...numbered(30),
  ]);
  assert.equal(failed.length, 30);
  assert.equal(failed[0]!.errorType, 'ENDPOINT_UNAVAILABLE');
  assert.match(failed[0]!.message, /cannot be reached: connection refused/);
});

test('a missing credential is found before anything runs', async () => {
  await using endpoint = await fakeEndpoint(echo);
  const llm = openAiCompatible({ baseUrl: endpoint.url, model: 'm', apiKeyEnv: 'NO_SUCH_KEY' });
  await assert.rejects(
    ask(llm, ['q']),
    coded(
      'CREDENTIALS_MISSING',
      /NO_SUCH_KEY is not set[\s\S]*RunInference[\s\S]*hint: Set NO_SUCH/,
    ),
  );
  assert.equal(endpoint.asked.length, 0);
});

test('content in parts is one text, and an answer cut off before it began is a failure', async () => {
  await using endpoint = await fakeEndpoint(({ body }) => {
    const parts = [{ type: 'text', text: 'a' }, { type: 'thinking' }, { type: 'text', text: 'b' }];
    if (body.messages[0].content === 'q0') return chat(parts);
    const message = { role: 'assistant', content: '' };
    return { body: { choices: [{ finish_reason: 'length', message }] } };
  });
  const options = { baseUrl: endpoint.url, model: 'm' };
  const { predicted, failed } = await askWithDeadLetters(options, ['q0', 'q1']);
  assert.deepEqual(predicted, ['ab']);
  assert.equal(failed[0]!.errorType, 'ENDPOINT_REFUSED');
  assert.match(failed[0]!.message, /cut its answer off/);
});

test('a credential that the endpoint quotes is in no error and no dead letter', async () => {
  await using endpoint = await fakeEndpoint(({ headers }) => ({
    status: 400,
    body: { error: { message: `bad: ${headers.authorization}` } },
  }));
  const options = { baseUrl: endpoint.url, model: 'm', apiKeyEnv: 'TEST_OPENAI_KEY' };
  const { failed } = await askWithDeadLetters(options, ['q']);
  assert.match(failed[0]!.message, /bad: Bearer \[credential\]/);
  await assert.rejects(ask(openAiCompatible(options), ['q']), (error: BeamBridgeError) => {
    assert.doesNotMatch(`${error.message} ${error.stack} ${error.cause}`, /sk-right/);
    return true;
  });
});

test('a credential of two lines is refused before anything runs, without showing it', async () => {
  await using endpoint = await fakeEndpoint(echo);
  const options = { baseUrl: endpoint.url, model: 'm', apiKeyEnv: 'TEST_TWO_LINES' };
  await assert.rejects(ask(openAiCompatible(options), ['q']), (error: BeamBridgeError) => {
    assert.match(error.message, /TEST_TWO_LINES holds a line break after 7/);
    assert.doesNotMatch(`${error.message} ${error.stack}`, /sk-/);
    return true;
  });
  assert.equal(endpoint.asked.length, 0);
});

test('a refused credential ends the run at once, dead letters or not', async () => {
  await using endpoint = await fakeEndpoint(() => ({
    status: 401,
    body: { error: { message: 'Incorrect API key' } },
  }));
  const options = { baseUrl: endpoint.url, model: 'm', apiKeyEnv: 'TEST_OPENAI_KEY' };
  await assert.rejects(
    askWithDeadLetters(options, numbered(4)),
    coded('CREDENTIALS_REFUSED', /HTTP 401\): Incorrect API key[\s\S]*TEST_OPENAI_KEY/),
  );
  assert.ok(endpoint.asked.length <= 4, 'no request was tried again');
});
