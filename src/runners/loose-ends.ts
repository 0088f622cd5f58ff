// SPDX-License-Identifier: Apache-2.0
// Programs that have nothing left to do while a run is under way: what it waits for cannot come any more. Node
// would end them without a word, as if all had been done.

import { BeamBridgeError, getLogger } from '../base/index.ts';

/** A run that is under way, or a pipeline that is constructed. */
interface Unfinished {
  /** Grows while something of it happens. */
  progress(): number;
  /** Whether somebody gets the error when it is given up. */
  isAwaited(): boolean;
  /** Whether it waits for work of another run, such as its call of a model. */
  isBehind(): boolean;
  /** Ends it, which cannot go on. It is called once. */
  giveUp(): void;
}

/** Those that were not given up, in the order in which they began. */
const runs = new Set<Unfinished>();
/** How far all runs were when the program had nothing left to do, until something happens. */
let quietAt: number | undefined;
let probe: NodeJS.Immediate | undefined;

/** Gives the run up where the program would end, until the returned function is called. */
export function whileUnfinished(run: Unfinished): () => void {
  if (runs.size === 0) process.on('beforeExit', look);
  runs.add(run);
  quietAt = undefined;
  return () => forget(run);
}

function forget(run: Unfinished): void {
  if (!runs.delete(run)) return;
  quietAt = undefined;
  if (runs.size === 0) process.off('beforeExit', look);
}

/** Other listeners of the event may still resume what a run waits for: they come first, whenever they were added. */
function look(): void {
  const before = quietAt;
  clearImmediate(probe);
  setImmediate(() => {
    quietAt = progress();
    if (before === quietAt) {
      giveUpOne();
      return;
    }
    // It comes to its turn only where something else keeps the program alive.
    probe = setImmediate(() => {
      quietAt = undefined;
    }).unref();
  });
}

/**
 * One at a time: others may wait for what the program does about its failure, and have their chance before they
 * are looked at again. The last that began comes first, since it may be a part of what others do, and the program
 * that began it mostly waits for it; but not before the one whose work it waits for. Where nobody would hear of a
 * failure, it helps nobody.
 */
function giveUpOne(): void {
  const all = [...runs];
  const free = all.filter((run) => !run.isBehind());
  const some = free.length > 0 ? free : all;
  const run = some.findLast((one) => one.isAwaited()) ?? some.at(-1);
  if (!run) return;
  forget(run);
  run.giveUp();
}

function progress(): number {
  let sum = 0;
  for (const run of runs) sum += run.progress();
  return sum;
}

/**
 * The error of what cannot go on. It is told here as well: the program may have stopped waiting. Whoever waits for
 * the run decides how the program ends, by handling the error or not, as Node has it.
 *
 * @param what - what does not come back
 * @param where - the transform whose function it waits for, as far as that is known
 */
export function stuck(
  what: string,
  where: { transform: string; appliedAt?: string | undefined } | undefined,
  isAwaited: boolean,
): BeamBridgeError {
  const error = new BeamBridgeError(
    'USER_CODE_FAILED',
    `${what} does not come back, and nothing is left in the program that it could wait for`,
    {
      ...where,
      hint: 'Its promise is never resolved. Look for one that nothing resolves, and for a timer or socket that was given unref().',
    },
  );
  getLogger('runner')[isAwaited ? 'warn' : 'error'](`a run cannot go on: ${error.shortMessage}`);
  return error;
}

/**
 * Waits for what constructs a pipeline.
 *
 * @throws `USER_CODE_FAILED` where the program has nothing left to do before it comes back
 */
export async function constructed(work: Promise<unknown>, progress: () => number): Promise<void> {
  let end = () => {};
  const givenUp = new Promise<never>((_, reject) => {
    end = whileUnfinished({
      progress,
      isAwaited: () => true,
      isBehind: () => false,
      giveUp: () => reject(stuck('the function that constructs the pipeline', undefined, true)),
    });
  });
  try {
    await Promise.race([work, givenUp]);
  } finally {
    end();
  }
}

/** Failures that nobody has asked for. */
let unheard = 0;
let decides = false;
/** Whether the exit code is one of {@link decide}. */
let isDecided = false;

/** The program fails, unless the returned function is called before it ends: somebody has asked then. */
export function unlessHeard(): () => void {
  if (!decides) process.on('beforeExit', decide).on('exit', fail);
  decides = true;
  unheard += 1;
  let isHeard = false;
  return () => {
    if (!isHeard) unheard -= 1;
    isHeard = true;
  };
}

/** Where the program goes on after all, it may still ask. */
function decide(): void {
  // As with a rejection that nobody handles, also over an exit code of 0 that the program has set.
  if (unheard > 0 && !Number(process.exitCode)) {
    isDecided = true;
    process.exitCode = 1;
  } else if (unheard === 0 && isDecided) {
    isDecided = false;
    if (process.exitCode === 1) process.exitCode = 0;
  }
}

/** The program ends by `process.exit()`, which may be given a code, be it 0. */
function fail(): void {
  if (unheard > 0) process.exitCode ??= 1;
}
