// SPDX-License-Identifier: Apache-2.0
// Which rows may fail, and how many.

import { BeamBridgeError } from '../../base/index.ts';
import { type Coder, JsCoder } from '../../coders/index.ts';
import {
  ONLOOKER,
  P,
  type PCollection,
  type Pipeline,
  type TransformNode,
  withName,
} from '../../pipeline/index.ts';
import {
  type CombineFn,
  combineGlobally,
  flatten,
  mapStep,
  onTimeOnly,
  windowParam,
} from '../../transforms/index.ts';
import { type FailedInference, reasonOf } from './dead-letters.ts';
import type { Tally } from './tally.ts';

/** How many different reasons are counted; further ones are in the total only. */
const REASONS = 100;

interface Counts {
  rows: number;
  failed: number;
  /** How many rows failed for each reason. Pairs, since a reason may be any text. */
  reasons: [string, number][];
  /** The same by the type of the error alone, for messages that name the row, with the first reason of each. */
  types: [string, number, string][];
}

const sum: CombineFn<Counts, Counts, Counts> = {
  createAccumulator: () => ({ rows: 0, failed: 0, reasons: [], types: [] }),
  addInput: added,
  mergeAccumulators: (all) => {
    let total = sum.createAccumulator();
    for (const counts of all) total = added(total, counts);
    return total;
  },
  extractOutput: (counts) => counts,
};

function added(total: Counts, { rows, failed, reasons, types }: Counts): Counts {
  total.rows += rows;
  total.failed += failed;
  for (const [reason, count] of reasons) {
    const known = total.reasons.find(([text]) => text === reason);
    if (known) known[1] += count;
    else if (total.reasons.length < REASONS) total.reasons.push([reason, count]);
  }
  for (const [type, count, reason] of types) {
    const known = total.types.find(([name]) => name === type);
    if (known) known[1] += count;
    else if (total.types.length < REASONS) total.types.push([type, count, reason]);
  }
  return total;
}

const most = <T extends readonly [string, number, ...unknown[]]>(all: readonly T[]): T =>
  all.reduce((a, b) => (b[1] > a[1] ? b : a));

/** The commonest reason, or the commonest type of error where most of its messages are others. */
function commonest({ reasons, types }: Counts): string {
  const [reason, times] = most(reasons);
  const [type, count, first] = most(types);
  const isTelling = count === 1 || (times > 1 && times >= count / 2);
  if (isTelling) return `${times} of them: ${reason}`;
  return `${count} of them ${type}, such as: ${first.slice(`${type}: `.length)}`;
}

const anyCoder = new JsCoder() as Coder<unknown>;
const countsCoder = anyCoder as Coder<Counts>;

/**
 * Fails the run when more than a share of the rows of a window failed: what Beam's
 * `with_exception_handling(threshold=…)` does, by rows.
 */
export function checkThreshold(
  predictions: PCollection<unknown>,
  failed: PCollection<FailedInference<unknown>>,
  threshold: number,
  transform: string,
): void {
  const scored = (): Counts => ({ rows: 1, failed: 0, reasons: [], types: [] });
  const bad = (failure: FailedInference<unknown>): Counts => ({
    rows: 1,
    failed: 1,
    reasons: [[reasonOf(failure), 1]],
    types: [[failure.errorType, 1, reasonOf(failure)]],
  });
  const window = windowParam();
  const check = (counts: Counts, context: { window: typeof window }) => {
    if (counts.failed <= counts.rows * threshold) return null;
    const share = `${counts.failed} of ${counts.rows} rows`;
    throw new BeamBridgeError(
      'DEAD_LETTER_THRESHOLD',
      `${share} in window ${context.window.lookup()} failed, and at most a share of ${threshold} may; ${commonest(counts)}`,
      {
        transform,
        hint: 'Mend the commonest reason, or raise the threshold: with threshold: 1 all that fails is in `failed`.',
      },
    );
  };
  P({ predictions, failed }).apply(
    withName('Threshold', (_: unknown, __: Pipeline, node: TransformNode) => {
      // A row that comes too late to count is dropped by what the program does with it, or is not.
      node.annotations.set(ONLOOKER, new Uint8Array());
      P([
        predictions.apply(mapStep('CountScored', scored, countsCoder)),
        failed.apply(mapStep('CountFailed', bad, countsCoder)),
      ])
        .apply(flatten<Counts>())
        // By its trigger, a part of the window may be told before the rest.
        .apply(onTimeOnly())
        .apply(combineGlobally(sum))
        .apply(mapStep('CheckThreshold', check, anyCoder, { window }));
    }),
  );
}

/** Fails the run for a row that failed with another error than these. */
export function onlyThese(
  failed: PCollection<FailedInference<unknown>>,
  errorTypes: readonly string[],
  transform: string,
): PCollection<FailedInference<unknown>> {
  const check = (failure: FailedInference<unknown>) => {
    const { errorType, message, traceback } = failure;
    if (errorTypes.includes(errorType)) return failure;
    throw new BeamBridgeError('DEAD_LETTER_REFUSED', `a row failed with ${errorType}: ${message}`, {
      transform,
      hint: `Dead letters are only for ${errorTypes.join(', ')}.`,
      detail: traceback,
    });
  };
  return failed.apply(
    mapStep('CheckErrorTypes', check, anyCoder as Coder<FailedInference<unknown>>),
  );
}

/** Has rows counted that the step `name` gave up. */
export function watched(
  failed: PCollection<FailedInference<unknown>>,
  name: string,
  tally: Tally,
): PCollection<FailedInference<unknown>> {
  const count = (failure: FailedInference<unknown>) => {
    tally.lost(failure, name === 'Postprocess');
    return failure;
  };
  return failed.apply(
    mapStep(`Count${name}Failures`, count, anyCoder as Coder<FailedInference<unknown>>),
  );
}
