// SPDX-License-Identifier: Apache-2.0
// An expansion service that a program starts itself, given as a function: the official SDK's form.

import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, getLogger } from '../base/index.ts';
import type { ExpansionServiceChoice, Pipeline } from '../pipeline/index.ts';

const log = getLogger('external');

/** How long the end of a run waits for a start that is still under way. Milliseconds. */
const START_GRACE_MS = 5000;

/** A server that a program starts, and how it is ended. */
export interface StartableService {
  /** Resolves with `HOST:PORT` once it can be asked. */
  start(): Promise<string>;
  stop(): Promise<void>;
}

/** Gives the service of one pipeline; called when its first transform is expanded. */
export type ServiceProvider = () => Promise<StartableService> | StartableService;

/** The service of one pipeline: started when it is first asked, ended with the pipeline's run. */
export function startedService(
  provider: ServiceProvider,
  pipeline: Pipeline,
): ExpansionServiceChoice {
  let running: RunningService | undefined;
  pipeline.cleanUps.push(async () => {
    const ended = running;
    running = undefined;
    await ended?.end();
  });
  return {
    kind: 'started',
    address: (signal) => {
      running ??= new RunningService(provider);
      return unlessAborted(running.address, signal);
    },
  };
}

class RunningService {
  readonly address: Promise<string>;
  private service: StartableService | undefined;
  private stopped: Promise<void> | undefined;

  constructor(provider: ServiceProvider) {
    this.address = this.start(provider);
    // Whoever asked may have gone when it fails.
    this.address.catch(() => {});
  }

  private async start(provider: ServiceProvider): Promise<string> {
    const service = await provider();
    if (typeof service?.start !== 'function' || typeof service.stop !== 'function') {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        'the expansion service has no start() and stop()',
        {
          hint: 'Give its HOST:PORT as text, or a function that returns an object whose start() gives it.',
        },
      );
    }
    this.service = service;
    try {
      return checkedAddress(await service.start());
    } catch (error) {
      // What came of the start before it failed: a process, a container.
      await this.stop().catch((failure: unknown) =>
        log.warn('an expansion service that did not start could not be stopped', failure),
      );
      throw error;
    }
  }

  /** A start under way is waited for, since there may be nothing yet that could be stopped. */
  async end(): Promise<void> {
    const over = new AbortController();
    const settled = this.address.then(
      () => {},
      () => {},
    );
    const late = delay(START_GRACE_MS, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([settled, late]);
    over.abort();
    await this.stop();
  }

  private stop(): Promise<void> {
    this.stopped ??= (async () => this.service?.stop())();
    return this.stopped;
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  signal.throwIfAborted();
  const over = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { signal: over.signal });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    over.abort();
  }
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for what is no `HOST:PORT` */
export function checkedAddress(address: string): string {
  if (typeof address === 'string' && /^\S+:\d+$/.test(address)) return address;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${JSON.stringify(address)} is no address`, {
    hint: 'An expansion service is named as HOST:PORT.',
  });
}
