// SPDX-License-Identifier: Apache-2.0
// The contents of a PCollection as a side input: for each window what the latest pane held. The
// PCollection's own trigger says when a pane is complete.
// Source: https://beam.apache.org/documentation/programming-guide/#side-inputs-windowing

import { randomUUID } from 'node:crypto';
import { BeamBridgeError, latin1 } from '../../../base/index.ts';
import {
  BytesOf,
  type Coder,
  type Instant,
  type KV,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  StrUtf8Coder,
  type Window,
  type WindowedValue,
} from '../../../coders/index.ts';
import { sideInputWindow } from '../../../harness/index.ts';
import type { WindowFn } from '../../../pipeline/index.ts';
import { pb } from '../../../proto/index.ts';
import type { Block } from './block.ts';
import { GroupNode } from './group-node.ts';
import { Grouping } from './grouping/index.ts';
import type { LateReport } from './late-report.ts';
import type { EngineNode, Surroundings } from './node.ts';
import { byKey, encodeAll, keyValueCoder } from './side-input-contents.ts';
import { Schedule, type Scheduled } from './times.ts';

/**
 * Bytes of a window up to which a Python worker is handed all of it at once, and may keep it for later bundles. Its
 * cache holds 100 MiB of Python's objects, which take up to three times as much.
 */
const WHOLE_BYTES = 32 * 1024 * 1024;

/** What a window holds; never changed, only replaced. */
export interface Contents {
  readonly version: number;
  readonly values: readonly unknown[];
  readonly maxTimestamp: Instant;
  chunks?: readonly Uint8Array[];
  byKey?: Map<string, KV<unknown, unknown[]>>;
}

/** Those who wait for the contents of a window. */
interface Awaited {
  readonly end: Scheduled<string>;
  readonly notifies: (() => void)[];
}

export interface ViewOptions {
  pcollection: string;
  windowing: pb.WindowingStrategy;
  /** Undefined for one that only another SDK knows. */
  windowFn: WindowFn | undefined;
  element: Coder<unknown>;
  window: Coder<Window>;
  bounded: boolean;
  around: Surroundings;
  /** Hears of elements that came too late for the contents. */
  report: LateReport;
}

export class SideInputView implements EngineNode {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[] = [];
  private readonly group: GroupNode;
  private readonly windows = new Map<string, Contents>();
  private readonly names: BytesOf<Window>;
  private readonly readers: (() => Instant)[] = [];
  /** Who waits for the contents of a window, and until when at most. */
  private readonly awaited = new Map<string, Awaited>();
  private readonly awaitedEnds = new Schedule<string>();
  private forgotten: Instant = MIN_TIMESTAMP;
  private version = 0;
  /** No other view has it: workers may outlive this one. */
  private readonly id = randomUUID();
  private isLarge = false;

  constructor(private readonly options: ViewOptions) {
    const { pcollection, windowing, windowFn, element, window, bounded, around } = options;
    this.inputs = [pcollection];
    this.names = new BytesOf(window);
    if (windowFn?.isMerging() || windowing.mergeStatus === pb.MergeStatus_Enum.NEEDS_MERGE) {
      throw new BeamBridgeError(
        'UNSUPPORTED',
        'a side input in windows that merge matches no window',
        { hint: 'Put the side input into global or fixed windows with windowInto.' },
      );
    }
    if (!windowFn && !bounded) {
      throw new BeamBridgeError(
        'UNSUPPORTED',
        'a side input without an end is in windows that only another SDK knows',
        { hint: 'Put the side input into global or fixed windows first.' },
      );
    }
    const grouping = new Grouping({
      windowing,
      windowFn,
      keyCoder: new StrUtf8Coder() as Coder<unknown>,
      valueCoder: element,
      windowCoder: window as Coder<unknown>,
      bounded,
    });
    const store = (panes: readonly WindowedValue<unknown>[]) => {
      for (const pane of panes) this.store(pane);
    };
    this.group = new GroupNode(
      pcollection,
      `${pcollection}:view`,
      grouping,
      around,
      store,
      options.report,
    );
  }

  get outputWatermark(): Instant {
    return this.group.outputWatermark;
  }

  get wakeAt(): Instant | undefined {
    return this.group.wakeAt;
  }

  get isQuiet(): boolean {
    return this.group.isQuiet;
  }

  take(block: Block) {
    const elements = block.elements.map((element) => ({
      ...element,
      value: { key: '', value: element.value },
    }));
    return this.group.take({ ...block, elements });
  }

  /**
   * Keeps contents as long as somebody may ask for them.
   *
   * @param needs - the first end of a window of the main input that is still asked for
   */
  readBy(needs: () => Instant): void {
    this.readers.push(needs);
  }

