// SPDX-License-Identifier: Apache-2.0
// A local server that speaks OpenAI's API with a real language model, run by llama.cpp:
//
//   node --import tsx examples/support/openai-server.ts [--port=8080] [--throttleFirst=0]
//
// It listens on 127.0.0.1 only. With `throttleFirst` it answers its first requests with HTTP 429, and
// with the environment variable OPENAI_SERVER_KEY it demands that key.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import {
  type ChatHistoryItem,
  getLlama,
  LlamaChatSession,
  LlamaCompletion,
  type LlamaContextSequence,
} from 'node-llama-cpp';
import { smolLm2 } from './packaged.ts';

const MODEL = 'smollm2-135m-instruct';
export interface OpenAiServerOptions {
  /** Port of 127.0.0.1. @default one that is free */
  port?: number;
  /** How many requests are answered with HTTP 429 before any is served. @default 0 */
  throttleFirst?: number;
  /** The API key that requests must carry. @default none */
  apiKey?: string | undefined;
}

export interface OpenAiServer extends AsyncDisposable {
  /** What clients take for `baseUrl`. */
  url: string;
  /** Requests for answers so far, and how many of them were throttled. */
  seen: { requests: number; throttled: number };
}

interface Body {
  messages?: { role: string; content: string }[];
  prompt?: string;
  temperature?: number;
  max_tokens?: number;
  seed?: number;
}

/** Starts the server with the model loaded. */
export async function startOpenAiServer(options: OpenAiServerOptions = {}): Promise<OpenAiServer> {
  const { port = 0, throttleFirst = 0, apiKey } = options;
  // Nothing is built or downloaded: the binary is in the npm package.
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: 'error' as never,
  });
  const model = await llama.loadModel({ modelPath: await smolLm2() });
  const context = await model.createContext({ contextSize: 2048, threads: 1 });
  const sequence = context.getSequence();
  const seen = { requests: 0, throttled: 0 };

  // One answer at a time: there is one sequence, and no more than a core to spend.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  };

  const answer = async (path: string, body: Body) => {
    const isChat = path.endsWith('/chat/completions');
    const text = await inTurn(() => (isChat ? chat(sequence, body) : complete(sequence, body)));
    const choice = isChat ? { message: { role: 'assistant', content: text } } : { text };
    const count = (words: string) => model.tokenize(words).length;
    const prompt = isChat
      ? (body.messages ?? []).map((each) => each.content).join('\n')
      : body.prompt;
    return {
      object: isChat ? 'chat.completion' : 'text_completion',
      model: MODEL,
      choices: [{ index: 0, finish_reason: 'stop', ...choice }],
      usage: { prompt_tokens: count(prompt ?? ''), completion_tokens: count(text) },
    };
  };

  const server = createServer(async (request, response) => {
    try {
      const path = request.url ?? '';
      if (apiKey && request.headers.authorization !== `Bearer ${apiKey}`) {
        return fail(response, 401, 'Incorrect API key provided');
      }
      if (path === '/v1/models') return send(response, 200, { data: [{ id: MODEL }] });
      if (request.method !== 'POST' || !/^\/v1\/(chat\/)?completions$/.test(path)) {
        return fail(response, 404, `there is no ${request.method} ${path}`);
      }
      const body = await read(request);
      if (seen.requests++ < throttleFirst) {
        seen.throttled++;
        return fail(response, 429, 'Rate limit reached', { 'retry-after-ms': '200' });
      }
      send(response, 200, await answer(path, body));
    } catch (error) {
      fail(response, error instanceof SyntaxError ? 400 : 500, String(error));
    }
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await last;
      await context.dispose();
      await model.dispose();
      await llama.dispose();
    },
  };
}

async function chat(sequence: LlamaContextSequence, { messages = [], ...options }: Body) {
  // The engine's own words where the conversation has no system message.
  const session = new LlamaChatSession({ contextSequence: sequence });
  const earlier: ChatHistoryItem[] = session.getChatHistory();
  for (const { role, content } of messages.slice(0, -1)) {
    if (role === 'system') earlier[0] = { type: 'system', text: content };
    else if (role === 'assistant') earlier.push({ type: 'model', response: [content] });
    else earlier.push({ type: 'user', text: content });
  }
  session.setChatHistory(earlier);
  try {
    return await session.prompt(messages.at(-1)?.content ?? '', sampling(options));
  } finally {
    session.dispose();
    await sequence.clearHistory();
  }
}

async function complete(sequence: LlamaContextSequence, { prompt = '', ...options }: Body) {
  const completion = new LlamaCompletion({ contextSequence: sequence });
  try {
    return await completion.generateCompletion(prompt, sampling(options));
  } finally {
    completion.dispose();
    await sequence.clearHistory();
  }
}

function sampling({ temperature = 1, max_tokens = 128, seed }: Body) {
  return { temperature, maxTokens: max_tokens, ...(seed === undefined ? {} : { seed }) };
}

async function read(request: IncomingMessage): Promise<Body> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

function send(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

function fail(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Record<string, string> = {},
): void {
  send(response, status, { error: { message } }, headers);
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: { port: { type: 'string' }, throttleFirst: { type: 'string' } },
  });
  const { url } = await startOpenAiServer({
    port: Number(values.port ?? 8080),
    throttleFirst: Number(values.throttleFirst ?? 0),
    apiKey: process.env.OPENAI_SERVER_KEY,
  });
  console.log(`listening on ${url}`);
}
