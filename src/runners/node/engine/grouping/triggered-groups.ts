// SPDX-License-Identifier: Apache-2.0
// Groups whose panes come out as triggers say, window by window: Java's `ReduceFnRunner`.

import {
  decodeValue,
  END_OF_GLOBAL_WINDOW,
  encodeValue,
  type Instant,
  type KV,
  MIN_TIMESTAMP,
  Timing,
  type Window,
  type WindowedValue,
} from '../../../../coders/index.ts';
import { KeyIndex, WindowNames } from './group-keys.ts';
import { Look } from './look.ts';
import { endOf, expiryOf, type GroupingOptions, MOST_ACCUMULATORS, type Rules } from './options.ts';
import { PaneBlocks } from './pane-blocks.ts';
import { Timers } from './times.ts';
import { type Trigger, triggerOf } from './triggers.ts';
import { WatermarkHolds } from './watermark-holds.ts';
import { type KeyGroup, nextPane, WindowState } from './window-state.ts';

/** Windows of one key that a batch holds before it looks which of them merge. */
const UNMERGED = 64;

/** The windows that those of a block become by merging, by key and name. */
type Merges = Map<KeyGroup, Map<string, Window>>;

/** The times that the elements of a call see. */
interface Moment {
  readonly watermark: Instant;
  /** Undefined where no clock runs. */
  readonly now: Instant | undefined;
}

/** In a batch all elements are there before time passes. */
const BEFORE: Moment = { watermark: MIN_TIMESTAMP, now: undefined };

export class TriggeredGroups {
  dropped = 0;
  private readonly groups: KeyIndex<KeyGroup>;
  private readonly names: WindowNames;
  private readonly trigger: Trigger;
  private readonly holds: WatermarkHolds;
  /** Ends and expiries of windows, by event time. */
  private readonly ends = new Timers<WindowState>();
  private readonly clock = new Timers<WindowState>();
  private readonly look = new Look(this.clock);
  /** Windows that got elements and whose trigger was not looked at since. */
  private readonly touched: WindowState[] = [];
  /** Windows whose trigger should fire. */
  private ready = new Set<WindowState>();
  private readonly blocks = new PaneBlocks();

  constructor(
    private readonly options: GroupingOptions,
    private readonly rules: Rules,
  ) {
    this.groups = new KeyIndex(options.keyCoder);
    this.names = new WindowNames(options.windowCoder);
    this.trigger = triggerOf(rules.trigger, rules.mergeWindows !== undefined);
    this.holds = new WatermarkHolds(rules);
  }

  get hold(): Instant {
    // The end of a window may give a pane although the window holds no element.
    return Math.min(this.holds.least, this.ends.next ?? Number.POSITIVE_INFINITY);
  }

  get nextProcessingTime(): Instant | undefined {
    return this.clock.next;
  }

  due(watermark: Instant, now: Instant): boolean {
    if (this.options.bounded) return watermark > END_OF_GLOBAL_WINDOW && this.groups.size > 0;
    const end = this.ends.next;
    const wake = this.clock.next;
    return (
      this.ready.size > 0 ||
      (end !== undefined && end < watermark) ||
      (wake !== undefined && wake <= now)
    );
  }

  add(block: readonly WindowedValue<unknown>[], watermark: Instant, now: Instant): void {
    const moment = this.options.bounded ? BEFORE : { watermark, now };
    this.holds.advance(Math.min(moment.watermark, this.hold));
    const merges = this.rules.mergeWindows && this.mergesFor(block, moment);
    for (const element of block) {
      for (const window of element.windows) this.addTo(window, element, moment, merges);
    }
    for (const state of this.touched) {
      state.touched = false;
      if (!state.dead && !state.closed && this.shouldFire(state, moment)) this.ready.add(state);
    }
    this.touched.length = 0;
  }

  async close(): Promise<void> {
    this.groups.clear();
  }

  *fire(watermark: Instant, now: Instant): Generator<WindowedValue<unknown>[], void, undefined> {
    const { bounded } = this.options;
    if (!bounded) yield* this.fireDue({ watermark, now });
    else if (watermark > END_OF_GLOBAL_WINDOW) yield* this.fireBatch(watermark);
    if (!this.blocks.isEmpty) yield this.blocks.take();
    this.holds.advance(Math.min(bounded ? MIN_TIMESTAMP : watermark, this.hold));
  }

