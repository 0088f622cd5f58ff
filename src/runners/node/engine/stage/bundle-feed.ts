// SPDX-License-Identifier: Apache-2.0
// What goes into a bundle: elements as they come, what is left of earlier ones, or timers that fire.
// What a worker may lose is there again when the bundle runs anew, and what was cut off is found.

import { ByteWriter } from '../../../../base/index.ts';
import { type Instant, MAX_TIMESTAMP, type WindowedValue } from '../../../../coders/index.ts';
import type {
  BundleInput,
  ElementChunk,
  InputChunk,
  MaybePromise,
} from '../../../../harness/index.ts';
import { type Block, partOf } from '../block.ts';
import { Origins } from '../origin.ts';
import type { Firing } from '../user-timers.ts';
import type { Residue } from './residues.ts';

/** Makes a chunk of elements, encoded or as they are. */
export type ToChunk = (elements: readonly WindowedValue<unknown>[]) => InputChunk | ElementChunk;

/** What was not done, and is to be done by another bundle. */
export interface CutOff {
  readonly blocks: readonly Block[];
  readonly rests: readonly Residue[];
}

export const NOTHING_CUT: CutOff = { blocks: [], rests: [] };

export interface BundleFeed extends BundleInput {
  /** Whether it can be cut between its elements. */
  readonly canBeCut: boolean;
  /** How far the watermark may go before what went in has given what it gives. */
  readonly hold: Instant;
  /** What is kept for windows that end there, or later, is asked for. */
  readonly needs: Instant;
  /** The bundles that it comes of, as far as it was taken. */
  readonly origins: Origins;
  /** Elements that went in, or timers. */
  readonly elements: number;
  readonly bytes: number;
  /** Begins anew. */
  restart(): void;
  /** Takes nothing more. */
  close(): void;
  /** Waits for nothing more: another bundle waits for a DoFn object of this one's. */
  giveWay(): void;
  /** What lies at an index and behind it. */
  restFrom(index: number): CutOff;
}

/** Elements in blocks, and more of them while there are some and the bundle is not full. */
export class ElementFeed implements BundleFeed {
  readonly canBeCut = true;
  hold: Instant;
  readonly origins = new Origins();
  elements = 0;
  bytes = 0;
  /** What went in and may be asked for again. */
  private readonly taken: Block[] = [];
  /** Elements that went in before those, and were done with. */
  private done = 0;
  private given = 0;
  private isClosed = false;
  private givesWay = false;

  constructor(
    first: Block,
    private readonly options: {
      /** What is there, or `undefined`. */
      more(): Block | undefined;
      /** Resolves when more may be there; undefined when none will be, or none is waited for. */
      arrival?(): Promise<void> | undefined;
      /** Lets {@link arrival} resolve at once. */
      wake?(): void;
      isFull(): boolean;
      toChunk: ToChunk;
      /** Whether the bundle may run again. */
      keeps: boolean;
    },
  ) {
    this.hold = first.hold;
    this.take(first);
  }

  private take(block: Block): void {
    this.hold = Math.min(this.hold, block.hold);
    this.origins.add(block.origin);
    this.elements += block.elements.length;
    this.bytes += block.bytes;
    this.taken.push(block);
  }

  get needs(): Instant {
    return this.hold;
  }

  restart(): void {
    this.given = 0;
    this.isClosed = false;
    this.givesWay = false;
  }

  close(): void {
    this.isClosed = true;
  }

  giveWay(): void {
    this.givesWay = true;
    this.options.wake?.();
  }

  next(): MaybePromise<InputChunk | ElementChunk | undefined> {
    if (this.given < this.taken.length) return this.give();
    if (this.isClosed || this.options.isFull()) return undefined;
    if (!this.options.keeps) {
      // Whoever executes stages here asks for more when all that it has is done.
      for (const { elements } of this.taken.splice(0)) this.done += elements.length;
      this.given = 0;
    }
    return this.nextBlock();
  }

  private nextBlock(): MaybePromise<InputChunk | ElementChunk | undefined> {
    if (this.isClosed) return undefined;
    const block = this.options.more();
    if (block) {
      this.take(block);
      return this.give();
    }
    return this.givesWay ? undefined : this.options.arrival?.()?.then(() => this.nextBlock());
  }

  private give(): InputChunk | ElementChunk {
    const block = this.taken[this.given]!;
    this.given += 1;
    return this.options.toChunk(block.elements);
  }

  restFrom(index: number): CutOff {
    const blocks: Block[] = [];
    let start = this.done;
    for (const block of this.taken) {
      const end = start + block.elements.length;
      if (index < end) blocks.push(partOf(block, Math.max(0, index - start)));
      start = end;
    }
    return { blocks, rests: [] };
  }
}

/** What earlier bundles left of their elements. */
export class RestFeed implements BundleFeed {
  readonly canBeCut = true;
  readonly hold: Instant;
  readonly needs: Instant;
  readonly origins = new Origins();
  readonly elements: number;
  readonly bytes = 0;
  private isGiven = false;

  constructor(
    private readonly rests: readonly Residue[],
    private readonly toChunk: ToChunk,
  ) {
    this.hold = least(rests.map(({ hold }) => hold));
    this.needs = least(rests.map(({ needs }) => needs));
    for (const { origin } of rests) this.origins.add(origin);
    this.elements = rests.length;
  }

  restart(): void {
    this.isGiven = false;
  }

  close(): void {}

  giveWay(): void {}

  next(): InputChunk | ElementChunk | undefined {
    if (this.isGiven) return undefined;
    this.isGiven = true;
    return this.toChunk(this.rests.map(({ element }) => element));
  }

  restFrom(index: number): CutOff {
    return { blocks: [], rests: this.rests.slice(Math.max(0, index)) };
  }
}

/** Timers that fire. */
export class FiringFeed implements BundleFeed {
  /** A timer that was taken out of its queue fires. */
  readonly canBeCut = false;
  readonly hold: Instant;
  readonly needs: Instant;
  /** Whoever set the timers has taken over what they are about. */
  readonly origins = new Origins();
  readonly elements: number;
  readonly bytes = 0;
  private given = 0;

  constructor(private readonly firings: readonly Firing[]) {
    this.hold = least(firings.map(({ hold }) => hold));
    this.needs = this.hold;
    this.elements = firings.length;
  }

  restart(): void {
    this.given = 0;
  }

  close(): void {}

  giveWay(): void {}

  next(): InputChunk | undefined {
    const firing = this.firings[this.given];
    this.given += 1;
    return firing;
  }

  restFrom(): CutOff {
    return NOTHING_CUT;
  }
}

function least(instants: readonly Instant[]): Instant {
  return instants.reduce((a, b) => Math.min(a, b), MAX_TIMESTAMP);
}

/** Chunks of one source. */
export function chunksOf(
  transformId: string,
  /** Undefined where elements go in as they are. */
  coder:
    | { encode(element: WindowedValue<unknown>, out: ByteWriter, nested: boolean): void }
    | undefined,
): ToChunk {
  if (!coder) return (elements) => ({ transformId, elements });
  return (elements) => {
    const out = new ByteWriter();
    for (const element of elements) coder.encode(element, out, true);
    return { transformId, data: out.take() };
  };
}
