// SPDX-License-Identifier: Apache-2.0
// Programs that have nothing left to do while a run is under way: what it waits for cannot come any more. Node
// would end them without a word, as if all had been done.

import { BeamBridgeError, getLogger } from '../base/index.ts';

/** Ends the run, which cannot go on. */
type Stop = () => void;
const runs = new Set<Stop>();

/** Calls `stop` where the program would end, until the returned function is called. */
export function whileUnfinished(stop: Stop): () => void {
  if (runs.size === 0) process.on('beforeExit', stopAll);
  runs.add(stop);
  return () => {
    if (runs.delete(stop) && runs.size === 0) process.off('beforeExit', stopAll);
  };
}

function stopAll(): void {
  for (const stop of runs) stop();
}

/**
 * The error of a run that waits for what cannot come. It is told here as well, and in how the program ends: nobody
 * may ask what became of the run.
 *
 * @param where - the transform whose function it waits for, as far as that is known
 */
export function stuck(where: { transform: string; appliedAt?: string | undefined } | undefined) {
  const error = new BeamBridgeError(
    'USER_CODE_FAILED',
    'a function does not come back, and nothing is left in the program that it could wait for',
    {
      ...where,
      hint: 'Its promise is never resolved. Look for one that nothing resolves, and for a timer or socket that was given unref().',
    },
  );
  process.exitCode ??= 1;
  getLogger('runner').error(`a run cannot go on: ${error.shortMessage}`);
  return error;
}
