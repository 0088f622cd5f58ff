// SPDX-License-Identifier: Apache-2.0
// A worker whose program cannot be served says so in answer to its work: then the job fails, with the
// reason, where whoever submitted it sees it. A worker that only ended would be started again by one
// runner, without end, and be waited for by another.

import { BeamBridgeError } from '../base/index.ts';
import { Failures, SdkWorker } from '../harness/index.ts';
import type { Provision } from './provision.ts';

/** How long a runner may take to give work to one that refuses it. Milliseconds. */
const PATIENCE_MS = 30_000;

/** Fails all bundles with the error, until the runner hangs up or gives none. */
export async function refuseWork(
  { workerIds, controlUrl }: Provision,
  thrown: unknown,
  signal: AbortSignal,
): Promise<void> {
  const error = BeamBridgeError.from(thrown);
  const functions = {
    get: () => {
      throw error;
    },
  };
  const failures = new Failures();
  const over = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
  await Promise.all(
    workerIds.map(async (workerId) => {
      const worker = new SdkWorker({ workerId, controlUrl, functions, failures });
      const end = () => void worker.close();
      over.addEventListener('abort', end, { once: true });
      await worker.ended;
      over.removeEventListener('abort', end);
    }),
  );
}
