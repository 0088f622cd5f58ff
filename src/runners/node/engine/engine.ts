// SPDX-License-Identifier: Apache-2.0
// Runs a plan: connects its stages, groupings and sources, moves watermarks, and starts what can be
// started until everything has come to its end. It knows values, windows and time, and no gRPC.

import { BeamBridgeError, ByteReader, getLogger } from '../../../base/index.ts';
import {
  type Coder,
  type Instant,
  KVCoder,
  LengthPrefixCoder,
  MAX_TIMESTAMP,
  type WindowedValue,
} from '../../../coders/index.ts';
import {
  type FunctionLookup,
  type MaybePromise,
  type MonitoringInfo,
  windowFnFromProto,
} from '../../../harness/index.ts';
import type { WindowFn } from '../../../pipeline/index.ts';
import { fromBinary, pb, urns } from '../../../proto/index.ts';
import { blockOf } from './block.ts';
import type { BundleOwner } from './bundle.ts';
import { descriptorOf } from './descriptor.ts';
import type { StageExecutor } from './executor.ts';
import { ForeignMergingGroups } from './foreign-windows.ts';
import { GroupNode } from './group-node.ts';
import { Grouping } from './grouping/index.ts';
import type { Leaf } from './leaves.ts';
import { MetricStore } from './metric-store.ts';
import type { EngineNode, Surroundings } from './node.ts';
import { isStateful, type Plan, type Stage } from './plan.ts';
import { SideInputView } from './side-input-view.ts';
import { ImpulseNode, TestStreamNode } from './sources.ts';
import { StageNode } from './stage-node.ts';
import { UserStateStore } from './user-state.ts';
import { UserTimerStore } from './user-timers.ts';
import { WireCoders } from './wire.ts';

const log = getLogger('node');
const P = urns.StandardPTransforms_Primitives;
/** A window function that a Python environment alone can read. */
const PICKLED = 'beam:window_fn:pickled_python:v1';

export interface EngineOptions {
  readonly plan: Plan;
  readonly functions: FunctionLookup;
  /** Who runs the stages of an environment. */
  executor(environmentId: string): StageExecutor;
  /** Whether values are encoded and decoded again even where they stay in this process. */
  readonly forceEncoding: boolean;
  /** Makes the folder in which groupings put what does not fit into memory. */
  spillFolder(): Promise<string>;
}

/** One run of one plan. */
export class Engine implements Surroundings {
  readonly metrics = new MetricStore();
  private readonly nodes: EngineNode[] = [];
  private readonly stages: StageNode[] = [];
  private readonly streams: TestStreamNode[] = [];
  private readonly producers = new Map<string, EngineNode>();
  private readonly consumers = new Map<string, EngineNode[]>();
  /** Inputs of flattens and reshuffles, by their output. */
  private readonly aliases = new Map<string, readonly string[]>();
  private readonly forwards = new Map<string, string[]>();
  private readonly wire: WireCoders;
  private readonly over = new AbortController();
  private readonly work = new Set<Promise<void>>();
  private readonly views = new Map<string, SideInputView>();
  private testTime: Instant | undefined;
  private failure: { error: unknown } | undefined;
  private woken = false;
  private wakeUp: (() => void) | undefined;

  constructor(private readonly options: EngineOptions) {
    const { plan } = options;
    this.wire = new WireCoders(plan.components);
    for (const leaf of plan.own) this.addOwn(leaf);
    for (const stage of plan.stages) this.addStage(stage);
    this.sort();
  }

  // ---- The graph.

  private addOwn(leaf: Leaf): void {
    const inputs = Object.values(leaf.proto.inputs);
    const [output] = leaf.outputs as readonly [string];
    switch (leaf.proto.spec?.urn) {
      case P.IMPULSE:
        this.add(new ImpulseNode(output, this));
        return;
      case P.GROUP_BY_KEY:
        this.addGroup(leaf, inputs[0]!, output);
        return;
      case P.FLATTEN:
      case urns.StandardPTransforms_Composites.RESHUFFLE:
        this.aliases.set(output, inputs);
        for (const input of inputs) {
          this.forwards.set(input, [...(this.forwards.get(input) ?? []), output]);
        }
        return;
      default:
        this.addTestStream(leaf);
    }
  }

  private add(node: EngineNode): void {
    this.nodes.push(node);
    for (const output of node.outputs) this.producers.set(output, node);
    for (const input of node.inputs) {
      this.consumers.set(input, [...(this.consumers.get(input) ?? []), node]);
    }
  }

  private addGroup(leaf: Leaf, input: string, output: string): void {
    const { key, value } = keyValueParts(this.wire.element(input));
    const grouping = this.guarded(leaf, () => {
      const windowing = this.wire.windowing(input);
      const options = {
        windowing,
        keyCoder: key,
        valueCoder: value,
        windowCoder: this.wire.window(input) as Coder<unknown>,
        bounded: this.isBounded(input),
        spillFolder: () => this.options.spillFolder(),
      };
      const windowFn = this.windowFn(input);
      if (windowFn || windowing.mergeStatus !== pb.MergeStatus_Enum.NEEDS_MERGE) {
        return new Grouping({ ...options, windowFn });
      }
      const { components } = this.options.plan;
      const executor = this.options.executor(windowing.environmentId);
      return new ForeignMergingGroups({ ...options, components, executor, signal: this.signal });
    });
    this.add(new GroupNode(input, output, grouping, this));
  }

