// SPDX-License-Identifier: Apache-2.0
// What the engine's nodes have in common: they take blocks, know their watermarks, and do a step of
// work when they are asked to.

import type { Instant, WindowedValue } from '../../../coders/index.ts';
import type { MaybePromise, MonitoringInfo } from '../../../harness/index.ts';
import type { Block } from './block.ts';
import type { Origin } from './origin.ts';

/** Something that the engine runs: a stage, a grouping, a source, the contents of a side input. */
export interface EngineNode {
  /** The PCollections that it takes. */
  readonly inputs: readonly string[];
  /** The PCollections that it gives. */
  readonly outputs: readonly string[];
  /** Nothing below this timestamp comes out any more. */
  readonly outputWatermark: Instant;
  /** Takes elements of an input. A promise asks the producer to wait until it resolves. */
  take?(block: Block): MaybePromise<void>;
  /** Updates watermarks and starts what can be started; tells whether anything changed. */
  step(): boolean;
  /** When it has something to do although nothing comes in; processing time. */
  readonly wakeAt?: Instant | undefined;
  /**
   * The same by the clock on the wall, which sources go by that ask for a pause. It runs also where a
   * test stream makes processing time.
   */
  readonly resumeAt?: Instant | undefined;
  /** Whether it is waiting for nothing, and holds nothing that could be worked on now. */
  readonly isQuiet: boolean;
  close?(): Promise<void>;
}

/** What nodes need of the engine. */
export interface Surroundings {
  /** Hands elements of a PCollection to all who want them. */
  deliver(
    pcollection: string,
    elements: readonly WindowedValue<unknown>[],
    origin?: Origin,
  ): MaybePromise<void>;
  /** Below which nothing of a PCollection comes any more. */
  watermark(pcollection: string): Instant;
  /** Processing time: it never goes back. */
  now(): Instant;
  /** Processing time as functions see it, and set timers by: the clock on the wall, even when that was set back. */
  shownNow(): Instant;
  /** Work under way: the engine waits for it, and fails with it. */
  track(work: Promise<void>): void;
  /** Asks for another round of steps. */
  wake(): void;
  /**
   * Finalizes a bundle once nothing is under way any more that came of it, or of an older one of its step. What
   * groupings, side inputs and state keep is not under way: they have taken it over. One that can wait does so
   * until the outputs of the run are stored, where that is at its end.
   */
  finalize(step: object, origin: Origin, finalize: () => Promise<void>, canWait: boolean): void;
  /** Whether a step is to wait with its next bundle, since those before are finalized more slowly than they end. */
  owesFinalization(step: object): boolean;
  count(infos: readonly MonitoringInfo[]): void;
  /** Whether all that the run needs has started, so that what cannot be read again may be read. */
  readonly isReading: boolean;
  /** Aborts when the run ends early. */
  readonly signal: AbortSignal;
}
