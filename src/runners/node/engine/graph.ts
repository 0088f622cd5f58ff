// SPDX-License-Identifier: Apache-2.0
// Makes the nodes of a plan: stages, groupings, side inputs and sources.

import { BeamBridgeError } from '../../../base/index.ts';
import {
  type Coder,
  type Instant,
  KVCoder,
  LengthPrefixCoder,
  type WindowedValue,
} from '../../../coders/index.ts';
import {
  accumulatorMerger,
  type FunctionLookup,
  type MaybePromise,
  type MonitoringInfo,
  type TransformInfo,
  windowFnFromProto,
} from '../../../harness/index.ts';
import { TRANSACTION_SINK, type WindowFn } from '../../../pipeline/index.ts';
import { fromBinary, pb, urns } from '../../../proto/index.ts';
import type { StageExecutor, StageThreads } from './executor.ts';
import { ForeignMergingGroups } from './foreign-windows.ts';
import type { GateNode } from './gate-node.ts';
import { GroupNode } from './group-node.ts';
import { Grouping } from './grouping/index.ts';
import { LateReport } from './late-report.ts';
import type { Leaf } from './leaves.ts';
import type { EngineNode, Surroundings } from './node.ts';
import type { Origin } from './origin.ts';
import type { Plan, Stage } from './plan.ts';
import { SideInputView } from './side-input-view.ts';
import { ImpulseNode, type TestClock, TestStreamNode } from './sources.ts';
import { ownersOf, type StagePlace } from './stage/owner-of.ts';
import { StageNode } from './stage/stage-node.ts';
import { WireCoders } from './wire.ts';
import { Wiring } from './wiring.ts';

const P = urns.StandardPTransforms_Primitives;
/** A window function that a Python environment alone can read. */
const PICKLED = 'beam:window_fn:pickled_python:v1';

export interface GraphOptions {
  readonly components: pb.Components;
  readonly functions: FunctionLookup;
  /** Who runs the stages of an environment. */
  executor(environmentId: string): StageExecutor;
  /** The threads that may run a stage of this program, if it can run in threads. */
  threads?(stage: Stage): StageThreads | undefined;
  /** Whether values are encoded and decoded again even where they stay in this process. */
  readonly forceEncoding: boolean;
}

export class Graph {
  readonly nodes: EngineNode[] = [];
  readonly streams: TestStreamNode[] = [];
  private readonly stages: StageNode[] = [];
  private readonly wiring = new Wiring();
  private readonly views = new Map<string, SideInputView>();
  private gates: GateNode[] = [];
  private readonly wire: WireCoders;

  constructor(
    private readonly options: GraphOptions,
    private readonly around: Surroundings,
    private readonly clock: TestClock,
  ) {
    this.wire = new WireCoders(options.components);
  }

  /** Adds a part; it gets what has waited for it. */
  add(plan: Plan): void {
    const { gates } = this;
    for (const leaf of plan.own) this.addOwn(leaf);
    for (const stage of plan.stages) this.addStage(stage);
    this.gates = plan.awaited.map((id) => this.gate(id));
    const nodes = this.wiring.inOrder(
      this.nodes.filter((node) => !gates.some((gate) => gate === node)),
    );
    this.nodes.splice(0, this.nodes.length, ...nodes);
    for (const gate of gates) this.wiring.open(gate);
  }

  private connect(node: EngineNode): void {
    this.nodes.push(node);
    this.wiring.connect(node);
  }

  private gate(pcollection: string): GateNode {
    const gate = this.wiring.gate(pcollection);
    // A side input's contents are kept as long as a stage may come that reads them.
    this.views.get(pcollection)?.readBy(() => gate.inputWatermark);
    this.nodes.push(gate);
    return gate;
  }

  private addOwn(leaf: Leaf): void {
    const inputs = Object.values(leaf.proto.inputs);
    const [output] = leaf.outputs as readonly [string];
    switch (leaf.proto.spec?.urn) {
      case P.IMPULSE:
        this.connect(new ImpulseNode(output, this.around));
        return;
      case P.GROUP_BY_KEY:
        this.addGroup(leaf, inputs[0]!, output);
        return;
      case P.FLATTEN:
      case urns.StandardPTransforms_Composites.RESHUFFLE:
        this.wiring.alias(output, inputs);
        return;
      default:
        this.addTestStream(leaf);
    }
  }

