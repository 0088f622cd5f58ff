// SPDX-License-Identifier: Apache-2.0
// One bundle of a stage: its input, what it gave so far, and how it becomes part of the run. Where a
// worker may be lost, nothing of a bundle counts before it has succeeded, so that it can run again.

import { ByteReader, steadyNow } from '../../../../base/index.ts';
import type { Instant, WindowedValue } from '../../../../coders/index.ts';
import type {
  BundleResult,
  ChannelSplit,
  ElementChunk,
  InputChunk,
  MonitoringInfo,
  Residual,
  TransformInfo,
} from '../../../../harness/index.ts';
import { holdOf } from '../block.ts';
import type { StageDescriptor } from '../descriptor.ts';
import type { StageBundle, StageExecutor } from '../executor.ts';
import type { Surroundings } from '../node.ts';
import { joined, Origin } from '../origin.ts';
import type { Stage } from '../plan.ts';
import type { SideInputView } from '../side-input-view.ts';
import type { UserStateStore } from '../user-state.ts';
import type { UserTimerStore } from '../user-timers.ts';
import type { WireCoders } from '../wire.ts';
import { type BundleFeed, type CutOff, NOTHING_CUT } from './bundle-feed.ts';
import type { BundleLimits, BundleOutcome } from './bundle-limits.ts';
import { Output } from './bundle-output.ts';
import { bundleState } from './bundle-state.ts';
import type { LateElements } from './late-elements.ts';
import type { WorkKind } from './next-bundle.ts';
import type { Residue } from './residues.ts';
import type { Trial } from './trial.ts';

/** What goes into a bundle. */
export type Chunk = InputChunk | ElementChunk;

/** What all bundles of a stage share. */
export interface BundleOwner {
  readonly stage: Stage;
  readonly descriptor: StageDescriptor;
  readonly executor: StageExecutor;
  readonly wire: WireCoders;
  readonly around: Surroundings;
  /** In the order of the root's side inputs. */
  readonly views: readonly SideInputView[];
  readonly viewOf: ReadonlyMap<string, SideInputView>;
  readonly state: UserStateStore | undefined;
  readonly timers: UserTimerStore | undefined;
  /** Keeps out what comes too late, where something is kept for windows. In a batch nothing is late. */
  readonly late: LateElements | undefined;
  readonly allowedLateness: number;
  readonly isBounded: boolean;
  /** Bundles at once. */
  readonly mostBundles: number;
  /** Whether a bundle waits for more input as long as there is some. */
  readonly staysOpen: boolean;
  readonly limits: BundleLimits;
  readonly inputByReference: boolean;
  /** Finds out whether threads should run the stage. */
  readonly trial: Trial | undefined;
  /** Whether its elements may take for ever. */
  readonly isSplittable: boolean;
  /** Whether its functions may want to hear when bundles are taken over. */
  readonly isFinalized: boolean;
  /** @param origin - the bundle, where it {@link isFinalized} */
  finished(result: BundleResult, origin: Origin | undefined): void;
  /** Whether it is a source that waits until all of the run has started. */
  readonly isReadLast: boolean;
  retrying(error: unknown, attempt: number): void;
}

/** What a bundle is made of. */
export interface BundleContents {
  readonly kind: WorkKind;
  readonly feed: BundleFeed;
  readonly limits: BundleLimits;
  /** Whether what never ends by itself has its last turn in it. */
  readonly isLastTurn: boolean;
}

/** A bundle that has succeeded. */
export interface Finished {
  readonly result: BundleResult;
  /** Hands on what was kept until now. */
  show(): Promise<void>;
}

export class Bundle {
  readonly kind: WorkKind;
  /** Whether its functions are at work, or were. */
  hasBegun = false;
  /** What it left, once it has succeeded. */
  residues: Residue[] = [];
  cutOff: CutOff = NOTHING_CUT;
  private readonly feed: BundleFeed;
  /** What it gives comes of it, where it is finalized; nothing of it is left behind before it has succeeded. */
  readonly own: Origin | undefined;
  private ofInput: Origin | undefined;
  private ofOutput: Origin | undefined;
  private output: Output;
  private running: StageBundle | undefined;
  private began = 0;
  private ended: number | undefined;
  /** Parts of the element at work that were taken from it. */
  private parts: Residual[] = [];
  private firstCut = Number.POSITIVE_INFINITY;
  private cutting: Promise<void> | undefined;
  /** Whether what was cut off was given away already. */
  private hasLeft = false;

  /** @param onBegun - hears that its functions are at work */
  constructor(
    private readonly owner: BundleOwner,
    private readonly contents: BundleContents,
    private readonly onBegun: () => void,
  ) {
    this.kind = contents.kind;
    this.feed = contents.feed;
    this.own = owner.isFinalized ? new Origin() : undefined;
    this.own?.retain();
    this.ofOutput = this.own;
    this.output = this.newOutput();
  }

  /** Nothing below it can come out of this bundle. */
  get hold(): Instant {
    return this.feed.hold;
  }

  /** What is kept for windows that end there, or later, is asked for by it. */
  get needs(): Instant {
    return this.feed.needs;
  }

  /** Of what it gives now: itself, and what it was given so far. */
  private get origin(): Origin | undefined {
    const { all } = this.feed.origins;
    if (all !== this.ofInput) {
      this.ofInput = all;
      this.ofOutput = joined(this.own, all);
    }
    return this.ofOutput;
  }

  /** It has succeeded and given all: only where that is under way, those that it comes of wait. */
  release(): void {
    this.own?.release();
    this.feed.origins.release();
  }

  /** The transform whose function it waits for, where that is in this process. */
  get atWork(): TransformInfo | undefined {
    return this.running?.atWork?.();
  }