  private *fireDue(moment: Moment) {
    const { ready, ends, clock, blocks } = this;
    this.ready = new Set();
    for (const state of ready) {
      this.fireTrigger(state, moment);
      if (blocks.isFull) yield blocks.take();
    }
    while (ends.next !== undefined && ends.next < moment.watermark) {
      this.endWindow(ends.pop()!, moment);
      if (blocks.isFull) yield blocks.take();
    }
    while (clock.next !== undefined && clock.next <= moment.now!) {
      this.fireTrigger(clock.pop()!, moment);
      if (blocks.isFull) yield blocks.take();
    }
  }

  private *fireBatch(watermark: Instant) {
    const { blocks } = this;
    const end: Moment = { watermark, now: undefined };
    for (const group of this.groups.values()) {
      if (this.rules.mergeWindows) this.merge(group, undefined, BEFORE);
      for (const state of group.windows.values()) {
        this.fireTrigger(state, BEFORE);
        this.expire(state, end);
        if (blocks.isFull) yield blocks.take();
      }
    }
    this.groups.clear();
  }

  private shouldFire(state: WindowState, { watermark, now }: Moment): boolean {
    return this.trigger.machine.shouldFire(this.look.at(state, watermark, now));
  }

  private addTo(
    given: Window,
    element: WindowedValue<unknown>,
    moment: Moment,
    merges: Merges | undefined,
  ): void {
    if (this.isOver(given, moment)) {
      this.dropped += 1;
      return;
    }
    const { key, value } = element.value as KV<unknown, unknown>;
    const group = this.groupOf(key);
    const window = merges?.get(group)?.get(this.names.of(given)) ?? given;
    const name = this.names.of(window);
    let state = group.windows.get(name);
    if (!state) {
      state = this.newWindow(group, window, name, moment);
      group.windows.set(name, state);
    }
    if (state.closed) {
      this.dropped += 1;
      return;
    }
    state.values.push(value);
    state.additions += 1;
    const { compact } = this.options;
    if (compact && state.values.length >= MOST_ACCUMULATORS) state.values = [compact(state.values)];
    this.holds.add(state, element.timestamp, moment.watermark);
    this.trigger.machine.onElement(this.look.at(state, moment.watermark, moment.now));
    this.touch(state);
    if (this.options.bounded && merges && group.windows.size > group.mergeAt) {
      this.merge(group, undefined, moment);
      group.mergeAt = Math.max(UNMERGED, 2 * group.windows.size);
    }
  }

  private isOver(window: Window, { watermark }: Moment): boolean {
    return expiryOf(endOf(window), this.rules) < watermark;
  }

  private groupOf(key: unknown): KeyGroup {
    const found = this.groups.find(key);
    if (found) return found;
    const group: KeyGroup = { key, windows: new Map(), mergeAt: UNMERGED };
    this.groups.addFound(key, group);
    return group;
  }

  private newWindow(group: KeyGroup, window: Window, name: string, moment: Moment): WindowState {
    const end = endOf(window);
    const expiry = expiryOf(end, this.rules);
    const state = new WindowState(group, window, name, end, expiry, this.trigger.newState());
    if (!this.options.bounded) this.ends.push(moment.watermark > end ? expiry : end, state);
    return state;
  }

  /** Has its trigger looked at; a batch does so once, when all elements are there. */
  private touch(state: WindowState): void {
    if (this.options.bounded || state.touched) return;
    state.touched = true;
    this.touched.push(state);
  }

  /** Merges the windows of a block with those that are there already; a batch does so later. */
  private mergesFor(block: readonly WindowedValue<unknown>[], moment: Moment): Merges {
    const merges: Merges = new Map();
    if (this.options.bounded) return merges;
    const added: Merges = new Map();
    for (const { value, windows } of block) {
      for (const window of windows) {
        if (this.isOver(window, moment)) continue;
        const group = this.groupOf((value as KV<unknown, unknown>).key);
        const name = this.names.of(window);
        if (group.windows.has(name)) continue;
        const names = added.get(group) ?? new Map<string, Window>();
        added.set(group, names.set(name, window));
      }
    }
    for (const [group, windows] of added) merges.set(group, this.merge(group, windows, moment));
    return merges;
  }

