// SPDX-License-Identifier: Apache-2.0
// Window functions that only another SDK knows. It assigns windows itself, in its own stages; a
// grouping by windows that merge asks it what becomes of them, a block of elements at a time.

import { BeamBridgeError } from '../../../base/index.ts';
import type { Coder, Instant, KV, Window, WindowedValue } from '../../../coders/index.ts';
import type { Groups } from './group-node.ts';
import { type Dropped, Grouping, type GroupingOptions } from './grouping/index.ts';
import { latin1, type Merged, type MergeOptions, MergeQuestion } from './merge-question.ts';

/** What {@link ForeignMergingGroups} is made from. */
export type ForeignMergingOptions = Omit<GroupingOptions, 'windowFn'> & MergeOptions;

/** A {@link Grouping} by windows that another SDK merges. */
export class ForeignMergingGroups implements Groups {
  private readonly groups: Grouping;
  private readonly question: MergeQuestion;
  private readonly windowCoder: Coder<Window>;
  /** The windows of each key that may still merge. */
  private readonly active = new Map<string, readonly Window[]>();
  private merged: Merged = new Map();
  /** Of a batch, by the windows that a key has at its end. */
  private readonly batch = new Map<string, Merged>();

  constructor(private readonly options: ForeignMergingOptions) {
    this.question = new MergeQuestion(options);
    this.windowCoder = options.windowCoder as Coder<Window>;
    this.groups = new Grouping({
      ...options,
      windowFn: {
        isMerging: () => true,
        assignsToOneWindow: () => true,
        toProto: () => undefined,
        windowCoder: () => this.windowCoder,
        assignWindows: () => {
          throw new BeamBridgeError('INTERNAL', 'another SDK assigns these windows');
        },
        mergeWindows: (windows) => this.lookUp(windows),
      },
    });
  }

  /** As the grouping's, one key after another, once it is known which of their windows merge. */
  async add(
    block: readonly WindowedValue<unknown>[],
    watermark: Instant,
    now: Instant,
  ): Promise<void> {
    const byKey = new Map<string, WindowedValue<unknown>[]>();
    for (const element of block) {
      const { key } = element.value as KV<unknown, unknown>;
      const name = latin1(this.options.keyCoder, key);
      const same = byKey.get(name);
      if (same) same.push(element);
      else byKey.set(name, [element]);
    }
    const names = [...byKey.keys()];
    if (this.options.bounded) {
      for (const [name, elements] of byKey) {
        this.active.set(name, this.windowsOf(name, elements, watermark));
      }
      return this.groups.add(block, watermark, now);
    }
    const windows = names.map((name) => this.windowsOf(name, byKey.get(name)!, watermark));
    const answers = await this.question.ask(windows);
    try {
      for (const [i, name] of names.entries()) {
        this.merged = answers[i]!;
        const after = windows[i]!.map((window) => this.becomes(window));
        this.active.set(name, this.distinct(after));
        await this.groups.add(byKey.get(name)!, watermark, now);
      }
    } finally {
      this.merged = new Map();
    }
  }

  /** Those that the key has, and those that are to come. */
  private windowsOf(
    name: string,
    elements: readonly WindowedValue<unknown>[],
    watermark: Instant,
  ): readonly Window[] {
    const { allowedLateness } = this.options.windowing;
    const oldest = watermark - Number(allowedLateness);
    const known = (this.active.get(name) ?? []).filter((each) => each.maxTimestamp() >= oldest);
    return this.distinct([...known, ...elements.flatMap(({ windows }) => windows)]);
  }

  private distinct(windows: readonly Window[]): readonly Window[] {
    return [...new Map(windows.map((each) => [this.nameOf(each), each])).values()];
  }

  private nameOf(window: Window): string {
    return latin1(this.windowCoder, window);
  }

  private becomes(window: Window): Window {
    return this.merged.get(this.nameOf(window)) ?? window;
  }

  private lookUp(windows: readonly Window[]): { from: Window[]; to: Window }[] {
    if (this.options.bounded) this.merged = this.batch.get(this.setName(windows))!;
    const groups = new Map<string, { from: Window[]; to: Window }>();
    for (const window of windows) {
      const to = this.becomes(window);
      const name = this.nameOf(to);
      const group = groups.get(name);
      if (group) group.from.push(window);
      else groups.set(name, { from: [window], to });
    }
    return [...groups.values()].filter(
      ({ from, to }) => from.length > 1 || this.nameOf(from[0]!) !== this.nameOf(to),
    );
  }

  private setName(windows: readonly Window[]): string {
    return windows
      .map((window) => this.nameOf(window))
      .sort()
      .join('\u{10ffff}');
  }

  async *fire(watermark: Instant, now: Instant) {
    if (this.options.bounded && this.due(watermark, now)) {
      const sets = [...this.active.values()];
      const answers = await this.question.ask(sets);
      for (const [i, windows] of sets.entries()) {
        this.batch.set(this.setName(windows), answers[i]!);
      }
    }
    yield* this.groups.fire(watermark, now);
  }

  due(watermark: Instant, now: Instant): boolean {
    return this.groups.due(watermark, now);
  }

  pass(watermark: Instant): void {
    this.groups.pass(watermark);
  }

  get hold(): Instant {
    return this.groups.hold;
  }

  get nextProcessingTime(): Instant | undefined {
    return this.groups.nextProcessingTime;
  }

  get dropped(): Dropped {
    return this.groups.dropped;
  }

  close(): Promise<void> {
    this.active.clear();
    return this.groups.close();
  }
}
