// SPDX-License-Identifier: Apache-2.0
// How far in event time a splittable DoFn is: below its watermark it outputs nothing more.

import { BeamBridgeError } from '../base/index.ts';
import { type Instant, instantOf, MIN_TIMESTAMP } from '../coders/index.ts';

/**
 * Says below which timestamp one element and restriction outputs nothing more. It may only go up.
 */
export interface WatermarkEstimator<StateT = unknown> {
  currentWatermark(): Instant;
  /** What another estimator goes on from, for what is left of the restriction. */
  state(): StateT;
  /** Called with the timestamp of each output, before it goes out. */
  observeTimestamp?(timestamp: Instant): void;
}

/**
 * A watermark that `process` sets: for sources that know how far they are.
 *
 * @example
 * ```ts
 * newWatermarkEstimator: (state?: Instant) => new ManualWatermarkEstimator(state),
 * async *process(topic, tracker, _, { watermark }) { …; watermark.setWatermark(event.time); }
 * ```
 */
export class ManualWatermarkEstimator implements WatermarkEstimator<Instant> {
  private watermark: Instant;

  /** @param state - where an earlier one was. @default the beginning of time */
  constructor(state?: Instant) {
    this.watermark = state ?? MIN_TIMESTAMP;
  }

  /**
   * @throws BeamBridgeError `USER_CODE_FAILED` when the watermark would go backwards,
   *   `INVALID_ARGUMENT` when it is no time
   */
  setWatermark(given: Instant): void {
    const watermark = instantOf(given, 'a watermark');
    if (watermark < this.watermark) {
      throw new BeamBridgeError(
        'USER_CODE_FAILED',
        `the watermark cannot go from ${this.watermark} back to ${watermark}`,
        { hint: 'A watermark promises that nothing older follows: only ever raise it.' },
      );
    }
    this.watermark = watermark;
  }

  currentWatermark(): Instant {
    return this.watermark;
  }

  state(): Instant {
    return this.watermark;
  }
}

/** The greatest timestamp that was output: for sources whose elements come in order of time. */
export class MonotonicWatermarkEstimator implements WatermarkEstimator<Instant> {
  private watermark: Instant;

  /** @param state - where an earlier one was. @default the beginning of time */
  constructor(state?: Instant) {
    this.watermark = state ?? MIN_TIMESTAMP;
  }

  observeTimestamp(timestamp: Instant): void {
    if (timestamp > this.watermark) this.watermark = timestamp;
  }

  currentWatermark(): Instant {
    return this.watermark;
  }

  state(): Instant {
    return this.watermark;
  }
}

/** The wall clock: for sources whose elements happen when they are read. */
export class WallTimeWatermarkEstimator implements WatermarkEstimator<Instant> {
  private watermark: Instant;

  /** @param state - where an earlier one was. @default the beginning of time */
  constructor(state?: Instant) {
    this.watermark = state ?? MIN_TIMESTAMP;
  }

  currentWatermark(): Instant {
    // Clocks are set back now and then.
    this.watermark = Math.max(this.watermark, Date.now());
    return this.watermark;
  }

  state(): Instant {
    return this.watermark;
  }
}
