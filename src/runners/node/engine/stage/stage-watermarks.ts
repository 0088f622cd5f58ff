// SPDX-License-Identifier: Apache-2.0
// How far a stage is in event time: what can still come in, and what can still come out.

import { type Instant, MIN_TIMESTAMP } from '../../../../coders/index.ts';

/** The least timestamps that somebody holds; MAX_TIMESTAMP where nobody does. */
export interface Holders {
  /** What feeds the stage. */
  readonly upstream: Instant;
  /** What waits in the stage: in its queue, or for side inputs. */
  readonly waiting: Instant;
  /** Bundles that run, or hand on what they gave. */
  readonly inWork: Instant;
  /** Rests of elements. */
  readonly rests: Instant;
  readonly timers: Instant;
}

export class StageWatermarks {
  /** Elements below it are late. */
  input: Instant = MIN_TIMESTAMP;
  /** Nothing below it comes out any more. */
  output: Instant = MIN_TIMESTAMP;

  /** Watermarks never go back. */
  updateInput({ upstream, waiting, inWork }: Holders): void {
    this.input = Math.max(this.input, Math.min(upstream, waiting, inWork));
  }

  /** Tells whether it moved. */
  updateOutput({ inWork, rests, timers }: Holders): boolean {
    const before = this.output;
    this.output = Math.max(before, Math.min(this.input, inWork, rests, timers));
    return this.output > before;
  }
}
