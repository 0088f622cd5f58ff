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
import { compactLatest, MOST_ACCUMULATORS } from './accumulators.ts';
import type { GroupingOptions, Rules } from './options.ts';
import { PaneBlocks } from './pane-blocks.ts';
import { WatermarkHolds } from './watermark-holds.ts';
import { type Merges, WindowMerging } from './window-merging.ts';
import { nextPane, type WindowState } from './window-state.ts';
import { type Moment, UNMERGED, WindowTable } from './window-table.ts';

/** In a batch all elements are there before time passes. */
const BEFORE: Moment = { watermark: MIN_TIMESTAMP, now: undefined };

export class TriggeredGroups {
  readonly dropped = { late: 0, closed: 0 };
  private readonly table: WindowTable;
  private readonly holds: WatermarkHolds;
  /** Undefined where windows do not merge. */
  private readonly merging: WindowMerging | undefined;
  /** Windows that got elements and whose trigger was not looked at since. */
  private readonly touched: WindowState[] = [];
  /** Windows whose trigger should fire. */
  private ready = new Set<WindowState>();
  private readonly blocks = new PaneBlocks();

  constructor(
    private readonly options: GroupingOptions,
    private readonly rules: Rules,
  ) {
    this.table = new WindowTable(options, rules);
    this.holds = new WatermarkHolds(rules);
    this.merging =
      rules.mergeWindows &&
      new WindowMerging(rules.mergeWindows, this.table, this.holds, {
        finished: (state) => this.closeWindow(state),
        changed: (state) => this.touch(state),
      });
  }

  get hold(): Instant {
    // The end of a window may give a pane although the window holds no element.
    return Math.min(this.holds.least, this.table.ends.next ?? Number.POSITIVE_INFINITY);
  }

  get nextProcessingTime(): Instant | undefined {
    return this.table.clock.next;
  }

  due(watermark: Instant, now: Instant): boolean {
    const { groups, ends, clock } = this.table;
    if (this.options.bounded) return watermark > END_OF_GLOBAL_WINDOW && groups.size > 0;
    const end = ends.next;
    const wake = clock.next;
    return (
      this.ready.size > 0 ||
      (end !== undefined && end < watermark) ||
      (wake !== undefined && wake <= now)
    );
  }

  pass(watermark: Instant): void {
    this.holds.advance(Math.min(this.options.bounded ? MIN_TIMESTAMP : watermark, this.hold));
  }

  add(block: readonly WindowedValue<unknown>[], watermark: Instant, now: Instant): void {
    const { bounded } = this.options;
    const moment = bounded ? BEFORE : { watermark, now };
    this.pass(watermark);
    // A batch looks for windows that merge later.
    const merges = bounded ? undefined : this.merging?.ofBlock(block, moment);
    for (const element of block) {
      for (const window of element.windows) this.addTo(window, element, moment, merges);
    }
    for (const state of this.touched) {
      state.touched = false;
      if (!state.dead && !state.closed && this.table.shouldFire(state, moment)) {
        this.ready.add(state);
      }
    }
    this.touched.length = 0;
  }

  async close(): Promise<void> {
    this.table.groups.clear();
  }

  *fire(watermark: Instant, now: Instant): Generator<WindowedValue<unknown>[], void, undefined> {
    const { bounded } = this.options;
    if (!bounded) yield* this.fireDue({ watermark, now });
    else if (watermark > END_OF_GLOBAL_WINDOW) yield* this.fireBatch(watermark);
    if (!this.blocks.isEmpty) yield this.blocks.take();
    this.pass(watermark);
  }

  private *fireDue(moment: Moment) {
    const { ready, blocks } = this;
    const { ends, clock } = this.table;
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
    const { groups } = this.table;
    const end: Moment = { watermark, now: undefined };
    for (const group of groups.values()) {
      this.merging?.merge(group, undefined, BEFORE);
      for (const state of group.windows.values()) {
        this.fireTrigger(state, BEFORE);
        this.expire(state, end);
        if (blocks.isFull) yield blocks.take();
      }
    }
    groups.clear();
  }

  private addTo(
    given: Window,
    element: WindowedValue<unknown>,
    moment: Moment,
    merges: Merges | undefined,
  ): void {
    const { table } = this;
    if (table.isOver(given, moment)) {
      this.dropped.late += 1;
      return;
    }
    const { key, value } = element.value as KV<unknown, unknown>;
    const group = table.groupOf(key);
    const window = merges?.get(group)?.get(table.names.of(given)) ?? given;
    const name = table.names.of(window);
    let state = group.windows.get(name);
    if (!state) {
      state = table.newWindow(group, window, name, moment);
      group.windows.set(name, state);
    }
    if (state.closed) {
      this.dropped.closed += 1;
      return;
    }
    this.keep(state, value);
    this.holds.add(state, element.timestamp, moment.watermark);
    table.machine.onElement(table.look(state, moment));
    this.touch(state);
    if (this.options.bounded && this.merging && group.windows.size > group.mergeAt) {
      this.merging.merge(group, undefined, moment);
      group.mergeAt = Math.max(UNMERGED, 2 * group.windows.size);
    }
  }

  private keep(state: WindowState, value: unknown): void {
    const { compact } = this.options;
    state.values.push(value);
    state.additions += 1;
    if (compact && state.values.length >= MOST_ACCUMULATORS) compactLatest(state, compact);
  }

  /** Has its trigger looked at; a batch does so once, when all elements are there. */
  private touch(state: WindowState): void {
    if (this.options.bounded || state.touched) return;
    state.touched = true;
    this.touched.push(state);
  }

  private fireTrigger(state: WindowState, moment: Moment): void {
    const { table } = this;
    if (state.dead || state.closed || !table.shouldFire(state, moment)) return;
    const look = table.look(state, moment);
    table.machine.onFire(look);
    const isLast = table.machine.isFinished(look);
    this.emit(state, isLast, true, moment.watermark);
    if (isLast) this.closeWindow(state);
  }

  /** Drops what comes from now on; what triggers remember stays, in case the window merges. */
  private closeWindow(state: WindowState): void {
    state.closed = true;
    empty(state);
    state.additions = 0;
    this.holds.drop(state);
  }

  private endWindow(state: WindowState, moment: Moment): void {
    if (moment.watermark > state.expiry) {
      this.expire(state, moment);
    } else {
      this.fireTrigger(state, moment);
      this.table.endAt(state, state.expiry);
    }
  }

  /** Emits what no trigger has fired, and forgets the window. */
  private expire(state: WindowState, moment: Moment): void {
    if (!state.closed) {
      this.emit(state, true, this.table.shouldFire(state, moment), moment.watermark);
    }
    this.holds.drop(state);
    this.table.drop(state);
    const { group } = state;
    if (group.windows.size === 0 && !this.options.bounded) this.table.groups.delete(group.key);
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
    const values = accumulating && !isLast ? this.copyOf(state) : state.values;
    if (values === state.values) empty(state);
    this.blocks.add(state.group.key, values, timestamp, state.window, pane);
  }

  /** Values for a pane, of which more will come with the next. */
  private copyOf(state: WindowState): unknown[] {
    const { compact, valueCoder } = this.options;
    if (!compact) return [...state.values];
    if (state.values.length > 1) {
      state.values = [compact(state.values)];
      state.ranks = undefined;
    }
    // Accumulators may be changed by whoever merges them.
    return state.values.map((value) => decodeValue(valueCoder, encodeValue(valueCoder, value)));
  }
}

function empty(state: WindowState): void {
  state.values = [];
  state.ranks = undefined;
}
