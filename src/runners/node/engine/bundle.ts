// SPDX-License-Identifier: Apache-2.0
// One bundle of a stage: its input, what it gave so far, and how it becomes part of the run. Where a
// worker may be lost, nothing of a bundle is shown before it has succeeded, so that it can run again.

import { ByteReader, ByteWriter } from '../../../base/index.ts';
import { type Instant, MAX_TIMESTAMP, type WindowedValue } from '../../../coders/index.ts';
import type {
  BundleInput,
  BundleResult,
  BundleState,
  MaybePromise,
  MonitoringInfo,
  Residual,
  RunningBundle,
} from '../../../harness/index.ts';
import type { Block } from './block.ts';
import { Output } from './bundle-output.ts';
import type { StageDescriptor } from './descriptor.ts';
import type { StageExecutor } from './executor.ts';
import type { Surroundings } from './node.ts';
import type { Stage } from './plan.ts';
import type { SideInputView } from './side-input-view.ts';
import type { Residue } from './stage-node.ts';
import type { StateLayer, UserStateStore } from './user-state.ts';
import type { Firing, UserTimerStore } from './user-timers.ts';
import type { WireCoders } from './wire.ts';

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
  readonly allowedLateness: number;
  /** Bundles at once. */
  readonly mostBundles: number;
  /** Whether a bundle waits for more input as long as there is some. */
  readonly staysOpen: boolean;
  readonly isSplittable: boolean;
  readonly inputByReference: boolean;
  finished(result: BundleResult): Promise<void>;
  retrying(error: unknown, attempt: number): void;
}

/** What a bundle is made of. */
export type BundleContents =
  | { first: Block; more: () => MaybePromise<Block | undefined> }
  | { firings: readonly Firing[] }
  | { residues: readonly Residue[] };

/** Who wants to hear of a bundle. */
export interface BundleWatcher {
  /** It was given to the executor, perhaps once more. */
  started(running: RunningBundle): void;
  /** It asks for its input. */
  begun(): void;
}

/** A bundle that has succeeded. */
export interface Finished {
  readonly result: BundleResult;
  /** Hands on what was kept until now. */
  show(): Promise<void>;
}

/** Elements in one bundle: more go into the next one, so that a failure costs little. */
const MOST_ELEMENTS = 1_000_000;
/**
 * The same in bytes, for bundles that are kept until they have succeeded. Few enough that the next
 * stage soon has something to do, while this one goes on.
 */
const MOST_BYTES = 2 * 1024 * 1024;

export class Bundle {
  /** Nothing below it can come out of this bundle. */
  hold: Instant;
  residues: Residue[] = [];
  /** Whether its functions are at work, or were. */
  hasBegun = false;
  private readonly taken: Block[] = [];
  /** What went in, in order, where it may be asked back. */
  private given: WindowedValue<unknown>[] = [];
  private isCut = false;
  private elements = 0;
  private bytes = 0;
  private running: RunningBundle | undefined;

  constructor(
    private readonly owner: BundleOwner,
    private readonly contents: BundleContents,
  ) {
    if ('first' in contents) {
      this.hold = contents.first.minTimestamp;
      this.taken.push(contents.first);
    } else {
      const parts = 'firings' in contents ? contents.firings : contents.residues;
      this.hold = Math.min(MAX_TIMESTAMP, ...parts.map(({ hold }) => hold));
    }
  }

  /** Resolves once its worker is done: what it gave counts when it is shown. */
  async run(watcher: BundleWatcher): Promise<Finished> {
    const { owner } = this;
    const layer = owner.state?.layer();
    const output = new Output(owner);
    this.residues = [];
    this.given = [];
    this.isCut = false;
    const input = this.input();
    const running = owner.executor.start(owner.descriptor.proto, {
      input: {
        next: () => {
          if (!this.hasBegun) {
            this.hasBegun = true;
            watcher.begun();
          }
          return input.next();
        },
      },
      output,
      state: stateOf(owner, layer),
    });
    this.running = running;
    watcher.started(running);
    try {
      if (owner.around.signal.aborted) running.abort(owner.around.signal.reason as Error);
      const result = await running.done;
      this.keep(result.residuals);
      layer?.commit();
      await output.commitTimers();
      owner.around.count(result.monitoringInfos);
      return { result, show: () => output.show() };
    } finally {
      this.running = undefined;
    }
  }

