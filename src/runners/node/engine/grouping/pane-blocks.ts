// SPDX-License-Identifier: Apache-2.0
// Collects panes into blocks of bounded size.

import type { Instant, PaneInfo, Window, WindowedValue } from '../../../../coders/index.ts';

const MOST_PANES = 256;
const MOST_VALUES = 8192;

export class PaneBlocks {
  private panes: WindowedValue<unknown>[] = [];
  private values = 0;
  /** Of the pane added last: panes of one window share them. */
  private windows: readonly Window[] = [];

  /** Whether {@link take} should be called before more is added. */
  isFull = false;

  add(key: unknown, values: unknown[], timestamp: Instant, window: Window, pane: PaneInfo): void {
    if (this.windows[0] !== window) this.windows = [window];
    this.panes.push({ value: { key, value: values }, timestamp, windows: this.windows, pane });
    this.values += values.length;
    this.isFull = this.panes.length >= MOST_PANES || this.values >= MOST_VALUES;
  }

  get isEmpty(): boolean {
    return this.panes.length === 0;
  }

  take(): WindowedValue<unknown>[] {
    const { panes } = this;
    this.panes = [];
    this.values = 0;
    this.isFull = false;
    return panes;
  }
}
