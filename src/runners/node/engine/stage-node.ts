// SPDX-License-Identifier: Apache-2.0
// A stage in the graph: elements wait in its queue, bundles of them run in an SDK, and what comes
// out counts once it is safe.

import { setTimeout as delay } from 'node:timers/promises';
import {
  type Instant,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  type Window,
  type WindowedValue,
} from '../../../coders/index.ts';
import type { MaybePromise, MonitoringInfo, RunningBundle } from '../../../harness/index.ts';
import { type Block, BlockQueue, blockOf, QUEUE_BYTES } from './block.ts';
import { Bundle, type BundleOwner } from './bundle.ts';
import type { EngineNode } from './node.ts';

/** How long a producer waits for a consumer that has not begun, and may be waiting for the producer. */
const LONGEST_PAUSE_MS = 50;
/** No bundle starts while so many have not handed on what they gave: their output is in memory. */
const MOST_SHOWING = 4;
/** How often a bundle may run anew whose worker was lost. */
const MOST_ATTEMPTS = 4;
/** How long a bundle of elements that never end may run before its results are wanted. */
const CHECKPOINT_MS = 500;

export interface Residue {
  readonly element: WindowedValue<unknown>;
  readonly dueAt: Instant;
  readonly hold: Instant;
}

export class StageNode implements EngineNode {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  outputWatermark: Instant = MIN_TIMESTAMP;
  inputWatermark: Instant = MIN_TIMESTAMP;
  private readonly queue = new BlockQueue();
  /** Elements whose side inputs are not there yet. */
  private blocked: Block[] = [];
  private residues: Residue[] = [];
  private readonly running = new Set<Bundle>();
  /** Bundles that succeeded and hand on what they gave. They hold back the watermark, and no worker. */
  private readonly showing = new Set<Bundle>();
  private waiters: (() => void)[] = [];
  private hungry: (() => void) | undefined;
  private expired: Instant = MIN_TIMESTAMP;

  constructor(private readonly owner: BundleOwner) {
    const { stage } = owner;
    this.inputs = [stage.input];
    for (const view of owner.views) view.readBy(this, owner.allowedLateness);
    this.outputs = stage.outputs;
  }

  take(block: Block): MaybePromise<void> {
    this.queue.push(block);
    if (this.hungry) this.feed();
    else if (this.running.size < this.owner.mostBundles) this.owner.around.wake();
    if (this.queue.bytes >= QUEUE_BYTES) return this.room();
  }

  /**
   * Resolves when there is room in the queue, however long that takes: what a slow model has not
   * scored must not pile up here.
   */
  private async room(): Promise<void> {
    const { signal } = this.owner.around;
    while (this.queue.bytes >= QUEUE_BYTES && !signal.aborted) {
      const change = new Promise<'change'>((resolve) => {
        this.waiters.push(() => resolve('change'));
      });
      if (this.willTake) await change;
      else {
        const pause = new AbortController();
        const { signal } = pause;
        const over = delay(LONGEST_PAUSE_MS, 'over' as const, { signal }).catch(() => 'change');
        const first = await Promise.race([change, over]);
        pause.abort();
        if (first === 'over') return;
      }
    }
  }

  /** Whether what is queued will be taken, whatever its producer does. */
  private get willTake(): boolean {
    // A bundle in this process may wait for a DoFn object that the producer's bundle holds.
    return !this.owner.executor.inProcess || [...this.running].some(({ hasBegun }) => hasBegun);
  }

  /** Lets producers look again whether there is room. */
  private changed(): void {
    for (const go of this.waiters.splice(0)) go();
  }

  private feed(): void {
    const { hungry } = this;
    this.hungry = undefined;
    hungry?.();
  }

  step(): boolean {
    const { owner } = this;
    const { around, timers } = owner;
    const before = this.outputWatermark;
    const upstream = around.watermark(owner.stage.input);
    if (upstream >= MAX_TIMESTAMP) this.feed();
    const waiting = Math.min(this.queue.minTimestamp, ...this.blocked.map((b) => b.minTimestamp));
    let inWork = MAX_TIMESTAMP;
    for (const bundle of this.running) inWork = Math.min(inWork, bundle.hold);
    for (const bundle of this.showing) inWork = Math.min(inWork, bundle.hold);
    let held = MAX_TIMESTAMP;
    for (const { hold } of this.residues) held = Math.min(held, hold);
    this.inputWatermark = Math.max(this.inputWatermark, Math.min(upstream, waiting, inWork));
    const started = this.startBundles();
    if (started) return true;
    const bound = Math.min(this.inputWatermark, timers?.hold ?? MAX_TIMESTAMP, inWork, held);
    this.outputWatermark = Math.max(before, bound);
    this.expire();
    return this.outputWatermark > before;
  }

  private startBundles(): boolean {
    const { owner } = this;
    let started = false;
    while (this.running.size < owner.mostBundles && this.showing.size < MOST_SHOWING) {
      const bundle = this.nextBundle();
      if (!bundle) break;
      started = true;
      this.running.add(bundle);
      owner.around.track(this.run(bundle));
    }
    return started;
  }

