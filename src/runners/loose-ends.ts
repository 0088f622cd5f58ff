// SPDX-License-Identifier: Apache-2.0
// Programs that have nothing left to do while a run is under way: what it waits for cannot come any more. Node
// would end them without a word, as if all had been done.

import { BeamBridgeError, getLogger } from '../base/index.ts';

/** A run that is under way. */
interface Unfinished {
  /** Grows while something of it happens. */
  progress(): number;
  /** Ends it, which cannot go on. */
  giveUp(): void;
}

const runs = new Set<Unfinished>();
/** How far all runs were when the program had nothing left to do, until something happens. */
let quietAt: number | undefined;
/** Of runs that were given up: whether somebody hears of it. */
const givenUp: (() => boolean)[] = [];
let probe: NodeJS.Immediate | undefined;

/** Gives the run up where the program would end, until the returned function is called. */
export function whileUnfinished(run: Unfinished): () => void {
  if (runs.size === 0) process.on('beforeExit', look);
  runs.add(run);
  quietAt = undefined;
  return () => {
    if (runs.delete(run) && runs.size === 0) process.off('beforeExit', look);
  };
}

/** Other listeners of the event may still resume what a run waits for: they come first, whenever they were added. */
function look(): void {
  const before = quietAt;
  clearImmediate(probe);
  setImmediate(() => {
    quietAt = progress();
    if (before === quietAt) {
      for (const run of runs) run.giveUp();
      return;
    }
    // It comes to its turn only where something else keeps the program alive.
    probe = setImmediate(() => {
      quietAt = undefined;
    }).unref();
  });
}

function progress(): number {
  let sum = 0;
  for (const run of runs) sum += run.progress();
  return sum;
}

/**
 * The error of a run that waits for what cannot come. It is told here as well: the program may have stopped waiting.
 * Whoever waits for the run decides how the program ends, by handling the error or not, as Node has it. Where nobody
 * has asked for the run's end when nothing else is left to do, the program fails.
 *
 * @param where - the transform whose function it waits for, as far as that is known
 * @param isAwaited - whether somebody gets the error
 */
export function stuck(
  where: { transform: string; appliedAt?: string | undefined } | undefined,
  isAwaited: () => boolean,
) {
  const error = new BeamBridgeError(
    'USER_CODE_FAILED',
    'a function does not come back, and nothing is left in the program that it could wait for',
    {
      ...where,
      hint: 'Its promise is never resolved. Look for one that nothing resolves, and for a timer or socket that was given unref().',
    },
  );
  getLogger('runner')[isAwaited() ? 'warn' : 'error'](`a run cannot go on: ${error.shortMessage}`);
  // The turn of the loop in which this is called is followed by another such event, when all else is done.
  if (givenUp.push(isAwaited) === 1) process.once('beforeExit', decide);
  return error;
}

function decide(): void {
  const isUnheard = givenUp.splice(0).some((isAwaited) => !isAwaited());
  // As with a rejection that nobody handles, also over an exit code of 0 that the program has set.
  if (isUnheard && !Number(process.exitCode)) process.exitCode = 1;
}
