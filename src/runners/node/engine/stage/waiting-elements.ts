// SPDX-License-Identifier: Apache-2.0
// Elements whose side inputs are not there yet. Each side input says when a window is, so that nobody
// looks at what waits before that; what is more than a little waits in a file. What is kept of each window
// does not, so that a stream of very many windows is slowed down.

import { Condition } from '../../../../base/index.ts';
import {
  BytesOf,
  type Coder,
  type Instant,
  MAX_TIMESTAMP,
  type Window,
  type WindowedValue,
} from '../../../../coders/index.ts';
import type { MaybePromise } from '../../../../harness/index.ts';
import { type Block, blockOf } from '../block.ts';
import { Origins } from '../origin.ts';
import { type Piece, SpillLog } from '../spill/spill-log.ts';
import { Holds } from '../times.ts';

/** A side input: whether its contents for a window of the main input are there. */
export interface Readiness {
  isReady(main: Window): boolean;
  /** Calls `notify` once, later, when they are. */
  whenReady(main: Window, notify: () => void): void;
}

export interface WaitingOptions {
  readonly views: readonly Readiness[];
  readonly window: Coder<Window>;
  /** For what goes to a file. */
  element(): Coder<WindowedValue<unknown>>;
  /** Takes elements that need not wait any more. A promise asks for patience. */
  deliver(block: Block): MaybePromise<void>;
  /** Work under way: the run fails with it. */
  track(work: Promise<void>): void;
  /** Aborts when the run ends early. */
  readonly signal: AbortSignal;
  /** Above so many bytes, elements go to a file. @default 32 MiB */
  readonly memoryBytes?: number | undefined;
  /** Whether what waits goes on while more comes, which then has a little patience. */
  readonly isStream?: boolean;
}

const MEMORY_BYTES = 32 * 1024 * 1024;
/** What is kept for elements of the same windows, here and where their side inputs are made, about. */
const GROUP_BYTES = 1024;
/** The most of it. What is waited for may need more input: nobody may wait for long. */
const PATIENCE_MS = 100;
/** What comes out of a file at once. */
const PIECE_BYTES = 128 * 1024;

/** Elements that wait for the same windows. */
interface Group {
  /** What is in the file came before what is in memory. */
  pieces: Piece[];
  blocks: Block[];
  bytes: number;
  hold: Instant;
  readonly origins: Origins;
  /** How many contents are not there yet. */
  missing: number;
}

export class WaitingElements {
  private readonly groups = new Map<string, Group>();
  private readonly names: BytesOf<Window>;
  private readonly holds = new Holds();
  private readonly log = new SpillLog();
  private bytes = 0;
  /** Groups that are ready and come out of the file. */
  private readonly leaving = new Set<Group>();
  private readonly left = new Condition();
  private spilling: Promise<void> | undefined;

  constructor(private readonly options: WaitingOptions) {
    this.names = new BytesOf(options.window);
  }

  get isEmpty(): boolean {
    return this.groups.size === 0 && this.leaving.size === 0;
  }

  /** How far the watermark may go while they wait. */
  get hold(): Instant {
    return Math.min(this.holds.least, MAX_TIMESTAMP);
  }

  /** Bytes in memory, by estimate. */
  get memory(): number {
    return this.bytes;
  }

  /** Hands on what need not wait, and keeps the rest. A promise asks the producer to wait. */
  take(block: Block): MaybePromise<void> {
    const parts = this.byGroup(block);
    const pauses: Promise<void>[] = [];
    for (const [group, elements] of parts) {
      const part = parts.size === 1 ? block : blockOf(elements, block.origin);
      const pause = group ? this.keep(group, part) : this.options.deliver(part);
      if (pause) pauses.push(pause);
    }
    if (this.hasManyGroups) pauses.push(this.left.wait(PATIENCE_MS).then(() => {}));
    return pauses.length > 1 ? Promise.all(pauses).then(() => {}) : pauses[0];
  }

  private get hasManyGroups(): boolean {
    const { isStream, memoryBytes = MEMORY_BYTES } = this.options;
    return isStream === true && this.groups.size * GROUP_BYTES > memoryBytes;
  }

