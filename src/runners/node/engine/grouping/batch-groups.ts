// SPDX-License-Identifier: Apache-2.0
// The groups of a batch that come out once, in one pane each: a table by window and key, and files
// for what memory does not hold.

import {
  END_OF_GLOBAL_WINDOW,
  type Instant,
  type KV,
  type PaneInfo,
  Timing,
  type Window,
  type WindowedValue,
} from '../../../../coders/index.ts';
import type { MaybePromise } from '../../../../harness/index.ts';
import type { SpillFile } from '../spill/spill-file.ts';
import { compactLatest, type Held, MOST_ACCUMULATORS } from './accumulators.ts';
import { KeyIndex, WindowNames } from './group-keys.ts';
import { endOf, type GroupingOptions, type Panes, type Rules } from './options.ts';
import { PaneBlocks } from './pane-blocks.ts';
import { Partitions } from './partitions.ts';
import { GROUP_BYTES, GROWTH_BYTES, Sizes, WINDOW_BYTES } from './sizes.ts';

const MEMORY_BYTES = 256 * 1024 * 1024;
/** After so many ways to tell keys apart by hash, the rest stays in memory. */
const MOST_LEVELS = 4;

const ONLY_PANE: PaneInfo = Object.freeze({
  isFirst: true,
  isLast: true,
  timing: Timing.ON_TIME,
  index: 0,
  onTimeIndex: 0,
});

const NOTHING: unknown[] = [];

interface Group extends Held {
  readonly key: unknown;
  /** Of the pane, as far as elements say; not used when windows do. */
  timestamp: Instant;
}

interface WindowGroups {
  readonly window: Window;
  readonly end: Instant;
  readonly groups: KeyIndex<Group>;
}

/** Whether a batch gives one pane for each group. */
export function givesOnePane({ trigger, mergeWindows }: Rules): boolean {
  if (mergeWindows) return false;
  const given = trigger?.trigger;
  if (given?.case === 'afterEndOfWindow') return !given.value.earlyFirings;
  return given?.case === 'default' || given?.case === 'never';
}

export class BatchGroups {
  readonly dropped = { late: 0, closed: 0 };
  readonly nextProcessingTime = undefined;
  hold: Instant = Number.POSITIVE_INFINITY;
  private readonly windows = new Map<string, WindowGroups>();
  /** Of the window that was asked for last: most often it is the next one too. */
  private last: WindowGroups | undefined;
  private readonly names: WindowNames;
  private readonly keySizes: Sizes;
  private readonly valueSizes: Sizes;
  private readonly memoryBytes: number;
  private bytes = 0;
  private count = 0;
  private partitions: Partitions | undefined;

  /**
   * @param level - how many tables this one is a part of
   * @param folder - where files are, when that was asked for already
   */
  constructor(
    private readonly options: GroupingOptions,
    private readonly rules: Rules,
    private readonly level = 0,
    private folder?: Promise<string>,
  ) {
    this.names = new WindowNames(options.windowCoder);
    this.keySizes = new Sizes(options.keyCoder);
    this.valueSizes = new Sizes(options.valueCoder);
    this.memoryBytes = options.memoryBytes ?? MEMORY_BYTES;
  }

  due(watermark: Instant): boolean {
    return watermark > END_OF_GLOBAL_WINDOW && (this.count > 0 || this.partitions !== undefined);
  }

  /** All that comes out is on time, wherever the watermark was. */
  pass(): void {}

  add(block: readonly WindowedValue<unknown>[]): MaybePromise<void> {
    for (let i = 0; i < block.length; i++) {
      const { value: pair, timestamp, windows } = block[i]!;
      const { key, value } = pair as KV<unknown, unknown>;
      for (let w = 0; w < windows.length; w++) this.addTo(windows[w]!, key, value, timestamp);
    }
    return this.relieve();
  }

  /** Writes to files what memory does not hold. */
  private relieve(): MaybePromise<void> {
    // One group is in memory when it comes out, so that a file is of no use to it.
    if (this.bytes > this.memoryBytes && this.count > 1 && this.level < MOST_LEVELS) {
      return this.spill();
    }
  }

