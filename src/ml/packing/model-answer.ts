// SPDX-License-Identifier: Apache-2.0
// Whether what a model gave belongs to the examples that it was given: predictions do so by their places, so there
// must be one for each, and the batch must not have been put into another order behind them.

import { BeamBridgeError } from '../../base/index.ts';

/** @throws BeamBridgeError `INFERENCE_MISMATCH` unless there is one prediction for each example */
export function checkCount(what: string, predictions: unknown, count: number): void {
  const isArray = Array.isArray(predictions);
  if (isArray && predictions.length === count) return;
  const isTyped = ArrayBuffer.isView(predictions) && !(predictions instanceof DataView);
  const kind = isTyped ? `a ${predictions.constructor.name}` : 'no array';
  const answer = isArray ? `${predictions.length} predictions` : kind;
  throw new BeamBridgeError('INFERENCE_MISMATCH', `${what} gave ${answer} for ${count} examples`, {
    hint: isTyped
      ? 'Give Array.from(predictions): one prediction for each example, in order, in an array that holds any.'
      : 'A model gives an array with one prediction for each example, in order.',
  });
}

/**
 * Entries that were overwritten with others, such as scaled ones, are in their places, and so are those before what was
 * added at the end, as to fill up a fixed size. Whether a batch that lost entries lost them from the front or from the
 * end, nobody can tell afterwards.
 *
 * @throws BeamBridgeError `INFERENCE_MISMATCH` where a batch has lost entries, or has them in other places than before a
 * model had it
 */
export function checkInPlace(
  what: string,
  batch: readonly unknown[],
  before: readonly unknown[],
): void {
  if (batch.length >= before.length && isBeginning(before, batch)) return;
  const { length } = before;
  const change =
    batch.length < length
      ? `has ${batch.length} entries for ${length} examples`
      : holdsAll(batch, before) || hasMoved(batch, before) || isRestAndFiller(batch, before)
        ? 'is in another order'
        : undefined;
  if (!change) return;
  throw new BeamBridgeError(
    'INFERENCE_MISMATCH',
    `${what} changed the batch that it was given, which ${change}: nobody knows whose each prediction is`,
    {
      hint: 'Copy it first, as in [...batch].sort() or batch.toSorted(), and give predictions in the order of the batch.',
    },
  );
}

/** Zeros are the same whatever their sign, as they are in a Map: `-x` of 0 has moved nothing. */
function isBeginning(entries: readonly unknown[], of: readonly unknown[]): boolean {
  return entries.every((entry, place) => Object.is(entry, of[place]) || entry === of[place]);
}

/** Whether all that was in the batch still is, if not in its place; entries that are all alike have none of their own. */
function holdsAll(batch: readonly unknown[], before: readonly unknown[]): boolean {
  const counts = new Map<unknown, number>();
  for (const entry of batch) counts.set(entry, (counts.get(entry) ?? 0) + 1);
  for (const entry of before) {
    const left = counts.get(entry) ?? 0;
    if (left === 0) return false;
    counts.set(entry, left - 1);
  }
  return batch.length === before.length || new Set(before).size > 1;
}

/**
 * Whether a longer batch begins with some of the entries, in their order, one in the place of another, and goes on with
 * one thing alone.
 */
function isRestAndFiller(batch: readonly unknown[], before: readonly unknown[]): boolean {
  if (batch.length === before.length) return false;
  let isMoved = false;
  let place = 0;
  for (let from = 0; place < batch.length; place += 1) {
    const found = before.indexOf(batch[place], from);
    if (found < 0) break;
    isMoved ||= found !== place;
    from = found + 1;
  }
  return isMoved && new Set(batch.slice(place)).size <= 1;
}

/** Whether an object stands in another's place and not in its own: some before it were taken out, say. */
function hasMoved(batch: readonly unknown[], before: readonly unknown[]): boolean {
  const own = new Set<unknown>(
    before.filter((entry) => typeof entry === 'object' && entry !== null),
  );
  for (const [place, entry] of before.entries()) if (batch[place] === entry) own.delete(entry);
  return own.size > 0 && batch.some((entry) => own.has(entry));
}