  /** Elements by what they wait for; undefined for nothing. */
  private byGroup({ elements }: Block): Map<Group | undefined, WindowedValue<unknown>[]> {
    const parts = new Map<Group | undefined, WindowedValue<unknown>[]>();
    // Many elements in a row are in the same window: it is looked up once.
    let last: readonly Window[] | undefined;
    let part: WindowedValue<unknown>[] = [];
    for (const element of elements) {
      const { windows } = element;
      if (!last || !areSame(windows, last)) {
        last = windows;
        const group = this.groupOf(windows);
        part = parts.get(group) ?? [];
        if (part.length === 0) parts.set(group, part);
      }
      part.push(element);
    }
    return parts;
  }

  private groupOf(windows: readonly Window[]): Group | undefined {
    const { views } = this.options;
    const absent = windows.flatMap((window) =>
      views.filter((view) => !view.isReady(window)).map((view) => ({ view, window })),
    );
    if (absent.length === 0) return undefined;
    const name = windows.map((window) => this.names.of(window)).join('\u{10ffff}');
    const known = this.groups.get(name);
    if (known) return known;
    const hold = MAX_TIMESTAMP;
    const missing = absent.length;
    const group = { pieces: [], blocks: [], bytes: 0, hold, origins: new Origins(), missing };
    this.holds.add(hold);
    this.groups.set(name, group);
    for (const { view, window } of absent) view.whenReady(window, () => this.arrived(name, group));
    return group;
  }

  private keep(group: Group, block: Block): MaybePromise<void> {
    group.blocks.push(block);
    group.bytes += block.bytes;
    group.origins.add(block.origin);
    this.bytes += block.bytes;
    if (block.hold < group.hold) {
      this.holds.remove(group.hold);
      group.hold = block.hold;
      this.holds.add(group.hold);
    }
    if (this.bytes <= (this.options.memoryBytes ?? MEMORY_BYTES)) return;
    if (!this.spilling) {
      this.spilling = this.spill().finally(() => {
        this.spilling = undefined;
      });
      this.options.track(this.spilling);
    }
    return this.spilling;
  }

  /** Puts the largest groups into the file until half of the memory is free. */
  private async spill(): Promise<void> {
    const { log } = this;
    const coder = this.options.element();
    const enough = (this.options.memoryBytes ?? MEMORY_BYTES) / 2;
    const groups = [...this.groups.values()].sort((a, b) => b.bytes - a.bytes);
    for (const group of groups) {
      if (this.bytes <= enough) break;
      const { blocks, bytes } = group;
      group.blocks = [];
      group.bytes = 0;
      const elements = blocks.flatMap((block) => block.elements);
      for (let i = 0; i < elements.length; ) {
        const piece = log.append((out) => {
          const end = out.length + PIECE_BYTES;
          while (i < elements.length && out.length < end) coder.encode(elements[i++]!, out, true);
        });
        group.pieces.push(piece);
        if (log.isFull) await log.flush();
      }
      this.bytes -= bytes;
    }
    await log.flush();
  }

  private arrived(name: string, group: Group): void {
    group.missing -= 1;
    if (group.missing > 0) return;
    this.groups.delete(name);
    if (!this.hasManyGroups) this.left.notify();
    if (this.spilling || group.pieces.length > 0) {
      this.leaving.add(group);
      this.options.track(this.leave(group));
      return;
    }
    this.handOver(group);
    this.holds.remove(group.hold);
  }

  /** Hands on what is in memory: it is there anyway. */
  private handOver(group: Group): void {
    this.bytes -= group.bytes;
    for (const block of group.blocks) void this.options.deliver(block);
    group.origins.release();
  }

  /** Hands on a group as there is room for it. */
  private async leave(group: Group): Promise<void> {
    await this.spilling;
    const coder = this.options.element();
    for (const piece of group.pieces) {
      const input = await this.log.read(piece);
      if (this.options.signal.aborted) return;
      const elements: WindowedValue<unknown>[] = [];
      while (!input.done) elements.push(coder.decode(input, true));
      await this.options.deliver(blockOf(elements, group.origins.all));
    }
    this.handOver(group);
    this.holds.remove(group.hold);
    this.leaving.delete(group);
  }

  close(): Promise<void> {
    return this.log.close();
  }
}

function areSame(a: readonly Window[], b: readonly Window[]): boolean {
  return a === b || (a.length === 1 && b.length === 1 && a[0] === b[0]);
}