  private addTo(window: Window, key: unknown, value: unknown, timestamp: Instant): void {
    const { groups, end } = this.groupsOf(window);
    const { timestampCombiner } = this.rules;
    const time = timestampCombiner === 'endOfWindow' ? 0 : Math.min(timestamp, end);
    const least = timestampCombiner === 'endOfWindow' ? end : time;
    if (least < this.hold) this.hold = least;
    this.bytes += this.valueSizes.of(value);
    const group = groups.find(key);
    if (!group) {
      groups.addFound(key, { key, values: [value], ranks: undefined, timestamp: time });
      this.bytes += GROUP_BYTES + this.keySizes.of(key);
      this.count += 1;
      return;
    }
    if (timestampCombiner === 'latest' ? time > group.timestamp : time < group.timestamp) {
      group.timestamp = time;
    }
    const { values } = group;
    values.push(value);
    if (values.length === 2) this.bytes += GROWTH_BYTES;
    else if (values.length >= MOST_ACCUMULATORS && this.options.compact)
      compactLatest(group, this.merge);
  }

  private readonly merge = (values: unknown[]): unknown => {
    for (const value of values) this.bytes -= this.valueSizes.of(value);
    const merged = this.options.compact!(values);
    this.bytes += this.valueSizes.of(merged);
    return merged;
  };

  private groupsOf(window: Window): WindowGroups {
    if (this.last?.window === window) return this.last;
    const name = this.names.of(window);
    let groups = this.windows.get(name);
    if (!groups) {
      groups = { window, end: endOf(window), groups: new KeyIndex(this.options.keyCoder) };
      this.windows.set(name, groups);
      this.bytes += WINDOW_BYTES;
    }
    this.last = groups;
    return groups;
  }

  /** All groups, once the watermark says that all elements came. */
  fire(watermark: Instant): Panes {
    if (!this.due(watermark)) return [];
    return this.partitions ? this.fireFiles(this.partitions) : this.fireMemory();
  }

  private *fireMemory(): Generator<WindowedValue<unknown>[], void, undefined> {
    const blocks = new PaneBlocks();
    const atEnd = this.rules.timestampCombiner === 'endOfWindow';
    for (const { window, end, groups } of this.windows.values()) {
      for (const table of groups.tables()) {
        for (const group of table) {
          const { key, values, timestamp } = group;
          // What is read downstream need not stay here.
          group.values = NOTHING;
          blocks.add(key, values, atEnd ? end : timestamp, window, ONLY_PANE);
          if (blocks.isFull) yield blocks.take();
        }
      }
      groups.clear();
    }
    if (!blocks.isEmpty) yield blocks.take();
    this.clear();
    this.hold = Number.POSITIVE_INFINITY;
  }

  private async *fireFiles(
    partitions: Partitions,
  ): AsyncGenerator<WindowedValue<unknown>[], void, undefined> {
    await this.spill();
    for (const file of partitions.files) {
      if (file.isEmpty) continue;
      const part = new BatchGroups(this.options, this.rules, this.level + 1, this.folder);
      try {
        await part.load(file, partitions);
        yield* part.fire(Number.POSITIVE_INFINITY);
      } finally {
        await part.partitions?.remove();
      }
    }
    this.partitions = undefined;
    this.hold = Number.POSITIVE_INFINITY;
  }

  /** Takes what a file holds, which is used up then. */
  private async load(file: SpillFile, partitions: Partitions): Promise<void> {
    for await (const records of file.chunks()) {
      while (!records.done) {
        const { key, window, timestamp, values } = partitions.read(records);
        for (const value of values) this.addTo(window, key, value, timestamp);
      }
      await this.relieve();
    }
    await file.remove();
  }

  private async spill(): Promise<void> {
    this.folder ??= this.options.spillFolder?.();
    this.partitions ??= new Partitions(this.options, await this.folder, this.level);
    for (const { window, groups } of this.windows.values()) {
      for (const table of groups.tables()) {
        for (const { key, values, timestamp } of table) {
          const pending = this.partitions.write(key, window, timestamp, values);
          if (pending) await pending;
        }
      }
      groups.clear();
    }
    this.clear();
  }

  private clear(): void {
    this.windows.clear();
    this.last = undefined;
    this.bytes = 0;
    this.count = 0;
  }

  async close(): Promise<void> {
    this.clear();
    await this.partitions?.remove();
    this.partitions = undefined;
  }
}