  private guarded<T>({ proto }: Leaf, make: () => T): T {
    try {
      return make();
    } catch (error) {
      throw BeamBridgeError.from(error, 'INTERNAL').with({ transform: proto.uniqueName });
    }
  }

  private addTestStream({ proto, outputs }: Leaf): void {
    const payload = fromBinary(pb.TestStreamPayloadSchema, proto.spec!.payload);
    this.testTime ??= 0;
    const node = new TestStreamNode(
      new Map(Object.entries(proto.outputs)),
      payload.events,
      this.wire.runnerCoder(
        payload.coderId || this.options.plan.components.pcollections[outputs[0]!]!.coderId,
      ),
      {
        advance: (millis) => {
          this.testTime! += millis;
        },
      },
      this,
    );
    this.streams.push(node);
    this.add(node);
  }

  private addStage(stage: Stage): void {
    const { plan, forceEncoding } = this.options;
    const executor = this.options.executor(stage.environment);
    const inputByReference = executor.inProcess;
    const descriptor = descriptorOf(stage, plan, this.wire, {
      inputByReference,
      outputByReference: executor.inProcess && !forceEncoding,
    });
    const parDo = stage.root.parDo;
    const stateful = parDo !== undefined && isStateful(parDo);
    const views = [...stage.root.sideInputs].map(
      ([tag, id]) => [tag, this.view(stage, id)] as const,
    );
    const window = this.wire.window(stage.input);
    const isSplittable = stage.root.proto.spec?.urn === SDF_PROCESS;
    const owner: BundleOwner = {
      stage,
      descriptor,
      executor,
      wire: this.wire,
      around: this,
      views: views.map(([, view]) => view),
      viewOf: new Map(views.map(([tag, view]) => [`${stage.root.id}\u{10ffff}${tag}`, view])),
      state: stateful
        ? new UserStateStore((bytes) => decodeWindow(window, bytes).maxTimestamp())
        : undefined,
      timers: descriptor.timers.length > 0 ? new UserTimerStore(descriptor.timers) : undefined,
      allowedLateness: Number(this.wire.windowing(stage.input).allowedLateness),
      mostBundles: stateful || executor.inProcess ? 1 : executor.workers,
      staysOpen: executor.inProcess && !isSplittable && this.isBounded(stage.input),
      isSplittable,
      inputByReference,
      finished: async ({ finalizers }) => {
        for (const finalize of finalizers) await finalize();
      },
      retrying: (error, attempt) => {
        log.warn(`a bundle of ${stage.root.proto.uniqueName} runs again (${attempt})`, error);
      },
    };
    const node = new StageNode(owner);
    this.stages.push(node);
    this.add(node);
  }

  private view(stage: Stage, pcollection: string): SideInputView {
    let view = this.views.get(pcollection);
    if (!view) {
      view = this.guarded(
        stage.root,
        () =>
          new SideInputView({
            pcollection,
            windowing: this.wire.windowing(pcollection),
            windowFn: this.windowFn(pcollection),
            element: this.wire.element(pcollection),
            window: this.wire.window(pcollection),
            bounded: this.isBounded(pcollection),
            around: this,
          }),
      );
      this.views.set(pcollection, view);
      this.add(view);
    }
    return view;
  }

  /** Undefined for one that only the SDK of another environment knows. */
  private windowFn(pcollection: string): WindowFn | undefined {
    const { windowFn, environmentId } = this.wire.windowing(pcollection);
    const isForeign = windowFn?.urn === PICKLED && environmentId !== '';
    return isForeign ? undefined : windowFnFromProto(windowFn, this.options.functions);
  }

  private isBounded(pcollection: string): boolean {
    const { isBounded } = this.options.plan.components.pcollections[pcollection]!;
    return isBounded !== pb.IsBounded_Enum.UNBOUNDED;
  }

  /** Producers before consumers, so that one round of steps carries a watermark all the way. */
  private sort(): void {
    const sorted = new Set<EngineNode>();
    const visit = (node: EngineNode) => {
      if (sorted.has(node)) return;
      for (const input of node.inputs) {
        for (const origin of this.origins(input)) {
          const producer = this.producers.get(origin);
          if (producer) visit(producer);
        }
      }
      sorted.add(node);
    };
    for (const node of this.nodes) visit(node);
    this.nodes.splice(0, this.nodes.length, ...sorted);
  }

  /** The PCollections that a PCollection is made of by flattening and moving alone. */
  private origins(pcollection: string): string[] {
    const inputs = this.aliases.get(pcollection);
    return inputs ? inputs.flatMap((input) => this.origins(input)) : [pcollection];
  }

