// SPDX-License-Identifier: Apache-2.0
// What the operators of one plan share while a bundle runs through them.

import { type Asking, BeamBridgeError } from '../../base/index.ts';
import type { Instant } from '../../coders/index.ts';
import type { TransformInfo } from './errors.ts';
import type { BundleIO, BundleState, MaybePromise, Residual } from './types.ts';

/** Called once the runner has stored a bundle's results for good. */
export type BundleFinalizer = () => MaybePromise<void>;

/** The bundle that a plan is working on. Operators keep the scope, and the bundle changes in it. */
export class BundleScope {
  private current: BundleIO | undefined;

  /** @param isStrict - see `strict.ts` */
  constructor(readonly isStrict = false) {}

  /** What a strict plan looks at when a bundle ends. */
  readonly checks: (() => void)[] = [];
  readonly finalizers: BundleFinalizer[] = [];
  /** What operators left for later. */
  readonly residuals: Residual[] = [];
  /** Why the bundle must not go on; undefined while it may. */
  aborted: Error | undefined;
  /** Whose promise the bundle waits for, as far as that is known. */
  atWork: TransformInfo | undefined;
  /** How often it waits for work of another bundle. */
  private waiting = 0;
  /** For those who wait. */
  readonly asking: Asking = {
    aborted: () => this.aborted,
    waits: () => {
      this.waiting += 1;
      return () => {
        this.waiting -= 1;
      };
    },
  };

  begin(io: BundleIO): void {
    this.current = io;
    this.aborted = undefined;
    this.atWork = undefined;
    this.finalizers.length = 0;
    this.residuals.length = 0;
  }

  /** Whether the bundle waits for work of another. */
  get isBehind(): boolean {
    return this.waiting > 0;
  }

  end(): void {
    this.current = undefined;
  }

  get io(): BundleIO {
    if (!this.current) throw new BeamBridgeError('UNSUPPORTED', OUTSIDE, { hint: OUTSIDE_HINT });
    return this.current;
  }

  get state(): BundleState {
    return this.io.state;
  }

  /** Processing time. */
  now(): Instant {
    return this.io.now?.() ?? Date.now();
  }
}

const OUTSIDE = 'runner state was read after the bundle that it belongs to';
const OUTSIDE_HINT = 'Copy values out of an iterable while the element is being processed.';