  /** Whether what an element of a window sees is forgotten by a reader who needs none that ends earlier. */
  isOver(main: Window, needs: Instant): boolean {
    const { windowFn } = this.options;
    return windowFn !== undefined && sideInputWindow(windowFn, main).maxTimestamp() < needs;
  }

  step(): boolean {
    this.forget(Math.min(...this.readers.map((needs) => needs())));
    const changed = this.group.step();
    const { awaitedEnds } = this;
    while (awaitedEnds.next !== undefined && this.isPast(awaitedEnds.next)) {
      this.arrived(awaitedEnds.first!.item);
    }
    return changed;
  }

  private store(pane: WindowedValue<unknown>): void {
    const { value } = pane.value as KV<string, Iterable<unknown>>;
    this.version += 1;
    for (const window of pane.windows) {
      this.windows.set(this.keyOf(window), {
        version: this.version,
        values: [...value],
        maxTimestamp: window.maxTimestamp(),
      });
      this.arrived(this.keyOf(window));
    }
    this.options.around.wake();
  }

  private keyOf(window: Window): string {
    return this.names.of(window);
  }

  /** Whether an element in this window of the main input may be processed. */
  isReady(main: Window): boolean {
    const { windowFn } = this.options;
    // Which window that is, only the other SDK can tell.
    if (!windowFn) return this.isPast(MAX_TIMESTAMP);
    const window = sideInputWindow(windowFn, main);
    return this.windows.has(this.keyOf(window)) || this.isPast(window.maxTimestamp());
  }

  private isPast(end: Instant): boolean {
    const { outputWatermark } = this;
    return outputWatermark > end || outputWatermark >= MAX_TIMESTAMP;
  }

  /** Calls `notify` once an element in this window of the main input may be processed. */
  whenReady(main: Window, notify: () => void): void {
    const { windowFn } = this.options;
    const window = windowFn && sideInputWindow(windowFn, main);
    const key = window ? this.keyOf(window) : '';
    const awaited = this.awaited.get(key);
    if (awaited) {
      awaited.notifies.push(notify);
      return;
    }
    const end = this.awaitedEnds.add(window?.maxTimestamp() ?? MAX_TIMESTAMP, key);
    this.awaited.set(key, { end, notifies: [notify] });
  }

  private arrived(key: string): void {
    const awaited = this.awaited.get(key);
    if (!awaited) return;
    this.awaited.delete(key);
    this.awaitedEnds.delete(awaited.end);
    for (const notify of awaited.notifies) notify();
  }

  /** Forgets windows that no element of the main input looks into any more. */
  private forget(needs: Instant): void {
    // Which window an element looks into, only the other SDK can tell.
    if (needs === this.forgotten || !this.options.windowFn) return;
    this.forgotten = needs;
    for (const [key, { maxTimestamp }] of this.windows) {
      if (maxTimestamp < needs) this.windows.delete(key);
    }
  }

  /** Changes when the contents of a window do. */
  token(window: Uint8Array): string {
    return String(this.windows.get(latin1(window))?.version ?? 0);
  }

  /**
   * Changes when the contents of any window do. Undefined once a window was found to be too large to be handed over
   * whole: a worker that kept a beginning would go on with other contents.
   */
  get wholeToken(): string | undefined {
    return this.isLarge ? undefined : `${this.id}.${this.version}`;
  }

  /** Whether contents are small enough to be handed over whole. */
  isWhole(contents: Contents | undefined): boolean {
    if (!contents) return true;
    const chunks = this.encoded(contents);
    const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.isLarge ||= size > WHOLE_BYTES;
    return size <= WHOLE_BYTES;
  }

  /** What an encoded window holds now. */
  contents(window: Uint8Array): Contents | undefined {
    return this.windows.get(latin1(window));
  }

  private encoded(contents: Contents): readonly Uint8Array[] {
    contents.chunks ??= encodeAll(this.options.element, contents.values);
    return contents.chunks;
  }

  /** All elements, encoded. */
  *read(contents: Contents | undefined): Iterable<Uint8Array> {
    if (contents) yield* this.encoded(contents);
  }

  /** The values of one key, or all keys, of elements that are key-values. */
  *readMultimap(contents: Contents | undefined, key?: Uint8Array): Iterable<Uint8Array> {
    if (!contents) return;
    const coder = keyValueCoder(this.options.element);
    contents.byKey ??= byKey(coder, contents.values as readonly KV<unknown, unknown>[]);
    if (key) {
      const values = contents.byKey.get(latin1(key))?.value ?? [];
      yield* encodeAll(coder.value as Coder<unknown>, values);
    } else {
      const keys = [...contents.byKey.values()].map((entry) => entry.key);
      yield* encodeAll(coder.key as Coder<unknown>, keys);
    }
  }

  close(): Promise<void> {
    return this.group.close();
  }
}
