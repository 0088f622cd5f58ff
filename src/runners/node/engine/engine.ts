// SPDX-License-Identifier: Apache-2.0
// Runs plans: moves watermarks and starts what can be started until everything has come to its end.
// It knows values, windows and time, and no gRPC.

import {
  BeamBridgeError,
  Condition,
  getLogger,
  steadyNow,
  within,
  yieldIfDue,
} from '../../../base/index.ts';
import { type Instant, MAX_TIMESTAMP, type WindowedValue } from '../../../coders/index.ts';
import type { MaybePromise, MonitoringInfo, TransformInfo } from '../../../harness/index.ts';
import { Finalizations } from './finalizations.ts';
import { Graph, type GraphOptions } from './graph.ts';
import { MetricStore } from './metric-store.ts';
import type { Surroundings } from './node.ts';
import type { Origin } from './origin.ts';
import type { Plan } from './plan.ts';

const log = getLogger('node');

/** How long user code may keep a run that is to end. Milliseconds. */
const SETTLE_MS = 2000;

export interface EngineOptions extends GraphOptions {
  /** Whether outputs of the run are stored once it has succeeded, before {@link Engine.confirm}. */
  readonly storesAtEnd?: () => boolean;
}

/** One run of a pipeline, whose plan may come in parts. */
export class Engine implements Surroundings {
  readonly metrics = new MetricStore();
  private readonly graph: Graph;
  private readonly over = new AbortController();
  private readonly finalizations: Finalizations;
  private readonly work = new Set<Promise<void>>();
  /** Processing time where a test stream makes it. */
  private testTime: Instant = 0;
  private hasAll = false;
  private failure: { error: unknown } | undefined;
  private woken = false;
  isReading = false;
  private readonly changed = new Condition();

  constructor(options: EngineOptions) {
    this.finalizations = new Finalizations(options.storesAtEnd);
    this.graph = new Graph(options, this, {
      advance: (millis) => {
        this.testTime += millis;
      },
    });
  }

  /** Adds a part of the plan, also while the parts before it run. */
  add(plan: Plan): void {
    this.over.signal.throwIfAborted();
    this.graph.add(plan);
    this.hasAll = plan.isLast;
    this.wake();
  }

  // ---- What nodes ask for.

  deliver(
    pcollection: string,
    elements: readonly WindowedValue<unknown>[],
    origin?: Origin,
  ): MaybePromise<void> {
    return this.graph.deliver(pcollection, elements, origin);
  }

  finalize(step: object, origin: Origin, finalize: () => Promise<void>, canWait: boolean): void {
    this.finalizations.add(step, origin, finalize, canWait);
    this.wake();
  }

  owesFinalization(step: object): boolean {
    return this.finalizations.isBehind(step);
  }

  watermark(pcollection: string): Instant {
    return this.graph.watermark(pcollection);
  }

  now(): Instant {
    return this.inTestTime ? this.testTime : steadyNow();
  }

  shownNow(): Instant {
    return this.inTestTime ? this.testTime : Date.now();
  }

  private get inTestTime(): boolean {
    return this.graph.streams.length > 0;
  }

  get signal(): AbortSignal {
    return this.over.signal;
  }

  track(work: Promise<void>): void {
    const settled = work.then(
      () => {},
      (error: unknown) => {
        this.failure ??= { error };
      },
    );
    this.work.add(settled);
    void settled.then(() => {
      this.work.delete(settled);
      this.wake();
    });
  }

  wake(): void {
    this.woken = true;
    this.changed.notify();
  }

  count(infos: readonly MonitoringInfo[]): void {
    this.metrics.add(infos);
  }

  /** How many elements were processed so far: those of the PCollection that has the most. */
  get elements(): number {
    return this.metrics.elements(this.graph.runningInfos());
  }

  /** How many elements all PCollections have had so far: it grows with each step of the run. */
  get progress(): number {
    return this.metrics.sumOfElements(this.graph.runningInfos());
  }

  /** The transforms whose functions are waited for. */
  get atWork(): TransformInfo[] {
    return this.graph.atWork;
  }

  /** Whether it cannot go on before work of another run is done. */
  get isBehind(): boolean {
    return this.graph.isBehind;
  }

  // ---- The run.

  /**
   * Resolves when all stages can take elements; at once where nothing is read that could not be read again.
   * Asked when the last part of the plan was added.
   */
  async ready(): Promise<void> {
    await this.graph.ready(this.signal);
  }

  /** Lets sources begin that wait for all the others: what they give, the run is to come to its end with. */
  beginReading(): void {
    this.isReading = true;
    this.wake();
  }