  /** Whether it waits for work of another bundle, which may be another run's. */
  get isBehind(): boolean {
    return this.running?.isBehind?.() === true;
  }

  /** Bytes that it keeps until they are handed on. */
  get keptBytes(): number {
    return this.output.keptBytes;
  }

  /** How long it has been at work, or was. */
  get millis(): number {
    return this.hasBegun ? (this.ended ?? performance.now()) - this.began : 0;
  }

  /** What it has come to, without what was cut off. */
  get outcome(): BundleOutcome {
    const { feed, firstCut, millis, output } = this;
    return {
      elements: Math.min(feed.elements, Math.max(0, firstCut)),
      bytesIn: feed.bytes,
      bytesOut: output.writtenBytes,
      millis,
      wasCut: firstCut !== Number.POSITIVE_INFINITY,
    };
  }

  /** Resolves once its worker is done: what it gave counts when it is shown. */
  async run(): Promise<Finished> {
    const { owner, feed } = this;
    const layer = owner.state?.layer();
    this.restart();
    const { output } = this;
    const running = owner.executor.start(owner.descriptor.proto, {
      input: {
        next: () => {
          this.begin();
          return owner.trial ? owner.trial.given(feed.next()) : feed.next();
        },
        giveWay: () => feed.giveWay(),
      },
      output,
      state: bundleState(owner.viewOf, layer, !owner.inputByReference),
      now: () => owner.around.shownNow(),
    });
    this.running = running;
    const { millis } = this.contents.limits;
    const isTimed = feed.canBeCut && Number.isFinite(millis);
    const clock = isTimed ? setInterval(() => this.cut(), millis) : undefined;
    try {
      if (owner.around.signal.aborted) running.abort(owner.around.signal.reason as Error);
      const result = await running.done;
      // A worker may answer that it has ended before it answers where it was cut.
      await this.cutting;
      this.ended = performance.now();
      this.keepRest(result);
      layer?.commit();
      await output.commitTimers();
      owner.around.count(result.monitoringInfos);
      return { result, show: () => output.show() };
    } finally {
      clearInterval(clock);
      this.running = undefined;
    }
  }

  private restart(): void {
    this.output = this.newOutput();
    this.residues = [];
    this.parts = [];
    this.firstCut = Number.POSITIVE_INFINITY;
    this.cutting = undefined;
    this.cutOff = NOTHING_CUT;
    this.feed.restart();
  }

  private newOutput(): Output {
    const origin = () => this.origin;
    return new Output(this.owner, origin, () => this.wrote());
  }

  private begin(): void {
    if (this.hasBegun) return;
    this.hasBegun = true;
    this.began = performance.now();
    this.onBegun();
  }

  private wrote(): void {
    if (this.output.keptBytes >= this.contents.limits.bytesOut) this.cut();
  }

  /** Ends the bundle early: what is not at work yet is given back, and the rest of what is. */
  cut(): void {
    const { running, feed } = this;
    if (!running || !feed.canBeCut || this.cutting) return;
    const estimatedInputElements = feed.elements;
    const wish = { fractionOfRemainder: 0, estimatedInputElements, allowedSplitPoints: [] };
    const splits = running.split(new Map([[this.owner.descriptor.source, wish]]));
    if (!(splits instanceof Promise)) {
      this.apply(splits);
      return;
    }
    this.cutting = splits.then((found) => {
      this.apply(found);
      this.cutting = undefined;
    });
    // Whoever runs the bundle hears of a failure.
    this.cutting.catch(() => {});
  }

  /** Ends the bundle for others to go on, and gives what it has not begun. */
  leave(): CutOff {
    this.cut();
    this.feed.close();
    this.feed.giveWay();
    this.hasLeft = true;
    return this.firstCut === Number.POSITIVE_INFINITY
      ? NOTHING_CUT
      : this.feed.restFrom(this.firstCut);
  }

  private apply(splits: readonly ChannelSplit[]): void {
    for (const { residualRoots, firstResidualElement } of splits) {
      this.feed.close();
      this.parts.push(...residualRoots);
      this.firstCut = Math.min(this.firstCut, firstResidualElement);
    }
  }

  /** Whole elements come before those that had a turn already. */
  private keepRest(result: BundleResult): void {
    if (this.firstCut !== Number.POSITIVE_INFINITY && !this.hasLeft) {
      this.cutOff = this.feed.restFrom(this.firstCut);
    }
    this.residues = [
      ...this.cutOff.rests,
      ...[...this.parts, ...result.residuals]
        .filter(({ isBounded }) => isBounded || !this.contents.isLastTurn)
        .map((part) => this.residue(part)),
    ];
  }

  private residue({ element, delayMillis, watermarks, isBounded }: Residual): Residue {
    const decoded = this.decoded(element);
    const needs = holdOf([decoded]);
    // A watermark that its DoFn tells counts even past the end of its window, or nothing downstream
    // would ever go on while one element waits for new files, say.
    const hold = watermarks.size > 0 ? Math.min(...watermarks.values()) : needs;
    const dueAt = steadyNow() + delayMillis;
    const origin = this.feed.origins.all;
    return { element: decoded, dueAt, hold, needs: Math.min(hold, needs), isBounded, origin };
  }

  private decoded(element: Uint8Array | WindowedValue<unknown>): WindowedValue<unknown> {
    if (!(element instanceof Uint8Array)) return element;
    const { wire, stage } = this.owner;
    return wire.windowedCoder(stage.input).decode(new ByteReader(element), true);
  }

  /** What it has counted so far. */
  runningInfos(): MonitoringInfo[] {
    return this.running?.monitoringInfos() ?? [];
  }

  abort(error: Error): void {
    this.running?.abort(error);
  }
}
