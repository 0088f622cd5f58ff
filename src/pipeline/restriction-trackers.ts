// SPDX-License-Identifier: Apache-2.0
// What a splittable DoFn has left to do for one element, and who may do which part of it: the
// tracker's contract, and trackers for ranges of offsets.
// Source: https://beam.apache.org/documentation/programming-guide/#splittable-dofns

import { BeamBridgeError } from '../base/index.ts';

/** How much work of a restriction is done and how much is left, in units of its own. */
export interface RestrictionProgress {
  readonly completed: number;
  readonly remaining: number;
}

/** A restriction cut in two: the primary goes on here, the residual later or elsewhere. */
export interface RestrictionSplit<RestrictionT> {
  readonly primary: RestrictionT;
  readonly residual: RestrictionT;
}

/**
 * Guards the restriction of one call of `process`: a position is claimed before its work is done,
 * and the runner may cut off what is not claimed yet at any time in between.
 */
export interface RestrictionTracker<RestrictionT, PositionT> {
  /** Whether the position is this call's to process; after a false `process` must return. */
  tryClaim(position: PositionT): boolean;
  /** What this call is to process in all, less what was split off. */
  currentRestriction(): RestrictionT;
  /**
   * Cuts off what comes after this fraction of the rest: 0 keeps only what is claimed. Afterwards
   * the tracker's restriction is the primary.
   *
   * @returns undefined when there is nothing to cut off
   */
  trySplit(fractionOfRemainder: number): RestrictionSplit<RestrictionT> | undefined;
  /** @throws an error when a part of the restriction was not claimed */
  checkDone(): void;
  /** @default a tracker that says nothing counts as half done */
  progress?(): RestrictionProgress;
  /** Whether the restriction ends by itself. */
  isBounded(): boolean;
}

/** Whole numbers from `start` (included) to `stop` (excluded, `Infinity` for no end). */
export interface OffsetRange {
  readonly start: number;
  readonly stop: number;
}

/**
 * The range from `start` to before `stop`.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` for numbers that are not whole, or a range that ends
 *   before it starts
 */
export function offsetRange(start: number, stop: number): OffsetRange {
  const whole = Number.isSafeInteger(start) && (stop === Infinity || Number.isSafeInteger(stop));
  if (whole && start <= stop) return { start, stop };
  throw new BeamBridgeError('INVALID_ARGUMENT', `there is no range from ${start} to ${stop}`, {
    hint: 'Offsets are whole numbers, and a range ends at or after its start.',
  });
}

/** Cuts a range into parts of `size` offsets, for {@link SplittableDoFn.splitRestriction}. */
export function* splitOffsetRange(range: OffsetRange, size: number): Generator<OffsetRange> {
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `a range cannot be cut into parts of ${size}`);
  }
  if (range.stop === Infinity) {
    yield range;
    return;
  }
  for (let start = range.start; start < range.stop; start += size) {
    yield { start, stop: Math.min(start + size, range.stop) };
  }
}

/**
 * Claims the offsets of a range, in rising order; gaps are allowed.
 *
 * Claiming an offset at or after the range's end gives false. One before its start, or not after the
 * one before, is an error of the DoFn: `USER_CODE_FAILED`.
 *
 * @example
 * ```ts
 * for (let i = tracker.currentRestriction().start; tracker.tryClaim(i); i++) yield i;
 * ```
 */
export class OffsetRangeTracker implements RestrictionTracker<OffsetRange, number> {
  /** The last offset that was asked for, granted or not. */
  protected attempted: number | undefined;

  constructor(protected range: OffsetRange) {}

  tryClaim(position: number): boolean {
    const { start, stop } = this.range;
    if (position !== Infinity && !Number.isSafeInteger(position)) {
      throw misused(`position ${String(position)} is no offset`, 'Claim whole numbers.');
    }
    if (position < start) {
      throw misused(
        `position ${position} was claimed, before the restriction [${start}, ${stop})`,
        'Begin at tracker.currentRestriction().start.',
      );
    }
    if (this.attempted !== undefined && position <= this.attempted) {
      throw misused(
        `position ${position} was claimed after ${this.attempted}`,
        'Claim positions in rising order, each once.',
      );
    }
    this.attempted = position;
    return position < stop;
  }

  currentRestriction(): OffsetRange {
    return this.range;
  }

  trySplit(fractionOfRemainder: number): RestrictionSplit<OffsetRange> | undefined {
    const { start, stop } = this.range;
    const last = this.attempted ?? start - 1;
    const rest = (this.end() - last) * Math.min(Math.max(fractionOfRemainder, 0), 1);
    const at = last + Math.max(1, Math.trunc(rest));
    if (!(at < stop)) return undefined;
    const primary = { start, stop: at };
    this.range = primary;
    return { primary, residual: { start: at, stop } };
  }

  checkDone(): void {
    const { start, stop } = this.range;
    if (start === stop || (this.attempted !== undefined && this.attempted >= stop - 1)) return;
    const said = this.attempted === undefined ? 'nothing' : `${this.attempted} last`;
    throw misused(
      `process ended before its restriction [${start}, ${stop}) did: it claimed ${said}`,
      'Go on until tryClaim gives false, or return resume() to be called again for the rest.',
    );
  }

  progress(): RestrictionProgress {
    const { start } = this.range;
    const at = Math.min(this.attempted ?? start, this.range.stop);
    return { completed: at - start, remaining: Math.max(this.end() - at, 0) };
  }

  isBounded(): boolean {
    return true;
  }

  /** Where the work is taken to end. */
  protected end(): number {
    return this.range.stop;
  }
}

/**
 * Offsets of something that grows: the range's `stop` may be `Infinity`, and what is left is an
 * estimate. To end such a restriction for good, claim `Infinity`, which gives false.
 */
export class GrowableOffsetRangeTracker extends OffsetRangeTracker {
  /**
   * @param estimateEnd - where the offsets end as far as is known now.
   *   @default right behind the last claimed
   */
  constructor(
    range: OffsetRange,
    private readonly estimateEnd?: () => number,
  ) {
    super(range);
  }

  override isBounded(): boolean {
    return this.range.stop !== Infinity;
  }

  protected override end(): number {
    if (this.range.stop !== Infinity) return this.range.stop;
    const next = (this.attempted ?? this.range.start - 1) + 1;
    if (next === Infinity) return next;
    return Math.max(this.estimateEnd?.() ?? next, next);
  }

  override progress(): RestrictionProgress {
    if (this.attempted === Infinity) return { completed: 1, remaining: 0 };
    return super.progress();
  }
}

function misused(message: string, hint: string): BeamBridgeError {
  return new BeamBridgeError('USER_CODE_FAILED', message, { hint });
}