  // ---- What nodes ask for.

  deliver(pcollection: string, elements: readonly WindowedValue<unknown>[]): MaybePromise<void> {
    if (elements.length === 0) return;
    const block = blockOf(elements);
    const pending: Promise<void>[] = [];
    this.hand(pcollection, block, pending);
    if (pending.length > 0) return Promise.all(pending).then(() => {});
  }

  private hand(pcollection: string, block: ReturnType<typeof blockOf>, pending: Promise<void>[]) {
    for (const node of this.consumers.get(pcollection) ?? []) {
      const wait = node.take?.(block);
      if (wait) pending.push(wait);
    }
    for (const alias of this.forwards.get(pcollection) ?? []) this.hand(alias, block, pending);
  }

  watermark(pcollection: string): Instant {
    let least = MAX_TIMESTAMP;
    for (const origin of this.origins(pcollection)) {
      const producer = this.producers.get(origin);
      // What nobody produces is an empty flatten's output.
      if (!producer) continue;
      const watermark =
        producer instanceof TestStreamNode
          ? producer.watermarkOf(origin)
          : producer.outputWatermark;
      if (watermark < least) least = watermark;
    }
    return least;
  }

  now(): Instant {
    return this.testTime ?? Date.now();
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
    const { wakeUp } = this;
    this.wakeUp = undefined;
    wakeUp?.();
  }

  count(infos: readonly MonitoringInfo[]): void {
    this.metrics.add(infos);
  }

  // ---- The run.

  /** Resolves when all input has ended and everything was processed. */
  async run(): Promise<void> {
    try {
      while (!this.isOver) {
        this.woken = false;
        this.settle();
        if (this.failure) throw this.failure.error;
        if (this.over.signal.aborted) throw this.over.signal.reason;
        if (this.isOver || this.woken) continue;
        if (this.work.size === 0 && this.playOn()) continue;
        await this.rest();
      }
      if (this.failure) throw this.failure.error;
    } catch (error) {
      await this.stop(error);
      throw error;
    } finally {
      await Promise.all(this.nodes.map((node) => node.close?.()));
    }
  }

  private settle(): void {
    for (let changed = true; changed && !this.failure; ) {
      changed = false;
      for (const node of this.nodes) if (node.step()) changed = true;
    }
  }

  private get isOver(): boolean {
    return (
      this.work.size === 0 &&
      this.nodes.every((node) => node.outputWatermark >= MAX_TIMESTAMP && node.isQuiet)
    );
  }

  /** The next event of a test, if there is one. */
  private playOn(): boolean {
    const stream = this.streams.find((one) => !one.isOver);
    stream?.advance();
    return stream !== undefined;
  }

  /** Waits until there is something to do. */
  private async rest(): Promise<void> {
    const wakeAt = this.testTime === undefined ? this.nextWake() : undefined;
    if (this.work.size === 0 && wakeAt === undefined) {
      const waiting = this.nodes.filter((node) => node.outputWatermark < MAX_TIMESTAMP);
      throw new BeamBridgeError(
        'INTERNAL',
        `the node runner waits for nothing: ${waiting.map((node) => node.outputs.join()).join('; ')}`,
        { hint: 'This is a defect of beambridge: please report it with the pipeline.' },
      );
    }
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.wakeUp = resolve;
      if (wakeAt !== undefined) timer = setTimeout(resolve, Math.max(0, wakeAt - Date.now()) + 1);
    });
    clearTimeout(timer);
    this.wakeUp = undefined;
  }

  private nextWake(): Instant | undefined {
    let least: Instant | undefined;
    for (const { wakeAt } of this.nodes) {
      if (wakeAt !== undefined && (least === undefined || wakeAt < least)) least = wakeAt;
    }
    // A timer of Node's holds 24 days at most.
    return least === undefined ? undefined : Math.min(least, Date.now() + 2_000_000_000);
  }

  /** Ends everything that is under way. */
  private async stop(reason: unknown): Promise<void> {
    this.abort(BeamBridgeError.from(reason, 'JOB_FAILED'));
    await Promise.all(this.work);
  }

  /** Makes the run fail with `error`. */
  abort(error: Error): void {
    this.over.abort(error);
    for (const stage of this.stages) stage.abort(error);
    this.wake();
  }
}

const SDF_PROCESS =
  urns.StandardPTransforms_SplittableParDoComponents.PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS;

function keyValueParts(coder: Coder<unknown>): { key: Coder<unknown>; value: Coder<unknown> } {
  const inner = coder instanceof LengthPrefixCoder ? coder.value : coder;
  if (inner instanceof KVCoder) {
    return { key: inner.key as Coder<unknown>, value: inner.value as Coder<unknown> };
  }
  throw new BeamBridgeError('INTERNAL', `a grouping got elements of ${coder.name}`);
}

function decodeWindow<T>(coder: Coder<T>, bytes: Uint8Array): T {
  return coder.decode(new ByteReader(bytes), true);
}
