// SPDX-License-Identifier: Apache-2.0
// Where to split a data source. The rule is Beam's: keep the wanted share of what is left, counted
// in elements, the one being processed as half done, and cut at an element's boundary.
// Source: https://s.apache.org/beam-breaking-fusion and BeamFnApi's ProcessBundleSplitRequest.

import type { DesiredSplit } from './types.ts';

/** How far a data source is. */
export interface SourcePosition {
  /** Index of the element being processed; -1 before the first. */
  readonly index: number;
  /** Index at which the source stops already; infinite when it was never split. */
  readonly stop: number;
  /** Which share of the element being processed is done. @default half */
  readonly progress?: number | undefined;
}

/** What of the bundle's rest is wanted, in elements, and how much of the current one is done. */
function wantedShare({ index, stop, progress }: SourcePosition, desired: DesiredSplit) {
  const done = index < 0 ? 1 : (progress ?? 0.5);
  const total = Math.min(Math.max(desired.estimatedInputElements, index + 1), stop);
  return { done, keep: (total - index - done) * desired.fractionOfRemainder };
}

/**
 * The fraction to keep of what is left of the current element, where the cut falls inside it.
 */
export function elementFraction(at: SourcePosition, desired: DesiredSplit): number | undefined {
  const { done, keep } = wantedShare(at, desired);
  if (done >= 1) return undefined;
  const allowed = desired.allowedSplitPoints;
  const isAllowed = (index: number) => allowed.length === 0 || allowed.includes(index);
  if (!isAllowed(at.index) || !isAllowed(at.index + 1)) return undefined;
  const fraction = keep / (1 - done);
  return fraction < 1 ? fraction : undefined;
}

/**
 * The index of the first element to give back, or undefined when nothing can be given back.
 */
export function splitIndex(at: SourcePosition, desired: DesiredSplit): number | undefined {
  const { index, stop } = at;
  const { done, keep } = wantedShare(at, desired);
  const wanted = index + Math.max(1, Math.round(done + keep));
  const first = nearestAllowed(wanted, index, desired.allowedSplitPoints);
  return first > index && first < stop ? first : undefined;
}

function nearestAllowed(wanted: number, index: number, allowed: readonly number[]): number {
  if (allowed.length === 0) return wanted;
  let best = Number.NaN;
  for (const point of allowed) {
    // What has begun cannot be given back, however near the point is.
    if (point <= index) continue;
    if (Number.isNaN(best) || Math.abs(point - wanted) < Math.abs(best - wanted)) best = point;
  }
  return best;
}
