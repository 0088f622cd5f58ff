// SPDX-License-Identifier: Apache-2.0
// The program of somebody else, loaded for one of the pipelines that it exports. It may run that pipeline
// when it is loaded, as programs of one file do: there such a run never begins, and what the program does
// behind it does not happen.

import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, getLogger, setThisWorker } from '../base/index.ts';
import { exportsSoFar, loadModule, type Namespace } from './namespace.ts';
import { SERVE, type Serve } from './serve.ts';
import type { ServeThread } from './threads/serve-thread.ts';

const log = getLogger('worker');

/** How long a program that has come to a run may take to export what is behind it. Milliseconds. */
const REST_OF_START_MS = 5000;

/** A module and the name of the pipeline in it. */
export interface Wanted {
  readonly moduleUrl: string;
  readonly exportName: string;
}

/**
 * Loads a program and gives what serves the pipeline. From then on this process, or this thread, is a worker.
 *
 * @param method - of the definition, by which it is served
 * @throws BeamBridgeError `WORKER_MISMATCH` when the module does not export such a pipeline; what the
 * module threw, as `USER_CODE_FAILED`
 */
export async function loadProgram<S extends Serve | ServeThread = Serve>(
  { moduleUrl, exportName }: Wanted,
  method: symbol = SERVE,
): Promise<S> {
  const start = new AsyncLocalStorage<true>();
  let reach!: () => void;
  const reached = new Promise<'run'>((resolve) => {
    reach = () => resolve('run');
  });
  setThisWorker({
    isStart: () => start.getStore() === true,
    runReached: () => reach(),
    mayRun: method !== SERVE,
  });
  const exited = (code: number) => {
    process.stderr.write(
      `beambridge: ${moduleUrl} ended the worker with status ${code} while it was loaded: keep process.exit() behind the run\n`,
    );
  };
  process.on('exit', exited);
  try {
    const { linked, loaded } = start.run(true, () => loadModule(moduleUrl));
    const end = loaded.then(() => 'loaded' as const);
    const first = await Promise.race([end, reached]);
    const namespace = await linked;
    // A run that nobody awaited may have been come to before the rest of the module was.
    let isAwaiting = first === 'run';
    if (isAwaiting && exportsSoFar(namespace).get(exportName) === undefined) {
      const over = new AbortController();
      const late = delay(REST_OF_START_MS, 'late' as const, { signal: over.signal });
      isAwaiting = (await Promise.race([end, late])) === 'late';
      over.abort();
      late.catch(() => {});
    }
    end.catch((error: unknown) => log.warn(`${moduleUrl} failed behind its run`, error));
    return serveOf<S>(namespace, { moduleUrl, exportName }, method, isAwaiting);
  } catch (error) {
    if (error instanceof BeamBridgeError) throw error;
    throw new BeamBridgeError('USER_CODE_FAILED', `${moduleUrl} could not be loaded`, {
      cause: error,
      detail: error instanceof Error ? error.stack : String(error),
      hint: 'What a module does when it is loaded, it does in each worker, too.',
    });
  } finally {
    process.off('exit', exited);
  }
}

function serveOf<S>(
  namespace: Namespace,
  { moduleUrl, exportName }: Wanted,
  method: symbol,
  isAwaiting: boolean,
): S {
  const found = exportsSoFar(namespace).get(exportName) as Record<symbol, S> | undefined;
  const serve = found?.[method];
  if (typeof serve === 'function') return serve;
  const names = Object.getOwnPropertyNames(namespace);
  if (isAwaiting && found === undefined && names.includes(exportName)) {
    throw new BeamBridgeError(
      'WORKER_MISMATCH',
      `${moduleUrl} exports ${exportName} behind a run that it awaits, to whose end a worker never comes`,
      { hint: 'Export all pipelines of the module before the first run.' },
    );
  }
  throw new BeamBridgeError(
    'WORKER_MISMATCH',
    `${moduleUrl} exports no pipeline ${exportName} in this worker`,
    {
      hint: `It exports ${names.join(', ') || 'nothing'}. What a module exports must not depend on the machine, and the pipeline is one that pipeline(import.meta.url, …) gave.`,
    },
  );
}
