// SPDX-License-Identifier: Apache-2.0
// What a trigger sees of the window that is looked at; one object serves all windows in turn.

import type { Instant } from '../../../../coders/index.ts';
import type { Schedule } from '../times.ts';
import type { MergeContext, TriggerState } from './trigger-machine.ts';
import type { WindowState } from './window-state.ts';

export class Look implements MergeContext {
  state!: TriggerState;
  endReached = false;
  now: Instant | undefined;
  merged: readonly TriggerState[] = [];
  private window!: WindowState;

  /** @param clock - takes the processing times that triggers ask for */
  constructor(private readonly clock: Schedule<WindowState>) {}

  at(
    window: WindowState,
    watermark: Instant,
    now: Instant | undefined,
    merged: readonly TriggerState[] = [],
  ): this {
    this.window = window;
    this.state = window.trigger;
    this.endReached = watermark > window.end;
    this.now = now;
    this.merged = merged;
    return this;
  }

  wakeAt(time: Instant): void {
    const { window } = this;
    const waking = this.clock.add(time, window);
    // Those that have come are of no more use.
    window.wakings = [...window.wakings.filter(({ slot }) => slot >= 0), waking];
  }
}