  /** Resolves when all input has ended and everything was processed. */
  async run(): Promise<void> {
    let failure: { error: unknown } | undefined;
    try {
      await this.runToTheEnd();
    } catch (error) {
      failure = { error };
      await this.stop(error);
    }
    const closed = await Promise.allSettled(this.graph.nodes.map(async (node) => node.close?.()));
    const closing = closed.find((one) => one.status === 'rejected');
    if (!failure && closing) throw closing.reason;
    if (!failure) return;
    // Why the run failed is what matters; that something stayed behind is told beside it.
    if (closing) {
      const { shortMessage } = BeamBridgeError.from(closing.reason);
      log.warn(`after the run had failed, what it held was not closed: ${shortMessage}`);
    }
    throw failure.error;
  }

  private async runToTheEnd(): Promise<void> {
    while (!this.isOver) {
      // Small bundles in this process follow each other without the event loop's help.
      const turn = yieldIfDue();
      if (turn) await turn;
      this.woken = false;
      this.settle();
      if (this.failure) throw this.failure.error;
      if (this.over.signal.aborted) throw this.over.signal.reason;
      if (this.isOver || this.woken) continue;
      if (this.work.size === 0 && this.playOn()) continue;
      await this.rest();
    }
    if (this.failure) throw this.failure.error;
  }

  private settle(): void {
    for (let changed = true; changed && !this.failure; ) {
      changed = false;
      for (const node of this.graph.nodes) if (node.step()) changed = true;
    }
    const isOver = () => this.failure !== undefined || this.over.signal.aborted;
    if (!isOver()) this.finalizations.run((work) => this.track(work), isOver);
  }

  private get isOver(): boolean {
    return (
      this.hasAll &&
      this.work.size === 0 &&
      this.finalizations.isEmpty &&
      this.graph.nodes.every((node) => node.outputWatermark >= MAX_TIMESTAMP && node.isQuiet)
    );
  }

  /** The next event of a test, if there is one. */
  private playOn(): boolean {
    if (!this.hasAll || !this.isReading) return false;
    const stream = this.graph.streams.find((one) => !one.isOver);
    stream?.advance();
    return stream !== undefined;
  }

  /** Waits until there is something to do. */
  private async rest(): Promise<void> {
    const wakeAt = this.nextWake();
    const isIdle = this.work.size === 0 && wakeAt === undefined;
    if (this.hasAll && this.isReading && isIdle) {
      const waiting = this.graph.nodes.filter((node) => node.outputWatermark < MAX_TIMESTAMP);
      throw new BeamBridgeError(
        'INTERNAL',
        `the node runner waits for nothing: ${waiting.map((node) => node.outputs.join()).join('; ')}`,
        { hint: 'This is a defect of beambridge: please report it with the pipeline.' },
      );
    }
    const millis = wakeAt === undefined ? undefined : Math.max(0, wakeAt - steadyNow()) + 1;
    await this.changed.wait(millis);
  }

  private nextWake(): Instant | undefined {
    let least: Instant | undefined;
    for (const { wakeAt, resumeAt } of this.graph.nodes) {
      // In a test no processing time comes by waiting.
      for (const time of this.inTestTime ? [resumeAt] : [wakeAt, resumeAt]) {
        if (time !== undefined && (least === undefined || time < least)) least = time;
      }
    }
    // A timer of Node's holds 24 days at most.
    return least === undefined ? undefined : Math.min(least, steadyNow() + 2_000_000_000);
  }

  /** Ends everything that is under way. A function of the user's that does not come back is left behind. */
  private async stop(reason: unknown): Promise<void> {
    this.abort(BeamBridgeError.from(reason, 'JOB_FAILED'));
    await within(SETTLE_MS, Promise.all(this.work));
    if (this.hasLeftWork) log.info('functions that do not come back are left behind');
  }

  /**
   * Finalizes what had to wait until the outputs of the run, which has succeeded, are stored. Where the run was
   * aborted, before or meanwhile, this goes on for 2 s at most.
   *
   * @throws what {@link abort} was called with: the rest is not confirmed, and comes again
   */
  async confirm(): Promise<void> {
    const { signal } = this.over;
    let timer: NodeJS.Timeout | undefined;
    let isTooLate = false;
    let begin: () => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      begin = () => {
        timer = setTimeout(() => {
          isTooLate = true;
          reject(signal.reason);
        }, SETTLE_MS);
      };
    });
    if (signal.aborted) begin();
    else signal.addEventListener('abort', begin, { once: true });
    try {
      await Promise.race([this.finalizations.runKept(() => isTooLate), ended]);
    } finally {
      signal.removeEventListener('abort', begin);
      clearTimeout(timer);
    }
  }

  /** Whether functions are still at work, once the run is over. */
  get hasLeftWork(): boolean {
    return this.work.size > 0;
  }

  /** Lets sources come to their end; the run ends when everything that they gave was processed. */
  drain(): void {
    this.graph.drain();
    this.wake();
  }

  /** Makes the run fail with `error`. */
  abort(error: Error): void {
    this.over.abort(error);
    this.graph.abort(error);
    this.wake();
  }
}
