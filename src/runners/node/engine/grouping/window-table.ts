// SPDX-License-Identifier: Apache-2.0
// The windows of all keys of a grouping, and when each is to be looked at.

import type { Instant, Window } from '../../../../coders/index.ts';
import { Schedule } from '../times.ts';
import { KeyIndex, WindowNames } from './group-keys.ts';
import { Look } from './look.ts';
import { endOf, expiryOf, type GroupingOptions, type Rules } from './options.ts';
import type { TriggerMachine, TriggerState } from './trigger-machine.ts';
import { type Trigger, triggerOf } from './triggers.ts';
import { type KeyGroup, WindowState } from './window-state.ts';

/** Windows of one key that a batch holds before it looks which of them merge. */
export const UNMERGED = 64;

/** The times that the elements of a call see. */
export interface Moment {
  readonly watermark: Instant;
  /** Undefined where no clock runs. */
  readonly now: Instant | undefined;
}

export class WindowTable {
  readonly groups: KeyIndex<KeyGroup>;
  readonly names: WindowNames;
  /** Ends and expiries of windows, by event time. */
  readonly ends = new Schedule<WindowState>();
  readonly clock = new Schedule<WindowState>();
  private readonly trigger: Trigger;
  private readonly view = new Look(this.clock);

  constructor(
    private readonly options: GroupingOptions,
    private readonly rules: Rules,
  ) {
    this.groups = new KeyIndex(options.keyCoder);
    this.names = new WindowNames(options.windowCoder);
    this.trigger = triggerOf(rules.trigger, rules.mergeWindows !== undefined);
  }

  get machine(): TriggerMachine {
    return this.trigger.machine;
  }

  /** A window as its trigger sees it, until the next look. */
  look(state: WindowState, { watermark, now }: Moment, merged?: readonly TriggerState[]): Look {
    return this.view.at(state, watermark, now, merged);
  }

  shouldFire(state: WindowState, moment: Moment): boolean {
    return this.machine.shouldFire(this.look(state, moment));
  }

  /** Whether a window is over, and its lateness too. */
  isOver(window: Window, { watermark }: Moment): boolean {
    return expiryOf(endOf(window), this.rules) < watermark;
  }

  groupOf(key: unknown): KeyGroup {
    const found = this.groups.find(key);
    if (found) return found;
    const group: KeyGroup = { key, windows: new Map(), mergeAt: UNMERGED };
    this.groups.addFound(key, group);
    return group;
  }

  /** A window that is not among those of its key yet. */
  newWindow(group: KeyGroup, window: Window, name: string, { watermark }: Moment): WindowState {
    const end = endOf(window);
    const expiry = expiryOf(end, this.rules);
    const state = new WindowState(group, window, name, end, expiry, this.trigger.newState());
    if (!this.options.bounded) this.endAt(state, watermark > end ? expiry : end);
    return state;
  }

  /** Has a window looked at when the watermark passes a time. */
  endAt(state: WindowState, time: Instant): void {
    state.ending = this.ends.add(time, state);
  }

  /** Forgets a window. */
  drop(state: WindowState): void {
    state.dead = true;
    if (state.ending) this.ends.delete(state.ending);
    for (const waking of state.wakings) this.clock.delete(waking);
    state.group.windows.delete(state.name);
  }
}
