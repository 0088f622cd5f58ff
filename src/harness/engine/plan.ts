// SPDX-License-Identifier: Apache-2.0
// A descriptor turned into connected operators: what one bundle at a time runs through, again and
// again.

import { BeamBridgeError, yieldIfDue } from '../../base/index.ts';
import type { fn } from '../../proto/index.ts';
import { buildOperator } from './build.ts';
import { DescriptorView } from './descriptor.ts';
import type { DoFnInstance, DoFnUse } from './do-fn-instances.ts';
import { type TransformInfo, userError } from './errors.ts';
import { elementCount, type MonitoringInfo } from './metrics.ts';
import { type Operator, Receiver } from './operator.ts';
import { AssignWindows } from './operators/assign-windows.ts';
import { DataSource } from './operators/data-source.ts';
import { DoFnOperator } from './operators/do-fn.ts';
import { ParDoOperator } from './operators/par-do.ts';
import { SplittableStep } from './operators/splittable-steps.ts';
import { StatefulDoFnOperator } from './operators/stateful-do-fn.ts';
import { type BundleFinalizer, BundleScope } from './scope.ts';
import type { SideInputCache } from './side-input-cache.ts';
import { StrictReceiver } from './strict.ts';
import type {
  BundleIO,
  ChannelSplit,
  DesiredSplit,
  ElementChunk,
  FunctionLookup,
  InputChunk,
  MaybePromise,
  Residual,
} from './types.ts';

/** What a bundle leaves besides its output. */
export interface BundleResult {
  readonly monitoringInfos: MonitoringInfo[];
  /** To be called once the runner has stored the results. */
  readonly finalizers: readonly BundleFinalizer[];
  /** What it left of elements that can be split. */
  readonly residuals: readonly Residual[];
}

export class BundlePlan {
  private readonly scope: BundleScope;
  private readonly receivers = new Map<string, Receiver>();
  private readonly sources = new Map<string, DataSource>();
  /** Producers before their consumers. */
  private readonly operators: Operator[];
  /** Each DoFn object once, in the order in which turns are taken. */
  private readonly doFns: DoFnInstance[];
  private readonly infoOf: (doFn: DoFnInstance) => TransformInfo;
  /** Over when all that its bundles broke is torn down. */
  private recovered: Promise<unknown> = Promise.resolve();
  private readonly newReceiver: (pcollectionId: string) => Receiver = (id) => new Receiver(id);

  constructor(
    descriptor: fn.ProcessBundleDescriptor,
    functions: FunctionLookup,
    cache: SideInputCache,
    isStrict = false,
  ) {
    const scope = new BundleScope(isStrict);
    this.scope = scope;
    const view = new DescriptorView(descriptor, functions, {
      readState: (token) => scope.state.iterable(token),
    });
    this.infoOf = (doFn) => {
      const user = this.operators.find((one) => 'instance' in one && one.instance === doFn);
      return view.transformInfo(user!.transformId);
    };
    if (isStrict) this.newReceiver = strictly(view);
    const receiver = (id: string) => this.receiverOf(id);
    const built = view.transformIds
      .filter((id) => !view.isTakenApart(id))
      .map((id) => buildOperator(id, { view, scope, cache, receiver }));
    for (const operator of built) {
      for (const input of operator.inputs) this.receiverOf(input).add(operator);
      if (operator instanceof DataSource) this.sources.set(operator.transformId, operator);
    }
    this.operators = inOrder(built, view);
    this.doFns = doFnsOf(built, view);
    for (const doFn of this.doFns) doFn.hold();
  }

  private receiverOf(pcollectionId: string): Receiver {
    let receiver = this.receivers.get(pcollectionId);
    if (!receiver) {
      receiver = this.newReceiver(pcollectionId);
      this.receivers.set(pcollectionId, receiver);
    }
    return receiver;
  }

  /** Runs one bundle; after an error the plan must not be used again. */
  async run(io: BundleIO): Promise<BundleResult> {
    const { scope } = this;
    scope.begin(io);
    for (const receiver of this.receivers.values()) receiver.startBundle();
    const uses: DoFnUse[] = [];
    try {
      return await this.using(uses, io);
    } catch (error) {
      // What it still waited for is another bundle's.
      for (const doFn of this.doFns.slice(0, uses.length)) doFn.markBroken();
      throw error;
    } finally {
      scope.end();
      for (const use of uses) use.end();
      // At once and for all of them: the next bundle must find none that is broken. And nobody hears later why this
      // one failed because a teardown is slow; who sets an object up again waits for it.
      const recovered = this.doFns.map((doFn) => doFn.recover());
      this.recovered = Promise.all([this.recovered, ...recovered]);
    }
  }

  /** Runs the bundle in the uses of all its DoFn objects, once it has them. */
  private async using(uses: DoFnUse[], io: BundleIO): Promise<BundleResult> {
    this.checkGoingOn();
    const doFn = this.doFns[uses.length];
    if (!doFn) return this.runWithin(io);
    // Another run may work with it for long.
    const use = await doFn
      .acquire({ ...this.scope.asking, wanted: () => io.input.giveWay?.() })
      .catch((error: unknown) => {
        throw userError(error, this.infoOf(doFn));
      });
    uses.push(use);
    return use.run(() => this.using(uses, io));
  }

  private async runWithin(io: BundleIO): Promise<BundleResult> {
    const { scope, operators } = this;
    for (const operator of operators.toReversed()) await operator.startBundle?.();
    await this.readAll(io);
    for (const operator of operators) {
      this.checkGoingOn();
      await operator.finishBundle?.();
    }
    for (const receiver of this.receivers.values()) receiver.finishBundle();
    for (const check of scope.checks) check();
    return {
      monitoringInfos: this.monitoringInfos(),
      finalizers: [...scope.finalizers],
      residuals: [...scope.residuals],
    };
  }

