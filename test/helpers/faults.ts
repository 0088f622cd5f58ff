// SPDX-License-Identifier: Apache-2.0
// A proxy's part of a service of objects: answers that are cut, stall or never come, requests that are torn, refusals.

import { type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

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
  /** The connection ends after so many bytes of the request. */
  | { readonly tornAfter: number };

/** An error of a code, as a service writes it. */
export type Refusal = (code: string, status: number) => { type: string; body: string };

export async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
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
  const { method, url, headers } = incoming;
  const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
    if (fault && 'unanswered' in fault) {
      answer.resume().on('end', () => outgoing.destroy());
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