  private addGroup(leaf: Leaf, input: string, output: string): void {
    const { key, value } = keyValueParts(this.wire.element(input));
    const grouping = this.guarded(leaf, () => {
      const windowing = this.wire.windowing(input);
      const options = {
        windowing,
        compact: leaf.combine && accumulatorMerger(leaf.combine, this.options.functions),
        keyCoder: key,
        valueCoder: value,
        windowCoder: this.wire.window(input) as Coder<unknown>,
        bounded: this.isBounded(input),
      };
      const windowFn = this.windowFn(input);
      if (windowFn || windowing.mergeStatus !== pb.MergeStatus_Enum.NEEDS_MERGE) {
        return new Grouping({ ...options, windowFn });
      }
      const { components } = this.options;
      const executor = this.options.executor(windowing.environmentId);
      const { signal } = this.around;
      return new ForeignMergingGroups({ ...options, components, executor, signal });
    });
    const composite = leaf.id.slice(0, Math.max(0, leaf.id.lastIndexOf('/')));
    // A step that the runner made is a part of the program's transform.
    const known = [leaf.id, composite].find((id) => this.options.components.transforms[id]);
    const report = leaf.isOnlooker
      ? undefined
      : new LateReport(known ?? leaf.id, leaf.proto.uniqueName, this.around);
    this.connect(new GroupNode(input, output, grouping, this.around, undefined, report));
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
    const node = new TestStreamNode(
      new Map(Object.entries(proto.outputs)),
      payload.events,
      this.wire.runnerCoder(
        payload.coderId || this.options.components.pcollections[outputs[0]!]!.coderId,
      ),
      this.clock,
      this.around,
    );
    this.streams.push(node);
    this.connect(node);
  }

  private addStage(stage: Stage): void {
    const { components, executor, forceEncoding } = this.options;
    const place: StagePlace = {
      components,
      executor: executor(stage.environment),
      forceEncoding,
      wire: this.wire,
      around: this.around,
      isBounded: this.isBounded(stage.input),
      isScripted: this.isScripted,
      commitsWithSources: this.commitsWithSources,
      functions: this.options.functions,
      view: (pcollection) => this.view(stage, pcollection),
    };
    const threads = this.options.threads?.(stage);
    const node = new StageNode(...ownersOf(stage, place, threads));
    this.stages.push(node);
    this.connect(node);
  }

  /** Also before the part of the plan with the test stream in it comes. */
  private get commitsWithSources(): boolean {
    const { transforms } = this.options.components;
    return Object.values(transforms).some((one) =>
      Object.hasOwn(one.annotations, TRANSACTION_SINK),
    );
  }

  private get isScripted(): boolean {
    const { transforms } = this.options.components;
    return Object.values(transforms).some(({ spec }) => spec?.urn === P.TEST_STREAM);
  }

  private view(stage: Stage, pcollection: string): SideInputView {
    let view = this.views.get(pcollection);
    if (!view) {
      const { id, proto } = stage.root;
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
            around: this.around,
            report: new LateReport(id, `the side input of ${proto.uniqueName}`, this.around),
          }),
      );
      this.views.set(pcollection, view);
      this.connect(view);
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
    const { isBounded } = this.options.components.pcollections[pcollection]!;
    return isBounded !== pb.IsBounded_Enum.UNBOUNDED;
  }

  deliver(
    pcollection: string,
    elements: readonly WindowedValue<unknown>[],
    origin?: Origin,
  ): MaybePromise<void> {
    return this.wiring.deliver(pcollection, elements, origin);
  }

  watermark(pcollection: string): Instant {
    return this.wiring.watermark(pcollection);
  }

  /** Resolves when all stages can take elements, for the sake of stages that wait for that. */
  async ready(signal: AbortSignal): Promise<void> {
    if (!this.stages.some(({ isReadLast }) => isReadLast)) return;
    await Promise.all(this.stages.map((stage) => stage.ready(signal)));
  }

  /** What the bundles under way have counted. */
  runningInfos(): MonitoringInfo[] {
    return this.stages.flatMap((stage) => stage.runningInfos());
  }

  /** The transforms whose functions are waited for. */
  get atWork(): TransformInfo[] {
    return this.stages.flatMap(({ atWork }) => atWork);
  }

  /** Whether all that is waited for is work of bundles of others. */
  get isBehind(): boolean {
    const all = this.stages.map(({ waits }) => waits);
    return all.some(({ isBehind }) => isBehind) && !all.some(({ isAtWork }) => isAtWork);
  }

  /** Sources come to their end. */
  drain(): void {
    for (const stage of this.stages) stage.drain();
    for (const stream of this.streams) stream.end();
  }

  /** Ends what is under way in stages, and lets those go on who wait. */
  abort(error: Error): void {
    for (const stage of this.stages) stage.abort(error);
    for (const gate of this.gates) gate.giveUp();
  }
}

function keyValueParts(coder: Coder<unknown>): { key: Coder<unknown>; value: Coder<unknown> } {
  const inner = coder instanceof LengthPrefixCoder ? coder.value : coder;
  if (inner instanceof KVCoder) {
    return { key: inner.key as Coder<unknown>, value: inner.value as Coder<unknown> };
  }
  throw new BeamBridgeError('INTERNAL', `a grouping got elements of ${coder.name}`);
}
