// SPDX-License-Identifier: Apache-2.0
// A stage in the graph: elements wait in its queue, bundles of them run in an SDK, and what comes
// out counts once it is safe. What it decides is decided in the files beside this one.

import { retry, steadyNow } from '../../../../base/index.ts';
import { type Instant, MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../../../coders/index.ts';
import type { MaybePromise, MonitoringInfo, TransformInfo } from '../../../../harness/index.ts';
import type { Block } from '../block.ts';
import type { StageThreads } from '../executor.ts';
import type { EngineNode } from '../node.ts';
import type { Bundle, BundleOwner } from './bundle.ts';
import { BundleMaker } from './bundle-maker.ts';
import { InputQueue } from './input-queue.ts';
import {
  afterBundle,
  NOTHING_SPENT,
  nextBundle,
  type StageMoment,
  type TimeSpent,
} from './next-bundle.ts';
import { Residues } from './residues.ts';
import { type Holders, StageWatermarks } from './stage-watermarks.ts';
import type { Trial } from './trial.ts';
import { WaitingElements } from './waiting-elements.ts';

/** Threads that may take a stage over. */
export interface ThreadsOwner {
  readonly trial: Trial;
  readonly threads: StageThreads;
  /** Who owns its bundles then. */
  owner(): BundleOwner;
}

export class StageNode implements EngineNode {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  private readonly watermarks = new StageWatermarks();
  private readonly queue: InputQueue;
  /** Undefined where no side inputs are read. */
  private readonly waiting: WaitingElements | undefined;
  private readonly residues = new Residues();
  private readonly running = new Set<Bundle>();
  /** Bundles that succeeded and hand on what they gave. They hold back the watermark, and no worker. */
  private readonly showing = new Set<Bundle>();
  private maker: BundleMaker;
  private spent: TimeSpent = NOTHING_SPENT;
  private expired: Instant | undefined;
  private isDraining = false;

  constructor(
    private owner: BundleOwner,
    private later?: ThreadsOwner,
  ) {
    const { around, stage, views, wire } = owner;
    this.inputs = [stage.input];
    this.outputs = stage.outputs;
    for (const view of views) view.readBy(() => this.needs);
    if (views.length > 0) {
      this.waiting = new WaitingElements({
        views,
        window: wire.window(stage.input),
        element: () => wire.windowedCoder(stage.input),
        deliver: (block) => this.enqueue(block),
        track: (work) => around.track(work),
        signal: around.signal,
        isStream: !owner.isBounded,
      });
    }
    this.queue = new InputQueue(
      // A bundle in this process may wait for a DoFn object that the producer's bundle holds.
      () => this.owner.executor.canRetry || [...this.running].some(({ hasBegun }) => hasBegun),
    );
    this.maker = new BundleMaker(owner, this.queue, this.residues);
  }

  get inputWatermark(): Instant {
    return this.watermarks.input;
  }

  get outputWatermark(): Instant {
    return this.watermarks.output;
  }

  take(all: Block): MaybePromise<void> {
    const { late } = this.owner;
    const block = late ? late.without(all, this.inputWatermark) : all;
    if (!block) return;
    if (!this.waiting) return this.enqueue(block);
    const pause = this.waiting.take(block);
    // Whatever need not wait any more has filled the queue without asking anybody for patience.
    const room = this.queue.room();
    return pause && room ? pause.then(() => room) : (pause ?? room);
  }

  private enqueue(block: Block): MaybePromise<void> {
    const wasAwaited = this.queue.isAwaited;
    const room = this.queue.take(block);
    // One that waits for input takes a single element at once.
    const isTaken = wasAwaited && (this.owner.mostBundles === 1 || this.queue.elements < 2);
    if (!isTaken && this.running.size < this.owner.mostBundles) this.owner.around.wake();
    return room;
  }

  step(): boolean {
    const { around, stage } = this.owner;
    const upstream = around.watermark(stage.input);
    if (upstream >= MAX_TIMESTAMP) this.queue.lookUp();
    const holders = this.holders(upstream);
    if (this.mayAdvance(holders)) this.watermarks.updateInput(holders);
    this.expire(holders.waiting);
    if (this.startBundles()) return true;
    return this.watermarks.updateOutput(holders);
  }

  private holders(upstream: Instant): Holders {
    let inWork = MAX_TIMESTAMP;
    for (const { hold } of this.running) inWork = Math.min(inWork, hold);
    for (const { hold } of this.showing) inWork = Math.min(inWork, hold);
    return {
      upstream,
      waiting: Math.min(this.queue.hold, this.waiting?.hold ?? MAX_TIMESTAMP),
      inWork,
      rests: this.residues.hold,
      timers: this.owner.timers?.hold ?? MAX_TIMESTAMP,
    };
  }

  /**
   * A batch is given to a DoFn with state whole before any of its timers fires and any of its windows
   * ends: elements that were moved back in time are not late there, in whatever order they come.
   */
  private mayAdvance({ upstream, waiting, inWork }: Holders): boolean {
    const { isBounded, state } = this.owner;
    return !isBounded || !state || Math.min(upstream, waiting, inWork) >= MAX_TIMESTAMP;
  }

  /** The first end of a window whose side inputs may be asked for. */
  private get needs(): Instant {
    const { allowedLateness, isBounded, timers } = this.owner;
    if (isBounded) return this.outputWatermark < MAX_TIMESTAMP ? MIN_TIMESTAMP : MAX_TIMESTAMP;
    let least = Math.min(
      this.outputWatermark,
      this.queue.hold,
      this.waiting?.hold ?? MAX_TIMESTAMP,
      this.residues.needs,
      timers?.hold ?? MAX_TIMESTAMP,
    );
    for (const { needs } of this.running) least = Math.min(least, needs);
    // As long after the end of their window as elements may come, timers may fire.
    return least - allowedLateness;
  }

  /** Forgets the state of windows that are over, once their timers have fired. */
  private expire(waiting: Instant): void {
    const { owner, inputWatermark } = this;
    // What waits may be late, and asks for the state of its window all the same.
    const until = Math.min(inputWatermark, waiting);
    if (until === this.expired || this.running.size > 0) return;
    // What these timers do, they do with the state of their windows.
    if (owner.timers?.isDue(inputWatermark, owner.around.now())) return;
    this.expired = until;
    owner.state?.expire(until);
  }

  private startBundles(): boolean {
    const { owner } = this;
    let started = false;
    for (;;) {
      const bundle = this.nextBundle();
      if (!bundle) return started;
      started = true;
      this.running.add(bundle);
      owner.around.track(this.run(bundle));
    }
  }

  private nextBundle(): Bundle | undefined {
    const { around, isReadLast, timers } = this.owner;
    if (isReadLast && !around.isReading) return undefined;
    const now = around.now();
    const choice = nextBundle({
      ...this.room,
      isThere: {
        rests: this.residues.isDue(steadyNow()),
        timers: timers?.isDue(this.inputWatermark, now) ?? false,
        elements: !this.queue.isEmpty,
      },
      spent: this.spent,
    });
    if (!choice) return undefined;
    this.spent = choice.spent;
    return this.maker.bundle(choice.kind, this.inputWatermark, this.isDraining);
  }

  private get room(): Omit<StageMoment, 'isThere' | 'spent'> {
    let showingBytes = 0;
    for (const { keptBytes } of this.showing) showingBytes += keptBytes;
    const { running, showing, owner } = this;
    const mostRunning = owner.mostBundles;
    const isBehind = owner.isFinalized && owner.around.owesFinalization(owner.stage);
    return { running: running.size, mostRunning, showing: showing.size, showingBytes, isBehind };
  }

  private async run(bundle: Bundle): Promise<void> {
    const { executor, around, retrying, finished } = this.owner;
    const isOver = this.later?.trial.watch(
      bundle,
      () => this.queue.elements,
      () => this.moveToThreads(),
    );
    try {
      const { result, show } = await retry(() => bundle.run(), {
        mayRetry: (error) => executor.mayRetry(error),
        retrying,
      });
      this.settle(bundle);
      await show();
      finished(result, bundle.own);
      bundle.release();
    } finally {
      isOver?.();
      this.running.delete(bundle);
      this.showing.delete(bundle);
      this.queue.lookAgain();
      around.wake();
    }
  }

  /** What runs goes on to the end of its element; threads do the rest. */
  private moveToThreads(): void {
    const { later } = this;
    if (!later) return;
    this.later = undefined;
    this.owner = later.owner();
    this.maker = new BundleMaker(this.owner, this.queue, this.residues);
    for (const bundle of this.running) this.queue.unshift(bundle.leave().blocks);
    later.threads.took();
    this.owner.around.wake();
  }

  /** A bundle has succeeded: what it left waits here again, and what it gave is about to be shown. */
  private settle(bundle: Bundle): void {
    const { kind, outcome, residues, cutOff } = bundle;
    this.residues.add(residues);
    if (this.isDraining) this.residues.hurry(this.owner.around.now());
    this.queue.unshift(cutOff.blocks);
    this.maker.ended(kind, outcome);
    this.spent = afterBundle(this.spent, kind, outcome.millis);
    this.showing.add(bundle);
    this.running.delete(bundle);
    this.owner.around.wake();
  }

  get wakeAt(): Instant | undefined {
    const mayStart = this.running.size === 0 && this.mayStart;
    return mayStart ? this.owner.timers?.nextProcessingTime : undefined;
  }

  get resumeAt(): Instant | undefined {
    return this.mayStart ? this.residues.next : undefined;
  }

  /** What cannot start now starts when a bundle ends. */
  private get mayStart(): boolean {
    const anything = { rests: true, timers: true, elements: true };
    return nextBundle({ ...this.room, isThere: anything, spent: NOTHING_SPENT }) !== undefined;
  }

  get isQuiet(): boolean {
    const { queue, waiting, residues, running, showing } = this;
    const waits = !queue.isEmpty || waiting?.isEmpty === false || !residues.isEmpty;
    return running.size === 0 && showing.size === 0 && !waits;
  }

  get isReadLast(): boolean {
    return this.owner.isReadLast;
  }

  /** Resolves when it can take elements. */
  async ready(signal: AbortSignal): Promise<void> {
    await this.owner.executor.ready?.(signal);
  }

  /** What the bundles under way have counted. */
  runningInfos(): MonitoringInfo[] {
    return [...this.running].flatMap((bundle) => bundle.runningInfos());
  }

  /** The transforms whose functions bundles wait for. */
  get atWork(): TransformInfo[] {
    return [...this.running].flatMap(({ atWork }) => atWork ?? []);
  }

  /** Whether bundles wait for work of others, and whether some work on their own. */
  get waits(): { isBehind: boolean; isAtWork: boolean } {
    const all = [...this.running];
    return {
      isBehind: all.some(({ isBehind }) => isBehind),
      isAtWork: all.some(({ isBehind, atWork }) => !isBehind && atWork !== undefined),
    };
  }

  /**
   * What never ends by itself has one more turn, in which a source that knows of the end comes to it, and
   * is dropped then. Everything else goes on: the watermark reaches its end when all of it is done.
   */
  drain(): void {
    this.isDraining = true;
    this.residues.hurry(this.owner.around.now());
    if (!this.owner.isSplittable) return;
    for (const bundle of this.running) bundle.cut();
  }

  /** Ends the bundles under way. */
  abort(error: Error): void {
    for (const bundle of this.running) bundle.abort(error);
    this.queue.giveUp();
  }

  async close(): Promise<void> {
    await this.waiting?.close();
  }
}
