// SPDX-License-Identifier: Apache-2.0
// One GET of a part of a file. By Node's own client and not `fetch`, which would take the compression off that a server
// put on, so that places in the file meant nothing.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { BeamBridgeError, nap } from '../../../base/index.ts';
import { TornTransfer } from '../objects/failures.ts';

const MOST_REDIRECTS = 5;
const MOST_ATTEMPTS = 4;
const FIRST_PAUSE_MS = 200;
/** A server may ask for more patience than this, and is told that it was too much. */
const LONGEST_PAUSE_MS = 20_000;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** A server that said no. */
export class Answered extends Error {
  constructor(readonly statusCode: number) {
    super(`the server answers ${statusCode}`);
  }
}

/** The answer to a GET, whatever its status; tried again where the server is busy. */
export async function get(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  for (let attempt = 1; ; attempt++) {
    const answer = await followed(url, headers, signal);
    const status = answer.statusCode ?? 0;
    const isBusy = status === 429 || status >= 500;
    if (!isBusy || attempt === MOST_ATTEMPTS) return answer;
    answer.destroy();
    const asked = Number(answer.headers['retry-after']) * 1000;
    const pause = asked > 0 ? asked : FIRST_PAUSE_MS * 2 ** attempt;
    await nap(Math.min(pause, LONGEST_PAUSE_MS), signal);
  }
}

async function followed(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  for (let at = new URL(url), redirects = 0; ; redirects++) {
    const answer = await ask(at, { headers, signal });
    const { location } = answer.headers;
    if (!REDIRECTS.has(answer.statusCode ?? 0) || location === undefined) return answer;
    answer.destroy();
    if (redirects === MOST_REDIRECTS) {
      throw new BeamBridgeError('IO_FAILED', `${url} is redirected again and again`);
    }
    const next = new URL(location, at);
    if (!/^https?:$/.test(next.protocol) || (at.protocol === 'https:' && next.protocol === 'http:'))
      throw new BeamBridgeError('IO_FAILED', `${url} is redirected to ${next.protocol}//`, {
        hint: 'Give the URL that is meant.',
      });
    at = next;
  }
}

const heard = new WeakSet<Socket>();

/**
 * An answer that is let go of right when it has ended finds its socket with nobody who would hear of it: Node's
 * client has left it, and its agent has yet to take it back. What is wrong then is known by the answer.
 */
function hear(socket: Socket): void {
  if (heard.has(socket)) return;
  heard.add(socket);
  socket.on('error', () => {});
}

/** What a server is asked. */
export interface Asked {
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** After how long without a byte either way the request is given up, in milliseconds. @default never */
  readonly idleMs?: number;
}

/** One request, and its answer whatever it is: nothing is tried again, and no redirect followed. */
export function ask(url: URL, asked: Asked): Promise<IncomingMessage> {
  const { method = 'GET', headers, body, signal, idleMs } = asked;
  const make = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = make(url, {
      method,
      headers: { 'accept-encoding': 'identity', ...headers },
      ...(signal && { signal }),
    });
    if (idleMs !== undefined) {
      const tooLong = () => request.destroy(new TornTransfer(`no byte came for ${idleMs} ms`));
      request.setTimeout(idleMs, tooLong);
    }
    request.once('response', resolve);
    request.once('socket', hear);
    request.on('error', reject);
    request.end(body);
  });
}