  private input(): BundleInput {
    const { contents, owner } = this;
    if ('firings' in contents) {
      const left = [...contents.firings];
      return { next: () => left.shift() };
    }
    if ('residues' in contents) {
      let block: Pick<Block, 'elements'> | undefined = {
        elements: contents.residues.map(({ element }) => element),
      };
      return {
        next: () => {
          const chunk = block && this.chunk(block);
          block = undefined;
          return chunk;
        },
      };
    }
    // What was taken before is there again when the bundle runs anew.
    let index = 0;
    const add = (block: Block | undefined) => {
      if (block) index += 1;
      return this.add(block);
    };
    return {
      next: () => {
        const known = this.taken[index];
        if (known) {
          index += 1;
          if (index === 1 && this.elements === 0) this.measure(known);
          return this.chunk(known);
        }
        // What was cut off is done by another bundle.
        if (this.isCut || this.elements >= MOST_ELEMENTS) return undefined;
        if (!owner.inputByReference && this.bytes >= MOST_BYTES) return undefined;
        const more = contents.more();
        return more instanceof Promise ? more.then(add) : add(more);
      },
    };
  }

  private measure({ elements, bytes }: Block): void {
    this.elements += elements.length;
    this.bytes += bytes;
  }

  private add(block: Block | undefined) {
    if (!block) return undefined;
    this.measure(block);
    this.hold = Math.min(this.hold, block.minTimestamp);
    if (this.owner.executor.canRetry) this.taken.push(block);
    return this.chunk(block);
  }

  private chunk({ elements }: Pick<Block, 'elements'>) {
    const { descriptor, wire, stage, inputByReference, isSplittable } = this.owner;
    if (isSplittable) for (const element of elements) this.given.push(element);
    const transformId = descriptor.source;
    if (inputByReference) return { transformId, elements };
    const coder = wire.windowedCoder(stage.input);
    const out = new ByteWriter();
    for (const element of elements) coder.encode(element, out, true);
    return { transformId, data: out.take() };
  }

  private keep(residuals: readonly Residual[]): void {
    const { owner } = this;
    for (const { element, delayMillis, watermarks } of residuals) {
      const decoded = this.decoded(element);
      const marks = [...watermarks.values()];
      this.residues.push({
        element: decoded,
        dueAt: owner.around.now() + delayMillis,
        hold: marks.length > 0 ? Math.min(...marks) : decoded.timestamp,
      });
    }
  }

  private decoded(element: Uint8Array | WindowedValue<unknown>): WindowedValue<unknown> {
    if (!(element instanceof Uint8Array)) return element;
    const { wire, stage } = this.owner;
    return wire.windowedCoder(stage.input).decode(new ByteReader(element), true);
  }

  /** Takes the rest of what is being processed out of the bundle, as far as that can be done. */
  checkpoint(running: RunningBundle): void {
    const { source } = this.owner.descriptor;
    const estimatedInputElements = this.given.length;
    const wish = { fractionOfRemainder: 0, estimatedInputElements, allowedSplitPoints: [] };
    for (const split of running.split(new Map([[source, wish]]))) {
      this.isCut = true;
      this.keep(split.residualRoots);
      const now = this.owner.around.now();
      for (const element of this.given.splice(split.firstResidualElement)) {
        this.residues.push({ element, dueAt: now, hold: element.timestamp });
      }
    }
  }

  /** What it has counted so far. */
  runningInfos(): MonitoringInfo[] {
    return this.running?.monitoringInfos() ?? [];
  }

  abort(error: Error): void {
    this.running?.abort(error);
  }
}

function stateOf({ viewOf }: BundleOwner, layer: StateLayer | undefined): BundleState {
  const view = (transformId: string, sideInputId: string) =>
    viewOf.get(`${transformId}\u{10ffff}${sideInputId}`);
  return {
    async *sideInput({ transformId, sideInputId, window }) {
      yield* view(transformId, sideInputId)?.read(window) ?? [];
    },
    async *multimap({ transformId, sideInputId, window }, key) {
      yield* view(transformId, sideInputId)?.readMultimap(window, key) ?? [];
    },
    // Groups are handed over whole: none goes on in the runner.
    async *iterable() {},
    cacheToken: ({ transformId, sideInputId, window }) =>
      view(transformId, sideInputId)?.token(window),
    user: layer?.state,
  };
}
