// SPDX-License-Identifier: Apache-2.0
// The service of Java that workers are threads of, where it is one of this program.

import type { BeamBridgeError } from '../../../base/index.ts';
import { onHostExit, runningJavaServices } from '../../../services/index.ts';
import type { WorkerHome } from './worker.ts';

/**
 * The service with this worker pool; undefined where that is not ours.
 *
 * @param over - fires at the end of the run, which must leave nothing with the service
 */
export function javaHome(address: string, over: AbortSignal): WorkerHome | undefined {
  const java = runningJavaServices().find((each) => each.address === address);
  if (!java) return undefined;
  const ended = new Promise<BeamBridgeError>((resolve) => {
    const forget = onHostExit(java, () => resolve(java.diedError()));
    over.addEventListener('abort', forget, { once: true });
  });
  return {
    ended,
    get isBroken() {
      return !java.alive;
    },
    tail: () => java.stderr(),
  };
}