  private async readAll({ input }: BundleIO): Promise<void> {
    for (;;) {
      this.checkGoingOn();
      const next = input.next();
      const chunk = next instanceof Promise ? await next : next;
      this.checkGoingOn();
      if (!chunk) return;
      const pending = this.take(chunk);
      if (pending) await pending;
      const turn = yieldIfDue();
      if (turn) await turn;
    }
  }

  private take(chunk: InputChunk | ElementChunk): MaybePromise<void> {
    if ('elements' in chunk) return this.source(chunk.transformId).consumeElements(chunk.elements);
    const { transformId, timerFamilyId, data } = chunk;
    if (timerFamilyId === undefined) return this.source(transformId).consume(data);
    return this.timersOf(transformId).fire(timerFamilyId, data);
  }

  private checkGoingOn(): void {
    if (this.scope.aborted) throw this.scope.aborted;
  }

  private source(transformId: string): DataSource {
    const source = this.sources.get(transformId);
    if (source) return source;
    throw new BeamBridgeError(
      'HARNESS_PROTOCOL',
      `data came for ${JSON.stringify(transformId)}, which is no data source of this stage`,
    );
  }

  private timersOf(transformId: string): StatefulDoFnOperator {
    const found = this.operators.find((operator) => operator.transformId === transformId);
    if (found instanceof StatefulDoFnOperator) return found;
    throw new BeamBridgeError(
      'HARNESS_PROTOCOL',
      `timers came for ${JSON.stringify(transformId)}, which has none in this stage`,
    );
  }

  /** Ends the bundle under way at the next element. */
  abort(error: Error): void {
    this.scope.aborted = error;
    for (const source of this.sources.values()) source.abort();
    for (const operator of this.operators) operator.abort?.();
  }

  /** Whose promise the bundle waits for. */
  get atWork(): TransformInfo | undefined {
    return this.scope.atWork;
  }

  /** Whether the bundle waits for work of another, such as its use of a DoFn object. */
  get isBehind(): boolean {
    return this.scope.isBehind;
  }

  monitoringInfos(): MonitoringInfo[] {
    const infos = [...this.receivers.values()].map(({ pcollectionId, count }) =>
      elementCount(pcollectionId, count),
    );
    for (const operator of this.operators) {
      if (
        operator instanceof DataSource ||
        operator instanceof ParDoOperator ||
        operator instanceof AssignWindows
      ) {
        infos.push(...operator.monitoringInfos());
      }
    }
    return infos;
  }

  /** Splits the sources for which a split is wanted, as far as they can be. */
  split(desired: ReadonlyMap<string, DesiredSplit>): ChannelSplit[] {
    const splits: ChannelSplit[] = [];
    for (const [id, wish] of desired) {
      const split = this.sources.get(id)?.split(wish);
      if (split) splits.push(split);
    }
    return splits;
  }

  /** Tears down what no other plan uses. */
  async close(): Promise<void> {
    await Promise.all([this.recovered, ...this.doFns.map((doFn) => doFn.letGo())]);
  }

  /** What of its DoFn objects does not come back, since it was closed. */
  get unfinished(): { what: 'setup' | 'teardown' | 'call'; of: TransformInfo }[] {
    return this.doFns.flatMap((doFn) => {
      const what = doFn.unfinished ?? (doFn.isLeft ? 'call' : undefined);
      return what ? { what, of: this.infoOf(doFn) } : [];
    });
  }
}

function strictly(view: DescriptorView) {
  const coderOf = (id: string) => view.elementCoder(id);
  const infoOf = (id: string) => view.transformInfo(id);
  return (id: string) => new StrictReceiver(id, coderOf, view.producerInfo(id), infoOf);
}

/** Sorts operators so that each comes before the consumers of its outputs. */
function inOrder(operators: readonly Operator[], view: DescriptorView): Operator[] {
  const consumers = new Map<string, Operator[]>();
  for (const operator of operators) {
    for (const input of operator.inputs) {
      consumers.set(input, [...(consumers.get(input) ?? []), operator]);
    }
  }
  const consumersFirst = new Set<Operator>();
  const visit = (operator: Operator) => {
    if (consumersFirst.has(operator)) return;
    for (const output of Object.values(view.transform(operator.transformId).outputs)) {
      for (const consumer of consumers.get(output) ?? []) visit(consumer);
    }
    consumersFirst.add(operator);
  };
  for (const operator of operators) visit(operator);
  return [...consumersFirst].reverse();
}

function doFnsOf(operators: readonly Operator[], view: DescriptorView): DoFnInstance[] {
  const found = new Set<DoFnInstance>();
  const using = new Set<DoFnInstance>();
  for (const operator of operators) {
    if (operator instanceof SplittableStep) found.add(operator.instance);
    if (!(operator instanceof DoFnOperator)) continue;
    const { instance } = operator;
    if (using.has(instance) && instance.isExclusive) {
      throw new BeamBridgeError(
        'UNSUPPORTED',
        'one DoFn object with startBundle or finishBundle is applied twice, and both applications run in one stage',
        {
          ...view.transformInfo(operator.transformId),
          hint: 'Make a new object for each parDo, so that each has a bundle of its own.',
        },
      );
    }
    using.add(instance);
    found.add(instance);
  }
  return [...found].sort((a, b) => a.order - b.order);
}
