// SPDX-License-Identifier: Apache-2.0
// Handlers of cloud services with their real clients, against fakes of the services in this process.
// Builds a Python environment with all four clients (566 MB) and starts a host in it.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { adk, anthropic, gemini, RunInference, vertexAi } from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { array, float32 } from '../../src/schema/index.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { create } from '../../src/transforms/index.ts';
import { type Answer, type FakeEndpoint, fakeEndpoint } from '../helpers/fake-endpoint.ts';

// Before the host starts, which inherits them.
process.env.TEST_CLOUD_KEY = 'right';
process.env.TEST_WRONG_KEY = 'wrong';
// No question to a metadata server of Google's, which is not here.
process.env.NO_GCE_CHECK = 'true';
delete process.env.GOOGLE_APPLICATION_CREDENTIALS;

before(() => ensurePythonEnvironment({ extras: ['adk', 'anthropic', 'gemini', 'vertexai'] }));

type Texts = ReturnType<typeof adk>;

async function ask(handler: Texts, examples = ['a', 'b', 'c']) {
  const inferences: string[] = [];
  const failed: string[] = [];
  await createRunner({ runner: 'direct' }).run((root) => {
    const out = root.apply(create(examples)).apply(RunInference.of(handler).withDeadLetters());
    out.predictions.map(({ inference }) => inferences.push(inference));
    out.failed.map(({ element, errorType, message }) =>
      failed.push(`${element}: ${errorType}: ${message}`),
    );
  });
  return { inferences: inferences.sort(), failed: failed.sort() };
}

/** Refuses any key but the right one, throttles the first request, and has no answer for b. */
function service(keyHeader: string, reply: (body: never) => unknown): Promise<FakeEndpoint> {
  const answer: Answer = ({ headers, body }, index) => {
    const key = headers[keyHeader] ?? headers.authorization?.replace('Bearer ', '');
    if (key !== 'right') {
      return { status: 401, body: { error: { code: 401, message: 'no such key' } } };
    }
    if (index === 0) {
      return { status: 429, headers: { 'retry-after': '0' }, body: { error: { code: 429 } } };
    }
    if (JSON.stringify(body).includes('"b"')) return { body: '<html>' };
    return { body: reply(body as never) };
  };
  return fakeEndpoint(answer);
}

const claude = () =>
  service('x-api-key', (body: { messages: { content: string }[] }) => ({
    id: '1',
    type: 'message',
    role: 'assistant',
    model: 'c',
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1 },
    content: [{ type: 'text', text: `you said ${body.messages[0]!.content}` }],
  }));

const flash = () =>
  service('x-goog-api-key', (body: { contents: { parts: { text: string }[] }[] }) => ({
    candidates: [
      {
        content: {
          role: 'model',
          parts: [{ text: `you said ${body.contents[0]!.parts[0]!.text}` }],
        },
      },
    ],
  }));

