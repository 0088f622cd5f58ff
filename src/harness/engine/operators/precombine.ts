// SPDX-License-Identifier: Apache-2.0
// Combines the values of each key before they are grouped, as far as memory allows: fewer and
// smaller elements go to the runner. A key may come out several times.

import { ByteWriter, yieldIfDue } from '../../../base/index.ts';
import {
  type Coder,
  GlobalWindow,
  type KV,
  ownResult,
  type Window,
  type WindowedValue,
} from '../../../coders/index.ts';
import type { CombineFn } from '../../../transforms/index.ts';
import { asyncCombiner, type TransformInfo, userError } from '../errors.ts';
import type { Operator, Receiver } from '../operator.ts';
import { isThenable, type MaybePromise } from '../types.ts';

/** Keys held at once; when there are more, the older half goes out. */
const MOST_KEYS = 65_536;
/** Inputs after which everything goes out: accumulators such as lists grow with each input. */
const MOST_INPUTS = 500_000;
/** Groups that go out between looks at the clock. */
const GROUPS_PER_LOOK = 64;

/** The accumulator of a key in a window, in the form in which it goes out. */
type Group = WindowedValue<KV<unknown, unknown>>;

export interface PrecombineOptions {
  readonly combineFn: CombineFn<unknown, unknown, unknown>;
  readonly keyCoder: Coder<unknown>;
  readonly windowCoder: Coder<unknown>;
  /** Whether a group gets the latest of its inputs' timestamps rather than an early one. */
  readonly keepsLatest: boolean;
  /** @default 65,536 */
  readonly mostKeys?: number;
}

export class Precombine implements Operator {
  /**
   * Groups in the global window whose keys, strings and numbers, stand for themselves, which saves
   * encoding them. Two entries for one group do no harm, since groups are merged later.
   */
  private readonly plain = new Map<unknown, Group>();
  /** All others by the bytes of window and key. */
  private readonly encoded = new Map<unknown, Group>();
  private readonly scratch = new ByteWriter();
  private readonly mostKeys: number;
  private inputsHeld = 0;

  constructor(
    readonly transformId: string,
    readonly inputs: readonly string[],
    private readonly options: PrecombineOptions,
    private readonly out: Receiver,
    private readonly info: TransformInfo,
  ) {
    this.mostKeys = options.mostKeys ?? MOST_KEYS;
  }

  startBundle(): void {
    this.plain.clear();
    this.encoded.clear();
    this.inputsHeld = 0;
  }

  process(element: WindowedValue<unknown>): MaybePromise<void> {
    const { windows } = element;
    for (let i = 0; i < windows.length; i++) this.add(element, windows[i]!);
    if (this.inputsHeld >= MOST_INPUTS) return this.flush(Number.POSITIVE_INFINITY);
    if (this.plain.size + this.encoded.size > this.mostKeys) {
      return this.flush(Math.ceil(this.mostKeys / 2));
    }
  }

  finishBundle(): MaybePromise<void> {
    return this.flush(Number.POSITIVE_INFINITY);
  }

  private add(element: WindowedValue<unknown>, window: Window): void {
    const { key, value } = element.value as KV<unknown, unknown>;
    const { combineFn, keepsLatest } = this.options;
    // 0 and -0 are one key of a Map, but not of every coder.
    const isPlain =
      window === GlobalWindow.INSTANCE &&
      (typeof key === 'string' || (typeof key === 'number' && key !== 0));
    const groups = isPlain ? this.plain : this.encoded;
    const mapKey = isPlain ? key : this.bytesOf(key, window);
    try {
      let group = groups.get(mapKey);
      if (!group) {
        group = firstOf(element, key, window, combineFn.createAccumulator());
        groups.set(mapKey, group);
      } else if (
        keepsLatest ? element.timestamp > group.timestamp : element.timestamp < group.timestamp
      ) {
        group.timestamp = element.timestamp;
      }
      const held = group.value;
      held.value = ownResult(combineFn.addInput(held.value, value), value);
      // A number stays as small as it is.
      if (typeof held.value !== 'number') this.inputsHeld += 1;
    } catch (error) {
      throw userError(error, this.info);
    }
  }

  private bytesOf(key: unknown, window: Window): string {
    const { scratch, options, info } = this;
    scratch.reset();
    options.windowCoder.encode(window, scratch, true);
    try {
      options.keyCoder.encode(key, scratch, true);
    } catch (error) {
      throw userError(error, info);
    }
    return Buffer.from(scratch.view()).toString('latin1');
  }

  /** Sends groups on, from each table the `most` oldest. */
  private flush(most: number): MaybePromise<void> {
    const groups = [...taken(this.plain, most), ...taken(this.encoded, most)];
    if (this.plain.size + this.encoded.size === 0) this.inputsHeld = 0;
    for (let i = 0; i < groups.length; i++) {
      const pending =
        this.send(groups[i]!) ?? (i % GROUPS_PER_LOOK === 0 ? yieldIfDue() : undefined);
      if (pending) return this.sendRest(pending, groups, i + 1);
    }
  }

  private async sendRest(pending: Promise<void>, groups: Group[], from: number): Promise<void> {
    await pending;
    for (let i = from; i < groups.length; i++) {
      await this.send(groups[i]!);
      if (i % GROUPS_PER_LOOK === 0) await yieldIfDue();
    }
  }

  private send(group: Group): MaybePromise<void> {
    if (isThenable(group.value.value)) throw asyncCombiner(this.info);
    return this.out.receive(group);
  }
}

/** A group as it is before its first input, which has its time and pane. */
function firstOf(
  { timestamp, windows, pane }: WindowedValue<unknown>,
  key: unknown,
  window: Window,
  accumulator: unknown,
): Group {
  return {
    value: { key, value: accumulator },
    timestamp,
    windows: windows.length === 1 ? windows : [window],
    pane,
  };
}

/** Takes the `most` oldest groups out of a table. */
function taken(table: Map<unknown, Group>, most: number): Group[] {
  if (table.size <= most) {
    const all = [...table.values()];
    table.clear();
    return all;
  }
  const groups: Group[] = [];
  for (const [key, group] of table) {
    if (groups.length === most) break;
    groups.push(group);
    table.delete(key);
  }
  return groups;
}
