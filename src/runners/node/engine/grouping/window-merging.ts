// SPDX-License-Identifier: Apache-2.0
// Windows of a key that become one: their elements, holds, and what their triggers remember.

import type { KV, Window, WindowedValue } from '../../../../coders/index.ts';
import type { MergeWindows } from './options.ts';
import type { WatermarkHolds } from './watermark-holds.ts';
import type { KeyGroup, WindowState } from './window-state.ts';
import type { Moment, WindowTable } from './window-table.ts';

/** The windows that those of a block become by merging, by key and name. */
export type Merges = Map<KeyGroup, Map<string, Window>>;

/** What becomes of a window that others became. */
export interface Merged {
  /** Its trigger has fired for the last time. */
  finished(state: WindowState): void;
  /** Its trigger is to be looked at. */
  changed(state: WindowState): void;
}

export class WindowMerging {
  constructor(
    private readonly mergeWindows: MergeWindows,
    private readonly table: WindowTable,
    private readonly holds: WatermarkHolds,
    private readonly merged: Merged,
  ) {}

  /** Merges the windows of a block with those that are there already. */
  ofBlock(block: readonly WindowedValue<unknown>[], moment: Moment): Merges {
    const { table } = this;
    const added: Merges = new Map();
    for (const { value, windows } of block) {
      for (const window of windows) {
        if (table.isOver(window, moment)) continue;
        const group = table.groupOf((value as KV<unknown, unknown>).key);
        const name = table.names.of(window);
        if (group.windows.has(name)) continue;
        const names = added.get(group) ?? new Map<string, Window>();
        added.set(group, names.set(name, window));
      }
    }
    const merges: Merges = new Map();
    for (const [group, windows] of added) merges.set(group, this.merge(group, windows, moment));
    return merges;
  }

  /**
   * Merges the windows of a key.
   *
   * @param added - windows of elements that are about to come
   * @returns what those, and windows that were there, become, where they merge, by their names
   */
  merge(
    group: KeyGroup,
    added: ReadonlyMap<string, Window> | undefined,
    moment: Moment,
  ): Map<string, Window> {
    const { names } = this.table;
    const become = new Map<string, Window>();
    const all = [...group.windows.values()].map(({ window }) => window);
    if (added) all.push(...added.values());
    if (all.length < 2) return become;
    for (const { from, to } of this.mergeWindows(all)) {
      const toName = names.of(to);
      const merged = new Set<WindowState>();
      for (const window of [...from, to]) {
        const name = names.of(window);
        const state = group.windows.get(name);
        if (state) merged.add(state);
        // Elements of this block may also be of windows that were there before.
        if (added) become.set(name, to);
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
    const { table } = this;
    const into = table.newWindow(group, window, name, moment);
    // Panes are counted anew in a window that was not there before.
    const own = group.windows.get(name);
    into.lastPane = own?.lastPane;
    if (own) Object.assign(into.trigger.finished, own.trigger.finished);
    into.values = merged.flatMap(({ values }) => values);
    for (const state of merged) {
      into.additions += state.additions;
      table.drop(state);
    }
    group.windows.set(name, into);
    this.holds.merge(into, merged);
    const states = merged.map(({ trigger }) => trigger);
    const look = table.look(into, moment, states);
    table.machine.onMerge(look);
    if (table.machine.isFinished(look)) this.merged.finished(into);
    this.merged.changed(into);
  }
}
