// SPDX-License-Identifier: Apache-2.0
// Which timestamp a pane gets, and how far the watermark may go while it is not out: the rules of
// Java's `WatermarkHold`.

import { type Instant, MIN_TIMESTAMP } from '../../../../coders/index.ts';
import { Holds } from '../times.ts';
import type { Rules } from './options.ts';
import type { WindowState } from './window-state.ts';

export class WatermarkHolds {
  private readonly holds = new Holds();
  /** How far the output's watermark can have come. */
  outputWatermark: Instant = MIN_TIMESTAMP;

  constructor(private readonly rules: Rules) {}

  /** The least timestamp of what may come out of what is held; +Infinity when nothing is held. */
  get least(): Instant {
    return this.holds.least;
  }

  /** Takes notice of how far the output's watermark may have come. */
  advance(watermark: Instant): void {
    if (watermark > this.outputWatermark) this.outputWatermark = watermark;
  }

  /** Holds for an element. */
  add(state: WindowState, timestamp: Instant, watermark: Instant): void {
    const { timestampCombiner } = this.rules;
    const { end, elementHold: before } = state;
    const hold = timestampCombiner === 'endOfWindow' ? end : Math.min(timestamp, end);
    if (hold < this.outputWatermark || end < watermark) {
      // Too late to hold for the element itself.
      state.closingHold = state.expiry;
    } else if (before === undefined) {
      state.elementHold = hold;
    } else if (timestampCombiner === 'latest' ? hold > before : hold < before) {
      state.elementHold = hold;
    } else {
      return;
    }
    this.update(state);
  }

  /** The timestamp of the pane that comes out now; lets go of what was held for it. */
  release(state: WindowState, isLast: boolean, watermark: Instant): Instant {
    const { elementHold, closingHold, end, expiry } = state;
    state.elementHold = undefined;
    const closes = !isLast && this.rules.closingAlways && expiry >= watermark;
    state.closingHold = closes ? expiry : undefined;
    this.update(state);
    return Math.min(elementHold ?? end, closingHold ?? end, end);
  }

  /** The holds of windows that became one. */
  merge(into: WindowState, merged: readonly WindowState[]): void {
    const { timestampCombiner } = this.rules;
    for (const state of merged) {
      const hold = timestampCombiner === 'endOfWindow' ? into.end : state.elementHold;
      if (state.elementHold !== undefined && hold !== undefined) {
        const before = into.elementHold ?? hold;
        into.elementHold =
          timestampCombiner === 'latest' ? Math.max(before, hold) : Math.min(before, hold);
      }
      if (state.closingHold !== undefined) into.closingHold = into.expiry;
      this.drop(state);
    }
    this.update(into);
  }

  /** Lets go of all that is held for a window. */
  drop(state: WindowState): void {
    state.elementHold = undefined;
    state.closingHold = undefined;
    this.update(state);
  }

  private update(state: WindowState): void {
    const { elementHold, closingHold, held } = state;
    const now =
      elementHold === undefined || closingHold === undefined
        ? (elementHold ?? closingHold)
        : Math.min(elementHold, closingHold);
    if (now === held) return;
    if (now !== undefined) this.holds.add(now);
    if (held !== undefined) this.holds.remove(held);
    state.held = now;
  }
}
