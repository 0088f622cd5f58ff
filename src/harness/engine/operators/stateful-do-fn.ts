// SPDX-License-Identifier: Apache-2.0
// A DoFn with state or timers: timers that fired are calls besides those for elements, and at the
// end of a bundle changes go back to the runner.

import type { Timer } from '../../../coders/index.ts';
import type { DoFnInstance } from '../do-fn-instances.ts';
import type { UserStates } from '../user-state.ts';
import type { TimedElement, UserTimers } from '../user-timers.ts';
import { DoFnOperator } from './do-fn.ts';
import type { ParDoParts } from './par-do.ts';

export class StatefulDoFnOperator extends DoFnOperator {
  constructor(
    parts: ParDoParts,
    instance: DoFnInstance,
    private readonly states: UserStates,
    private readonly timers: UserTimers,
  ) {
    super(parts, instance);
  }

  override async startBundle(): Promise<void> {
    this.states.startBundle();
    this.timers.startBundle();
    await super.startBundle();
  }

  /** Calls `onTimer` for timers that fired, one after the other. */
  async fire(timerId: string, data: Uint8Array): Promise<void> {
    for (const timer of this.timers.decode(timerId, data)) {
      if (!timer.clearBit) await this.fireOne(timerId, timer);
    }
  }

  private async fireOne(timerId: string, timer: Timer<unknown> & { clearBit: false }) {
    const { userKey: key, dynamicTimerTag: tag, fireTimestamp, holdTimestamp, pane } = timer;
    const firing = { timer: this.timers.nameOf(timerId), tag, key, fireTimestamp };
    for (const window of timer.windows) {
      if (this.timers.isChanged(timerId, timer, window)) continue;
      // What state and timers need of an element is its key.
      const element: TimedElement = {
        value: { key, value: undefined },
        timestamp: holdTimestamp,
        windows: [window],
        pane,
        firedAt: this.timers.isEventTime(timerId) ? fireTimestamp : undefined,
      };
      await this.processWith(element, (context) => this.instance.doFn.onTimer?.(firing, context));
    }
  }

  override async finishBundle(): Promise<void> {
    await super.finishBundle();
    try {
      await this.states.commit();
    } catch (error) {
      throw this.failed(error);
    }
    await this.timers.commit();
  }
}