  private nextBundle(): Bundle | undefined {
    const { owner } = this;
    const now = owner.around.now();
    const due = this.residues.filter(({ dueAt }) => dueAt <= now);
    if (due.length > 0) {
      this.residues = this.residues.filter(({ dueAt }) => dueAt > now);
      return new Bundle(owner, { residues: due });
    }
    this.unblock();
    const block = this.nextBlock();
    if (block) {
      // A bundle of what is there; where all of the input comes anyway, of what comes too.
      const more = owner.staysOpen ? () => this.moreBlocks() : () => this.nextBlock();
      return new Bundle(owner, { first: block, more });
    }
    // Timers come after the elements that the watermark has passed.
    if (this.running.size === 0 && owner.timers?.isDue(this.inputWatermark, now)) {
      return new Bundle(owner, { firings: owner.timers.takeDue(this.inputWatermark, now) });
    }
    return undefined;
  }

  /** The next block whose side inputs are there. */
  private nextBlock(): Block | undefined {
    for (;;) {
      const block = this.queue.shift();
      if (!block) return undefined;
      if (this.queue.bytes < QUEUE_BYTES) this.changed();
      const ready = this.readyPart(block);
      if (ready) return ready;
    }
  }

  private moreBlocks(): MaybePromise<Block | undefined> {
    const block = this.nextBlock();
    if (block) return block;
    const { around, stage } = this.owner;
    if (around.watermark(stage.input) >= MAX_TIMESTAMP || around.signal.aborted) return undefined;
    return new Promise<void>((resolve) => {
      this.hungry = resolve;
    }).then(() => this.moreBlocks());
  }

  private readyPart(block: Block): Block | undefined {
    const { views } = this.owner;
    if (views.length === 0) return block;
    // Many elements in a row are in the same window: it is looked up once.
    let last: Window | undefined;
    let lastIsReady = false;
    const isReady = ({ windows }: WindowedValue<unknown>) =>
      windows.every((window) => {
        if (window !== last) lastIsReady = views.every((view) => view.isReady(window));
        last = window;
        return lastIsReady;
      });
    const ready = block.elements.filter(isReady);
    if (ready.length === block.elements.length) return block;
    this.blocked.push(blockOf(block.elements.filter((element) => !isReady(element))));
    return ready.length === 0 ? undefined : blockOf(ready);
  }

  private unblock(): void {
    if (this.blocked.length === 0) return;
    const blocks = this.blocked;
    this.blocked = [];
    const ready: Block[] = [];
    for (const block of blocks) {
      const part = this.readyPart(block);
      if (part) ready.push(part);
    }
    if (ready.length > 0) this.queue.unshift(ready);
  }

  private async run(bundle: Bundle): Promise<void> {
    const { owner } = this;
    let checkpoints: NodeJS.Timeout | undefined;
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          const { result, show } = await bundle.run({
            started: (running) => {
              clearInterval(checkpoints);
              checkpoints = this.checkpointing(bundle, running);
            },
            begun: () => this.changed(),
          });
          clearInterval(checkpoints);
          this.residues.push(...bundle.residues);
          this.showing.add(bundle);
          this.running.delete(bundle);
          owner.around.wake();
          await show();
          await owner.finished(result);
          return;
        } catch (error) {
          // What was shown must not come again: that a bundle counts is told as well as can be.
          if (this.showing.has(bundle) && owner.executor.mayRetry(error)) return;
          if (!owner.executor.mayRetry(error) || attempt === MOST_ATTEMPTS) throw error;
          owner.retrying(error, attempt);
        }
      }
    } finally {
      clearInterval(checkpoints);
      this.running.delete(bundle);
      this.showing.delete(bundle);
      this.changed();
      owner.around.wake();
    }
  }

  /** Asks a bundle whose elements may never end to give back what is left, now and then. */
  private checkpointing(bundle: Bundle, running: RunningBundle): NodeJS.Timeout | undefined {
    if (!this.owner.isSplittable) return undefined;
    return setInterval(() => bundle.checkpoint(running), CHECKPOINT_MS);
  }

  private expire(): void {
    const { owner, inputWatermark } = this;
    if (inputWatermark === this.expired || this.running.size > 0) return;
    this.expired = inputWatermark;
    owner.state?.expire(inputWatermark, owner.allowedLateness);
    owner.timers?.expire(inputWatermark, owner.allowedLateness);
  }

  get wakeAt(): Instant | undefined {
    if (this.running.size > 0) return undefined;
    const times = this.residues.map(({ dueAt }) => dueAt);
    const next = this.owner.timers?.nextProcessingTime;
    if (next !== undefined) times.push(next);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  get isQuiet(): boolean {
    const waits = !this.queue.isEmpty || this.blocked.length > 0 || this.residues.length > 0;
    return this.running.size === 0 && this.showing.size === 0 && !waits;
  }

  /** What the bundles under way have counted. */
  runningInfos(): MonitoringInfo[] {
    return [...this.running].flatMap((bundle) => bundle.runningInfos());
  }

  /** Ends the bundles under way. */
  abort(error: Error): void {
    for (const bundle of this.running) bundle.abort(error);
    this.feed();
    this.changed();
  }
}
