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
}

/**
 * The index of the first element to give back, or undefined when nothing can be given back.
 */
export function splitIndex(at: SourcePosition, desired: DesiredSplit): number | undefined {
  const { index, stop } = at;
  const progress = index < 0 ? 1 : 0.5;
  const total = Math.min(Math.max(desired.estimatedInputElements, index + 1), stop);
  const keep = (total - index - progress) * desired.fractionOfRemainder;
  const wanted = index + Math.max(1, Math.round(progress + keep));
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
