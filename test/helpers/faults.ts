// SPDX-License-Identifier: Apache-2.0
// A proxy's part of a service of objects: answers that are cut, stall or never come, requests that are torn, refusals.

import { type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array | string;
  /** After how many bytes of the body the connection ends. @default never */
  readonly cut?: number;
}

/** What becomes of a request instead of an answer. */
export type Fault =
  /** An answer of this status, with an error of this code. */
  | { readonly status: number; readonly code: string }
  /** The connection ends after so many bytes of the answer. */
  | { readonly cutAfter: number }
  /** No byte comes behind so many, and the connection stays. */
  | { readonly stallAfter: number }
  /** The service does what it was asked, and the connection ends before it says so. */
  | { readonly unanswered: true }
  /** Another answer than the service's, without it being asked. */
  | { readonly instead: Answer }
  /** What becomes of the service's answer. */
  | { readonly become: (answer: Answer) => Answer }
  /** The connection ends after so many bytes of the request. */
  | { readonly tornAfter: number };

/** An error of a code, as a service writes it. */
export type Refusal = (code: string, status: number) => { type: string; body: string };

export async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function give(outgoing: ServerResponse, method: string | undefined, answer: Answer): void {
  const { status, headers, body, cut } = answer;
  const said = Object.entries(headers).filter(([, value]) => value !== undefined);
  outgoing.writeHead(status, Object.fromEntries(said) as Record<string, string>);
  if (cut === undefined) {
    outgoing.end(method === 'HEAD' ? undefined : body);
    return;
  }
  outgoing.flushHeaders();
  outgoing.write(body.slice(0, cut));
  // What was sent has to arrive, and no more.
  setTimeout(() => outgoing.destroy(), 50);
}

/** Hands a request on to the service at a port, and its answer back, with a fault or without. */
export function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  port: number,
  fault: Fault | undefined,
  refusal: Refusal,
): void {
  if (fault && 'status' in fault) {
    incoming.resume();
    const { type, body } = refusal(fault.code, fault.status);
    // Azure's answers to HEAD have nothing but this.
    outgoing.writeHead(fault.status, { 'content-type': type, 'x-ms-error-code': fault.code });
    outgoing.end(incoming.method === 'HEAD' ? undefined : body);
    return;
  }
  if (fault && 'instead' in fault) {
    incoming.resume();
    give(outgoing, incoming.method, fault.instead);
    return;
  }
  const { method, url, headers } = incoming;
  const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
    if (fault && 'unanswered' in fault) {
      answer.resume().on('end', () => outgoing.destroy());
      return;
    }
    if (fault && 'become' in fault) {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const { 'transfer-encoding': _, ...headers } = answer.headers;
        const told = { status: answer.statusCode!, headers, body: Buffer.concat(chunks) };
        give(outgoing, method, fault.become(told));
      });
      return;
    }
    outgoing.writeHead(answer.statusCode!, answer.headers);
    if (!fault || 'tornAfter' in fault) {
      answer.pipe(outgoing);
      return;
    }
    let left = 'cutAfter' in fault ? fault.cutAfter : fault.stallAfter;
    outgoing.flushHeaders();
    answer.on('data', (chunk: Buffer) => {
      if (left > 0) outgoing.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0 && 'cutAfter' in fault) setImmediate(() => outgoing.destroy());
    });
    answer.on('end', () => {
      if (left > 0) outgoing.end();
    });
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('error', () => {});
  if (!fault || !('tornAfter' in fault)) {
    incoming.pipe(onward);
    return;
  }
  let left = fault.tornAfter;
  incoming.on('data', (chunk: Buffer) => {
    if (left > 0) onward.write(chunk.subarray(0, left));
    left -= chunk.length;
    // What was sent has to arrive, and no more.
    if (left <= 0) setTimeout(() => onward.destroy(), 50);
  });
  incoming.on('error', () => onward.destroy());
}
