// SPDX-License-Identifier: Apache-2.0
// One call of a splittable DoFn's `process`: its tracker, its watermark estimator, and the parts in
// which its restriction is cut while it runs or when it ends.

import { BeamBridgeError } from '../../../base/index.ts';
import type { Instant, WindowedValue } from '../../../coders/index.ts';
import type {
  AnySplittableDoFn,
  ProcessContinuation,
  RestrictionProgress,
  RestrictionTracker,
  WatermarkEstimator,
} from '../../../pipeline/index.ts';
import type { Application, Residual } from '../types.ts';
import { type Sized, sized } from './splittable-steps.ts';

/** Makes applications of one transform. */
export interface ElementParts {
  /** Tags of the transform's outputs. */
  readonly outputs: readonly string[];
  /** The part as the transform's input takes it. */
  application(part: WindowedValue<unknown>): Application;
}

/** What a call of `process` left. */
export interface Rest {
  readonly element: WindowedValue<unknown>;
  readonly delayMillis: number;
}

export class RestrictionRun {
  readonly tracker: RestrictionTracker<unknown, unknown>;
  readonly call: { watermark: WatermarkEstimator | undefined; signal: AbortSignal };
  private readonly interruption = new AbortController();
  private readonly input: unknown;
  private readonly initialState: unknown;
  /** The estimator's watermark when it was last looked at. */
  private lowest: Instant | undefined;

  /** Runs user code, which may throw. */
  constructor(
    private readonly doFn: AnySplittableDoFn,
    readonly element: WindowedValue<unknown>,
    private readonly parts: ElementParts,
  ) {
    const { key: input, value } = (element.value as Sized).key;
    this.input = input;
    this.initialState = value.value;
    this.tracker = doFn.newTracker(value.key);
    const watermark = doFn.newWatermarkEstimator?.(value.value);
    this.lowest = watermark?.currentWatermark();
    this.call = { watermark, signal: this.interruption.signal };
  }

  /** Tells `process` not to wait any longer. */
  interrupt(): void {
    this.interruption.abort();
  }

  progress(): RestrictionProgress | undefined {
    return this.tracker.progress?.();
  }

  /** Cuts off the rest for the runner. Runs user code, which may throw. */
  trySplit(fractionOfRemainder: number): { primary: Application; residual: Residual } | undefined {
    const split = this.tracker.trySplit(fractionOfRemainder);
    if (!split) return undefined;
    const residual = this.residual(split.residual, 0);
    if (fractionOfRemainder <= 0) this.interrupt();
    return { primary: this.part(split.primary, this.initialState), residual };
  }

  /** The element with all of the restriction that it has now. */
  whole(): Application {
    return this.part(this.tracker.currentRestriction(), this.initialState);
  }

  /** An element, as it was given, that is to be processed elsewhere. */
  untouched(element: WindowedValue<unknown>): Residual {
    const { doFn, parts } = this;
    const { key: restriction, value: state } = (element.value as Sized).key.value;
    // Another window's call starts from the beginning; the watermark of this one does not hold for it.
    const at = doFn.newWatermarkEstimator?.(state)?.currentWatermark();
    return {
      ...parts.application(element),
      delayMillis: 0,
      watermarks: this.watermarksAt(at),
      isBounded: doFn.newTracker(restriction).isBounded(),
    };
  }

  /**
   * Ends the call: what is to be gone on with later, if anything.
   *
   * @throws `USER_CODE_FAILED` when a part of the restriction was neither claimed nor left for later
   */
  finish(ended: ProcessContinuation | undefined): Residual | undefined {
    return this.left(ended, (rest, delayMillis) => this.residual(rest, delayMillis));
  }

  /** The same as an element for a call in the same bundle, and after how many milliseconds. */
  finishHere(ended: ProcessContinuation | undefined): Rest | undefined {
    return this.left(ended, (rest, delayMillis) => ({
      element: this.withRestriction(rest, this.state),
      delayMillis,
    }));
  }

  private left<T>(
    ended: ProcessContinuation | undefined,
    made: (restriction: unknown, delayMillis: number) => T,
  ): T | undefined {
    this.checkWatermark();
    const split = ended?.shouldResume ? this.tracker.trySplit(0) : undefined;
    const rest = split && made(split.residual, ended?.delayMillis ?? 0);
    this.tracker.checkDone();
    return rest;
  }

  /** Of the watermark estimator as it is now. */
  private get state(): unknown {
    return this.call.watermark ? this.call.watermark.state() : this.initialState;
  }

  private residual(restriction: unknown, delayMillis: number): Residual {
    const at = this.checkWatermark();
    return {
      ...this.part(restriction, this.state),
      delayMillis,
      watermarks: this.watermarksAt(at),
      isBounded: this.doFn.newTracker(restriction).isBounded(),
    };
  }

  private watermarksAt(at: Instant | undefined): Map<string, Instant> {
    return new Map(at === undefined ? [] : this.parts.outputs.map((tag) => [tag, at]));
  }

  private part(restriction: unknown, state: unknown): Application {
    return this.parts.application(this.withRestriction(restriction, state));
  }

  private withRestriction(restriction: unknown, state: unknown): WindowedValue<unknown> {
    return { ...this.element, value: sized(this.doFn, this.input, restriction, state) };
  }

  private checkWatermark(): Instant | undefined {
    const at = this.call.watermark?.currentWatermark();
    if (at === undefined || this.lowest === undefined || at >= this.lowest) {
      this.lowest = at;
      return at;
    }
    throw new BeamBridgeError(
      'USER_CODE_FAILED',
      `the watermark estimator went from ${this.lowest} back to ${at}`,
      { hint: 'A watermark promises that nothing older follows: only ever raise it.' },
    );
  }
}