test('anthropic: throttling is waited out, and nonsense is the dead letter of its row', async () => {
  await using endpoint = await claude();
  const { inferences, failed } = await ask(
    anthropic({
      modelName: 'c',
      apiKeyEnv: 'TEST_CLOUD_KEY',
      baseUrl: endpoint.url,
      system: 'be brief',
      maxTokens: 9,
      stopSequences: ['.'],
      parameters: { metadata: { user_id: 'u' } },
    }),
  );
  assert.deepEqual(inferences, ['you said a', 'you said c']);
  assert.match(failed.join('\n'), /^b: ENDPOINT_MISMATCH: Anthropic's API answered [^\n]*$/);
  assert.equal(endpoint.asked.length, 4);
  assert.deepEqual(endpoint.asked.find(({ body }) => body.messages[0].content === 'c')!.body, {
    model: 'c',
    messages: [{ role: 'user', content: 'c' }],
    system: 'be brief',
    max_tokens: 9,
    stop_sequences: ['.'],
    metadata: { user_id: 'u' },
  });
});

test('anthropic: a wrong key ends the run, a missing one is found before it', async () => {
  await using endpoint = await claude();
  const options = { modelName: 'c', baseUrl: endpoint.url };
  await assert.rejects(ask(anthropic({ ...options, apiKeyEnv: 'TEST_WRONG_KEY' })), {
    code: 'CREDENTIALS_REFUSED',
    message: /no such key[\s\S]*TEST_WRONG_KEY/,
  });
  await assert.rejects(ask(anthropic({ ...options, apiKeyEnv: 'TEST_NO_KEY' })), {
    code: 'CREDENTIALS_MISSING',
    message: /TEST_NO_KEY is not set/,
  });
});

test('gemini: each example is a request of its own', async () => {
  await using endpoint = await flash();
  const { inferences, failed } = await ask(
    gemini({
      modelName: 'g',
      apiKeyEnv: 'TEST_CLOUD_KEY',
      baseUrl: endpoint.url,
      config: { temperature: 0, system_instruction: 'be brief' },
    }),
  );
  assert.deepEqual(inferences, ['you said a', 'you said c']);
  assert.match(failed.join('\n'), /^b: ENDPOINT_MISMATCH: Gemini's API answered [^\n]*$/);
  const { path, body } = endpoint.asked.at(-1)!;
  assert.equal(path, '/v1beta/models/g:generateContent');
  assert.equal(body.generationConfig.temperature, 0);
  assert.equal(body.systemInstruction.parts[0].text, 'be brief');
});

test('gemini: images in, and credentials that are wrong or missing', async () => {
  await using endpoint = await fakeEndpoint(({ body }) => ({
    body: {
      candidates: [{ content: { role: 'model', parts: [body.contents[0].parts.at(-1)] } }],
    },
  }));
  const image = new Uint8Array([0xff, 0xd8, 1, 2]);
  const images: Uint8Array[] = [];
  await createRunner({ runner: 'direct' }).run((root) => {
    const handler = gemini({
      modelName: 'g',
      apiKeyEnv: 'TEST_CLOUD_KEY',
      baseUrl: endpoint.url,
      input: 'images',
      response: 'image',
    });
    root
      .apply(create([{ text: 'brighter', images: [image] }]))
      .apply(RunInference.of(handler))
      .map(({ inference }) => images.push(inference));
  });
  assert.deepEqual(
    images.map((each) => [...each]),
    [[...image]],
  );
  assert.equal(endpoint.asked[0]!.body.contents[0].parts[1].inlineData.mime_type, 'image/jpeg');

  await using strict = await flash();
  const wrong = { modelName: 'g', baseUrl: strict.url, apiKeyEnv: 'TEST_WRONG_KEY' };
  await assert.rejects(ask(gemini(wrong)), { code: 'CREDENTIALS_REFUSED' });
  await assert.rejects(ask(gemini({ modelName: 'g', apiKeyEnv: 'TEST_NO_KEY' })), {
    code: 'CREDENTIALS_MISSING',
  });
});

test('vertexAi: without credentials the pipeline is refused before it runs', async () => {
  const handler = vertexAi({
    endpointId: '1',
    project: 'p',
    location: 'us-central1',
    example: array(float32),
    inference: array(float32),
  });
  const run = createRunner({ runner: 'direct' }).run((root) => {
    root.apply(create([[1, 2]])).apply(RunInference.of(handler));
  });
  await assert.rejects(run, {
    code: 'CREDENTIALS_MISSING',
    message: /GOOGLE_APPLICATION_CREDENTIALS is not set/,
  });
});

test('adk: an agent of source text answers each example in a session of its own', async () => {
  const agent = `
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.genai import types

class Echo(BaseLlm):
  async def generate_content_async(self, request, stream=False):
    said = [part.text for content in request.contents if content.role == 'user' for part in content.parts]
    yield LlmResponse(content=types.Content(role='model', parts=[types.Part(text=' / '.join(said))]))

def make():
  return LlmAgent(name='echo', model=Echo(model='echo'))
`;
  const { inferences, failed } = await ask(adk({ agent }));
  assert.deepEqual(failed, []);
  assert.deepEqual(inferences, ['a', 'b', 'c']);
});
