// SPDX-License-Identifier: Apache-2.0
// An expansion service that a program starts itself, given as a function: the official SDK's form.

import { BeamBridgeError } from '../base/index.ts';
import type { ExpansionServiceChoice, Pipeline } from '../pipeline/index.ts';

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
  let running: Promise<{ service: StartableService; address: string }> | undefined;
  const start = async () => {
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
    return { service, address: checkedAddress(await service.start()) };
  };
  pipeline.cleanUps.push(async () => {
    const ended = running;
    running = undefined;
    await (await ended?.catch(() => undefined))?.service.stop();
  });
  return {
    kind: 'started',
    address: async () => {
      running ??= start();
      return (await running).address;
    },
  };
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for what is no `HOST:PORT` */
export function checkedAddress(address: string): string {
  if (typeof address === 'string' && /^\S+:\d+$/.test(address)) return address;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${JSON.stringify(address)} is no address`, {
    hint: 'An expansion service is named as HOST:PORT.',
  });
}