  /**
   * Merges the windows of a key.
   *
   * @param added - windows of elements that are about to come
   * @returns what those become, where they merge, by their names
   */
  private merge(
    group: KeyGroup,
    added: ReadonlyMap<string, Window> | undefined,
    moment: Moment,
  ): Map<string, Window> {
    const become = new Map<string, Window>();
    const all = [...group.windows.values()].map(({ window }) => window);
    if (added) all.push(...added.values());
    if (all.length < 2) return become;
    for (const { from, to } of this.rules.mergeWindows!(all)) {
      const toName = this.names.of(to);
      const merged = new Set<WindowState>();
      for (const window of [...from, to]) {
        const name = this.names.of(window);
        const state = group.windows.get(name);
        if (state) merged.add(state);
        if (added?.has(name)) become.set(name, to);
      }
      const [only] = merged;
      const grows = merged.size > 1 || (only && only.name !== toName);
      if (grows) this.mergeInto(group, to, toName, [...merged], moment);
    }
    return become;
  }

  private mergeInto(
    group: KeyGroup,
    window: Window,
    name: string,
    merged: readonly WindowState[],
    moment: Moment,
  ): void {
    const into = this.newWindow(group, window, name, moment);
    // Panes are counted anew in a window that was not there before.
    into.lastPane = group.windows.get(name)?.lastPane;
    into.values = merged.flatMap(({ values }) => values);
    for (const state of merged) {
      into.additions += state.additions;
      state.dead = true;
      group.windows.delete(state.name);
    }
    group.windows.set(name, into);
    this.holds.merge(into, merged);
    const states = merged.map(({ trigger }) => trigger);
    const look = this.look.at(into, moment.watermark, moment.now, states);
    this.trigger.machine.onMerge(look);
    if (this.trigger.machine.isFinished(look)) this.closeWindow(into);
    this.touch(into);
  }

  private fireTrigger(state: WindowState, moment: Moment): void {
    if (state.dead || state.closed || !this.shouldFire(state, moment)) return;
    const { machine } = this.trigger;
    const look = this.look.at(state, moment.watermark, moment.now);
    machine.onFire(look);
    const isLast = machine.isFinished(look);
    this.emit(state, isLast, true, moment.watermark);
    if (isLast) this.closeWindow(state);
  }

  /** Drops what comes from now on; what triggers remember stays, in case the window merges. */
  private closeWindow(state: WindowState): void {
    state.closed = true;
    state.values = [];
    state.additions = 0;
    this.holds.drop(state);
  }

  private endWindow(state: WindowState, moment: Moment): void {
    if (state.dead) return;
    if (moment.watermark > state.expiry) {
      this.expire(state, moment);
    } else {
      this.fireTrigger(state, moment);
      this.ends.push(state.expiry, state);
    }
  }

  /** Emits what no trigger has fired, and forgets the window. */
  private expire(state: WindowState, { watermark, now }: Moment): void {
    if (!state.closed) {
      const look = this.look.at(state, watermark, now);
      const fires = this.trigger.machine.shouldFire(look);
      this.emit(state, true, fires, watermark);
    }
    state.dead = true;
    this.holds.drop(state);
    const { group } = state;
    group.windows.delete(state.name);
    if (group.windows.size === 0 && !this.options.bounded) this.groups.delete(group.key);
  }

  private emit(state: WindowState, isLast: boolean, fires: boolean, watermark: Instant): void {
    const pane = nextPane(state, isLast, watermark, this.holds.outputWatermark);
    const timestamp = this.holds.release(state, isLast, watermark);
    const { onTimeAlways, closingAlways, accumulating } = this.rules;
    const emptyToo =
      (fires && onTimeAlways && pane.timing === Timing.ON_TIME) || (isLast && closingAlways);
    if (state.additions === 0 && !emptyToo) return;
    state.lastPane = pane;
    state.additions = 0;
    let { values } = state;
    if (accumulating && !isLast) values = this.copyOf(values);
    else state.values = [];
    this.blocks.add(state.group.key, values, timestamp, state.window, pane);
  }

  /** Values for a pane, of which more will come with the next. */
  private copyOf(values: readonly unknown[]): unknown[] {
    if (!this.options.compact) return [...values];
    // Accumulators may be changed by whoever merges them.
    const { valueCoder } = this.options;
    return values.map((value) => decodeValue(valueCoder, encodeValue(valueCoder, value)));
  }
}
