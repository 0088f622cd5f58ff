// SPDX-License-Identifier: Apache-2.0
// Data from the runner on its way to bundles. One stream carries the data of all bundles, so one
// slow bundle must not keep the others waiting, and all together must not fill the memory.
//
// The rule: reading pauses while more than the budget is queued, unless some bundle is waiting for
// data. Whatever that bundle waits for may stand behind data of others in the stream, and only
// reading on finds it. Without a running bundle reading never pauses either: a runner may send all
// data of a bundle before it says that the bundle begins.

import type { fn } from '../../proto/index.ts';
import type { BundleInput, InputChunk, MaybePromise } from '../engine/index.ts';
import { RecentSet } from './recent-set.ts';

const INSTRUCTIONS_REMEMBERED = 10_000;

/** Options of {@link InboundData}. */
export interface InboundOptions {
  /** Bytes queued above which reading pauses. */
  readonly budgetBytes: number;
  /** Called when reading should pause or go on. */
  readonly onPause: (paused: boolean) => void;
}

/** Names what one stream of a bundle's input is for: a data source, or a family of timers. */
export function sourceName({
  transformId,
  timerFamilyId,
}: Pick<InputChunk, 'transformId' | 'timerFamilyId'>): string {
  return timerFamilyId === undefined ? transformId : JSON.stringify([transformId, timerFamilyId]);
}

/** Sorts data by instruction and hands it to the bundle that reads it. */
export class InboundData {
  private readonly queues = new Map<string, InstructionQueue>();
  private readonly over = new RecentSet(INSTRUCTIONS_REMEMBERED);
  private queued = 0;
  private paused = false;

  constructor(private readonly options: InboundOptions) {}

  /** Bytes that nobody has read yet. */
  get queuedBytes(): number {
    return this.queued;
  }

  /** Takes a message; what belongs to an instruction that is over is dropped. */
  accept(elements: Pick<fn.Elements, 'data' | 'timers'>): void {
    for (const { instructionId, transformId, data, isLast } of elements.data) {
      this.take(instructionId, { transformId, data }, isLast);
    }
    for (const { instructionId, transformId, timerFamilyId, timers, isLast } of elements.timers) {
      this.take(instructionId, { transformId, timerFamilyId, data: timers }, isLast);
    }
    this.judge();
  }

  private take(instructionId: string, chunk: InputChunk, isLast: boolean): void {
    if (this.over.has(instructionId)) return;
    const queue = this.queueOf(instructionId);
    if (chunk.data.length > 0) {
      this.queued += chunk.data.length;
      queue.push(chunk);
    }
    if (isLast) queue.end(sourceName(chunk));
  }

  /** The data of an instruction: all that came already, and all that comes until every source had its last. */
  open(instructionId: string, sources: readonly string[]): BundleInput {
    const queue = this.queueOf(instructionId);
    queue.open(sources);
    this.judge();
    return queue;
  }

  /** Whether the instruction's bundle has data to work on, rather than waiting for it. */
  isFed(instructionId: string): boolean {
    return this.queues.get(instructionId)?.isWaiting === false;
  }

  /** Drops what is left for an instruction, and all that is still to come. */
  close(instructionId: string): void {
    this.over.add(instructionId);
    const queue = this.queues.get(instructionId);
    if (!queue) return;
    this.queues.delete(instructionId);
    this.queued -= queue.clear();
    this.judge();
  }

  /** Fails whoever waits for data now. */
  fail(error: Error): void {
    for (const queue of this.queues.values()) queue.fail(error);
  }

  private queueOf(instructionId: string): InstructionQueue {
    let queue = this.queues.get(instructionId);
    if (!queue) {
      queue = new InstructionQueue((bytes) => this.consumed(bytes));
      this.queues.set(instructionId, queue);
    }
    return queue;
  }

  private consumed(bytes: number): void {
    this.queued -= bytes;
    this.judge();
  }

  private judge(): void {
    const paused = this.queued > this.options.budgetBytes && this.nobodyNeedsMore();
    if (paused === this.paused) return;
    this.paused = paused;
    this.options.onPause(paused);
  }

  private nobodyNeedsMore(): boolean {
    let reading = false;
    for (const queue of this.queues.values()) {
      if (queue.isWaiting) return false;
      reading ||= queue.isOpen;
    }
    return reading;
  }
}

interface Waiting {
  resolve(chunk: InputChunk | undefined): void;
  reject(error: Error): void;
}

/** The data of one instruction. */
class InstructionQueue implements BundleInput {
  isOpen = false;
  private chunks: InputChunk[] = [];
  private head = 0;
  private readonly ended = new Set<string>();
  private sources: readonly string[] = [];
  private waiting: Waiting | undefined;
  private error: Error | undefined;

  /** @param onRead - called with the bytes of a chunk that was taken; 0 when the reader waits */
  constructor(private readonly onRead: (bytes: number) => void) {}

  get isWaiting(): boolean {
    return this.waiting !== undefined;
  }

  open(sources: readonly string[]): void {
    this.isOpen = true;
    this.sources = sources;
  }

  push(chunk: InputChunk): void {
    const { waiting } = this;
    this.chunks.push(chunk);
    if (waiting) this.serve(waiting);
  }

  end(transformId: string): void {
    this.ended.add(transformId);
    if (this.waiting && this.isComplete()) this.serve(this.waiting);
  }

  fail(error: Error): void {
    this.error = error;
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.reject(error);
  }

  /** Forgets all chunks; returns how many bytes they had. */
  clear(): number {
    let bytes = 0;
    for (let i = this.head; i < this.chunks.length; i++) bytes += this.chunks[i]!.data.length;
    this.chunks = [];
    this.head = 0;
    return bytes;
  }

  next(): MaybePromise<InputChunk | undefined> {
    const chunk = this.shift();
    if (chunk) return chunk;
    if (this.error) return Promise.reject(this.error);
    if (this.isComplete()) return undefined;
    const promise = new Promise<InputChunk | undefined>((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
    this.onRead(0);
    return promise;
  }

  private serve(waiting: Waiting): void {
    this.waiting = undefined;
    waiting.resolve(this.shift());
  }

  private shift(): InputChunk | undefined {
    const chunk = this.chunks[this.head];
    if (!chunk) return undefined;
    this.head += 1;
    if (this.head === this.chunks.length) {
      this.chunks = [];
      this.head = 0;
    }
    this.onRead(chunk.data.length);
    return chunk;
  }

  private isComplete(): boolean {
    return this.sources.every((source) => this.ended.has(source));
  }
}
