// SPDX-License-Identifier: Apache-2.0
// How far a partition is in event time.

import { type Instant, MIN_TIMESTAMP } from '../../coders/index.ts';
import type { WatermarkEstimator } from '../../pipeline/index.ts';

export interface WatermarkPolicy {
  /** By how much a message may be older than the newest in front of it. Milliseconds. */
  readonly maxDelay: number;
  /** How far the watermark of a partition that was read to its end is behind the clock. Milliseconds. */
  readonly idleAfter: number;
}

/**
 * Follows the newest message, `maxDelay` behind it, and the clock where a partition has been read to
 * its end. A message from the future counts as one of now: a clock that is wrong must not make all
 * others late.
 * Source: org.apache.beam.sdk.io.kafka.CustomTimestampPolicyWithLimitedDelay
 */
export class KafkaWatermark implements WatermarkEstimator<Instant> {
  private watermark: Instant;

  constructor(
    state: Instant | undefined,
    private readonly policy: WatermarkPolicy,
    private readonly now: () => Instant = Date.now,
  ) {
    this.watermark = state ?? MIN_TIMESTAMP;
  }

  /** A message of this time was read. */
  read(timestamp: Instant): void {
    const { maxDelay } = this.policy;
    // The clock is looked at only where it can matter.
    if (timestamp - maxDelay <= this.watermark) return;
    this.raise(Math.min(timestamp, this.now()) - maxDelay);
  }

  /** The partition had nothing more at this time. */
  wasEmpty(asOf: Instant): void {
    this.raise(asOf - this.policy.idleAfter - this.policy.maxDelay);
  }

  private raise(to: Instant): void {
    if (to > this.watermark) this.watermark = to;
  }

  currentWatermark(): Instant {
    return this.watermark;
  }

  state(): Instant {
    return this.watermark;
  }
}
