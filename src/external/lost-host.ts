// SPDX-License-Identifier: Apache-2.0
// A managed host that is lost while it expands. Nothing of the pipeline has run by then, so another one can be
// asked in its place; but only where it was this program's alone: what others share is not ours to start anew.

import { setTimeout as delay } from 'node:timers/promises';
import { type BeamBridgeError, getLogger, retry } from '../base/index.ts';
import type { ExternalExpansion } from '../pipeline/index.ts';
import { GrpcStatus } from '../proto/index.ts';
import { onHostExit, type Served } from '../services/index.ts';

const log = getLogger('host');

/** A pipeline that takes one host with it takes the next with it, too. */
const ATTEMPTS = 2;
/** Milliseconds in which the end of a host is known after a call to it has failed. */
const EXIT_MS = 1000;
/** The same after its connections broke, which hardly means anything else. */
const BROKEN_MS = 5000;

/** Errors of hosts that another one can take the place of. */
const replaceable = new WeakSet<object>();
/** The hosts that gave the answers that applyAsync kept. */
const expandedBy = new WeakMap<ExternalExpansion, Served>();

/** Does again what failed because a host of this program alone was lost while it expanded; once. */
export function withAnotherHost<T>(
  attempt: () => Promise<T>,
  signal?: AbortSignal | undefined,
): Promise<T> {
  return retry(attempt, {
    mostAttempts: ATTEMPTS,
    mayRetry: (error) => !signal?.aborted && replaceable.has(error as object),
    retrying: (error) =>
      log.warn(`${(error as BeamBridgeError).shortMessage}; another one is asked to expand`),
  });
}

/** The same error, known as that of a host's end. */
export function asLossOf(host: Served, error: BeamBridgeError): BeamBridgeError {
  if (host.isOwn) replaceable.add(error);
  return error;
}

/** Why a call to a host failed, if that is the host's end, which is known a moment later. */
export async function lossOf(host: Served, failure: unknown): Promise<BeamBridgeError | undefined> {
  const isBroken = (failure as { code?: unknown }).code === GrpcStatus.UNAVAILABLE;
  const over = new AbortController();
  const waited = delay(isBroken ? BROKEN_MS : EXIT_MS, undefined, { signal: over.signal });
  const exit = await Promise.race([host.exited, waited.catch(() => undefined)]);
  over.abort();
  return exit ? host.diedError() : undefined;
}

/** Resolves or rejects as `call` does, but no later than the host's end is known. */
export async function unlessLost<T>(host: Served | undefined, call: Promise<T>): Promise<T> {
  if (!host) return call;
  let forget = () => {};
  const lost = new Promise<never>((_, reject) => {
    forget = onHostExit(host, () => reject(host.diedError()));
  });
  return Promise.race([call, lost]).finally(forget);
}

/** Remembers which host gave an answer that is kept. */
export function keepHostOf(expansion: ExternalExpansion, host: Served | undefined): void {
  if (host) expandedBy.set(expansion, host);
}

/** Whether what an answer names, a pool of workers, is still there as far as we know. */
export function isStillGood(expansion: ExternalExpansion): boolean {
  return expandedBy.get(expansion)?.alive ?? true;
}
