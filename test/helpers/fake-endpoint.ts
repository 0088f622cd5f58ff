// SPDX-License-Identifier: Apache-2.0
// An HTTP service on 127.0.0.1 that a test makes answer what it likes, and that remembers what it
// was asked.

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  path: string;
  headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: the JSON of whatever API is being faked
  body: any;
  /** Milliseconds of performance.now(). */
  at: number;
}

export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  /** A text as it is, anything else as JSON. */
  body?: unknown;
  /** Milliseconds until it is sent. */
  after?: number;
}

/** Answers a request, the `index`th from 0. */
export type Answer = (asked: Asked, index: number) => Reply;

export interface FakeEndpoint extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  url: string;
  asked: Asked[];
  /** Most requests that were in flight together. */
  together: number;
}

export async function fakeEndpoint(answer: Answer): Promise<FakeEndpoint> {
  let flying = 0;
  const timers = new Set<NodeJS.Timeout>();
  const endpoint: FakeEndpoint = {
    url: '',
    asked: [],
    together: 0,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer);
      server.closeAllConnections();
      server.close();
    },
  };
  const server = createServer(async (request, response) => {
    endpoint.together = Math.max(endpoint.together, ++flying);
    response.on('close', () => flying--);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const text = Buffer.concat(parts).toString();
    const asked: Asked = {
      path: request.url ?? '',
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
      at: performance.now(),
    };
    const reply = answer(asked, endpoint.asked.push(asked) - 1);
    const timer = setTimeout(() => {
      timers.delete(timer);
      send(response, reply);
    }, reply.after ?? 0);
    timers.add(timer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  endpoint.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return endpoint;
}

function send(response: ServerResponse, { status = 200, headers = {}, body = '' }: Reply): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}
