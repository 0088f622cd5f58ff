// SPDX-License-Identifier: Apache-2.0
// Combines the values of each key before they are grouped, as far as memory allows: fewer and
// smaller elements go to the runner. A key may come out several times.

import { ByteWriter } from '../../../base/index.ts';
import {
  type Coder,
  GlobalWindow,
  type Instant,
  type KV,
  type PaneInfo,
  type Window,
  type WindowedValue,
} from '../../../coders/index.ts';
import type { CombineFn } from '../../../transforms/index.ts';
import { asyncCombiner, type TransformInfo, userError } from '../errors.ts';
import type { Operator, Receiver } from '../operator.ts';
import { isThenable, type MaybePromise } from '../types.ts';

/** Keys held at once; when there are more, the older half goes out. */
const MOST_KEYS = 32_768;
/** Inputs after which everything goes out: accumulators such as lists grow with each input. */
const MOST_INPUTS = 500_000;

interface Entry {
  readonly key: unknown;
  accumulator: unknown;
  readonly window: Window;
  timestamp: Instant;
  readonly pane: PaneInfo;
}

export interface PrecombineOptions {
  readonly combineFn: CombineFn<unknown, unknown, unknown>;
  readonly keyCoder: Coder<unknown>;
  readonly windowCoder: Coder<unknown>;
  /** Whether a group gets the latest of its inputs' timestamps rather than an early one. */
  readonly keepsLatest: boolean;
  /** @default 32,768 */
  readonly mostKeys?: number;
}

export class Precombine implements Operator {
  private readonly entries = new Map<unknown, Entry>();
  private readonly scratch = new ByteWriter();
  private inputsHeld = 0;

  constructor(
    readonly transformId: string,
    readonly inputs: readonly string[],
    private readonly options: PrecombineOptions,
    private readonly out: Receiver,
    private readonly info: TransformInfo,
  ) {}

  startBundle(): void {
    this.entries.clear();
    this.inputsHeld = 0;
  }

  process(element: WindowedValue<unknown>): MaybePromise<void> {
    const { windows } = element;
    for (let i = 0; i < windows.length; i++) this.add(element, windows[i]!);
    if (this.inputsHeld >= MOST_INPUTS) return this.flush(this.entries.size);
    const mostKeys = this.options.mostKeys ?? MOST_KEYS;
    if (this.entries.size > mostKeys) return this.flush(Math.ceil(mostKeys / 2));
  }

  finishBundle(): MaybePromise<void> {
    return this.flush(this.entries.size);
  }

  private add(element: WindowedValue<unknown>, window: Window): void {
    const { key, value } = element.value as KV<unknown, unknown>;
    const { combineFn, keepsLatest } = this.options;
    const mapKey = this.mapKey(key, window);
    this.inputsHeld += 1;
    try {
      let entry = this.entries.get(mapKey);
      if (!entry) {
        const { timestamp, pane } = element;
        entry = { key, accumulator: combineFn.createAccumulator(), window, timestamp, pane };
        this.entries.set(mapKey, entry);
      } else if (
        keepsLatest ? element.timestamp > entry.timestamp : element.timestamp < entry.timestamp
      ) {
        entry.timestamp = element.timestamp;
      }
      entry.accumulator = combineFn.addInput(entry.accumulator, value);
    } catch (error) {
      throw userError(error, this.info);
    }
  }

  /**
   * What tells groups apart. Strings and numbers in the global window stand for themselves, which
   * saves encoding them; two map keys for one group do no harm, since groups are merged later.
   */
  private mapKey(key: unknown, window: Window): unknown {
    if (window === GlobalWindow.INSTANCE) {
      // Encoded keys are strings too: the mark keeps the two kinds apart.
      if (typeof key === 'string') return `s${key}`;
      if (typeof key === 'number' && key !== 0) return key;
    }
    const { scratch } = this;
    scratch.reset();
    this.options.windowCoder.encode(window, scratch, true);
    this.encodeKey(key);
    return `e${Buffer.from(scratch.view()).toString('latin1')}`;
  }

  private encodeKey(key: unknown): void {
    try {
      this.options.keyCoder.encode(key, this.scratch, true);
    } catch (error) {
      throw userError(error, this.info);
    }
  }

  /** Sends the `count` oldest groups on. */
  private flush(count: number): MaybePromise<void> {
    const groups: Entry[] = [];
    for (const [mapKey, entry] of this.entries) {
      if (groups.length === count) break;
      groups.push(entry);
      this.entries.delete(mapKey);
    }
    if (this.entries.size === 0) this.inputsHeld = 0;
    for (let i = 0; i < groups.length; i++) {
      const pending = this.send(groups[i]!);
      if (pending) return this.sendRest(pending, groups, i + 1);
    }
  }

  private async sendRest(pending: Promise<void>, groups: Entry[], from: number): Promise<void> {
    await pending;
    for (let i = from; i < groups.length; i++) await this.send(groups[i]!);
  }

  private send({ key, accumulator, window, timestamp, pane }: Entry): MaybePromise<void> {
    if (isThenable(accumulator)) throw asyncCombiner(this.info);
    return this.out.receive({
      value: { key, value: accumulator },
      timestamp,
      windows: [window],
      pane,
    });
  }
}
