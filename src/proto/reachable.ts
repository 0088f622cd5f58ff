// SPDX-License-Identifier: Apache-2.0
// Whether anybody is at the other end of a connection.

import type * as grpc from '@grpc/grpc-js';
import { GrpcStatus } from './status.ts';

const { UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED } = GrpcStatus;

/** gRPC's timers keep a program from ending until they are over, so that each of them is short. Milliseconds. */
const SLICE_MS = 500;
/** Resolves once the connection is up. */
export async function connected(
  client: grpc.Client,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    const until = Math.min(deadline, Date.now() + SLICE_MS);
    const error = await unlessAborted(
      signal,
      new Promise<Error | undefined>((resolve) => client.waitForReady(until, resolve)),
    );
    if (!error) return;
    if (Date.now() >= deadline) throw error;
  }
}

/**
 * Resolves once a question is answered, whatever the answer: a connection is up, too, that leads to a process which has
 * stopped, and a call without a deadline would wait for it for ever. Where the other side has hung up since, it is connected anew.
 */
export async function answering(
  client: grpc.Client,
  metadata: grpc.Metadata,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const nothing = () => Buffer.alloc(0);
  let call: grpc.ClientUnaryCall | undefined;
  const asked = new Promise<grpc.ServiceError | null>((resolve) => {
    // No server has it, and each says so.
    call = client.makeUnaryRequest(
      '/beambridge.Reachable/Ask',
      nothing,
      nothing,
      null,
      metadata,
      { deadline },
      resolve,
    );
  });
  const failure = await unlessAborted(signal, asked).finally(() => call?.cancel());
  if (failure?.code === UNAVAILABLE) return connected(client, deadline, signal);
  if (failure?.code === DEADLINE_EXCEEDED || failure?.code === CANCELLED) throw failure;
}

async function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work;
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
  });
  if (signal.aborted) abort();
  return Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', abort));
}
