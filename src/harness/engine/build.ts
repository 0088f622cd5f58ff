// SPDX-License-Identifier: Apache-2.0
// From a transform's URN to the operator that runs it.

import { BeamBridgeError } from '../../base/index.ts';
import type { Coder, WindowedValue } from '../../coders/index.ts';
import {
  type AnyFunction,
  FUNCTION_URNS,
  type RegisteredParDo,
  type WindowFn,
} from '../../pipeline/index.ts';
import { pb, urns } from '../../proto/index.ts';
import type { RegisteredCombine } from '../../transforms/index.ts';
import { isSplittableStep, SPLITTABLE_URNS, splittable } from './build-splittable.ts';
import { BoundContext } from './context.ts';
import {
  type DescriptorView,
  functionKey,
  payloadOf,
  remotePort,
  sideInputTags,
} from './descriptor.ts';
import { DoFnInstance } from './do-fn-instances.ts';
import { Emitter } from './emit.ts';
import { UserMetrics } from './metrics.ts';
import type { Operator, Receiver } from './operator.ts';
import { AssignWindows } from './operators/assign-windows.ts';
import {
  CombineStep,
  combineGroupedValues,
  convertToAccumulator,
  extractOutput,
  mergeAccumulators,
} from './operators/combine.ts';
import { DataSink } from './operators/data-sink.ts';
import { DataSource } from './operators/data-source.ts';
import { DoFnOperator } from './operators/do-fn.ts';
import { ElementSink } from './operators/element-sink.ts';
import { FilterOperator } from './operators/filter.ts';
import { FlatMapOperator } from './operators/flat-map.ts';
import { Flatten } from './operators/flatten.ts';
import { MapOperator } from './operators/map.ts';
import type { ParDoParts } from './operators/par-do.ts';
import { Precombine } from './operators/precombine.ts';
import { StatefulDoFnOperator } from './operators/stateful-do-fn.ts';
import { mapWindow, mergeWindows, WindowQuestion } from './operators/windows.ts';
import type { BundleScope } from './scope.ts';
import type { SideInputCache } from './side-input-cache.ts';
import { SideInputs } from './side-inputs.ts';
import { UserStates } from './user-state.ts';
import { UserTimers } from './user-timers.ts';
import { windowFnFromProto } from './window-fns.ts';

/** What operators are built from. */
export interface BuildContext {
  readonly view: DescriptorView;
  readonly scope: BundleScope;
  readonly cache: SideInputCache;
  receiver(pcollectionId: string): Receiver;
}

type Factory = (id: string, transform: pb.PTransform, context: BuildContext) => Operator;

const P = urns.StandardPTransforms_Primitives;
const C = urns.StandardPTransforms_CombineComponents;

const factories = new Map<string, Factory>([
  [urns.FnApiTransforms_Runner.DATA_SOURCE, dataSource],
  [urns.FnApiTransforms_Runner.DATA_SINK, dataSink],
  [P.PAR_DO, parDo],
  ...SPLITTABLE_URNS.map((urn): [string, Factory] => [urn, parDo]),
  [
    P.FLATTEN,
    (id, transform, c) => new Flatten(id, mainInputs(transform), onlyOutput(transform, c)),
  ],
  [P.ASSIGN_WINDOWS, assignWindows],
  [P.MAP_WINDOWS, mapWindows],
  [P.MERGE_WINDOWS, mergeWindowsOf],
  [C.COMBINE_PER_KEY_PRECOMBINE, precombine],
  [C.COMBINE_PER_KEY_MERGE_ACCUMULATORS, combineStep(mergeAccumulators)],
  [C.COMBINE_PER_KEY_EXTRACT_OUTPUTS, combineStep(extractOutput)],
  [C.COMBINE_PER_KEY_CONVERT_TO_ACCUMULATORS, combineStep(convertToAccumulator)],
  [C.COMBINE_GROUPED_VALUES, combineStep(combineGroupedValues)],
]);

/** @throws `UNSUPPORTED` when a transform cannot run in TypeScript */
export function buildOperator(id: string, context: BuildContext): Operator {
  const transform = context.view.transform(id);
  const urn = transform.spec?.urn ?? '';
  const factory = factories.get(urn);
  if (factory) return factory(id, transform, context);
  throw new BeamBridgeError(
    'UNSUPPORTED',
    `the TypeScript harness cannot run ${urn || '(no URN)'}`,
    {
      ...context.view.transformInfo(id),
      hint: 'A runner must run this transform itself, or send it to the environment of its SDK.',
    },
  );
}

function mainInputs(transform: pb.PTransform): string[] {
  const sides = sideInputTags(transform);
  return Object.entries(transform.inputs)
    .filter(([tag]) => !sides.has(tag))
    .map(([, id]) => id);
}

function only(ids: Record<string, string>, what: string): string {
  const [first, second] = Object.values(ids);
  if (first !== undefined && second === undefined) return first;
  throw new BeamBridgeError('HARNESS_PROTOCOL', `a transform must have exactly one ${what}`);
}

function onlyOutput(transform: pb.PTransform, context: BuildContext): Receiver {
  return context.receiver(only(transform.outputs, 'output'));
}

/**
 * The coder of elements together with their windows, as they travel to and from the runner; none
 * where they stay in this process.
 */
function wireCoder(transform: pb.PTransform, { view }: BuildContext) {
  const { coderId } = remotePort(transform);
  return coderId ? (view.coder(coderId) as Coder<WindowedValue<unknown>>) : undefined;
}

function dataSource(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const coder = wireCoder(transform, context);
  const out = onlyOutput(transform, context);
  return new DataSource(id, coder, out, context.view.transformInfo(id));
}

function dataSink(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const coder = wireCoder(transform, context);
  const input = only(transform.inputs, 'input');
  if (!coder) return new ElementSink(id, [input], context.scope);
  const producer = context.view.producerInfo(input);
  return new DataSink(id, [input], coder, context.scope, producer);
}

function assignWindows(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const { view } = context;
  const { windowFn } = payloadOf(pb.WindowIntoPayloadSchema, transform);
  const out = onlyOutput(transform, context);
  const assign = windowFnFromProto(windowFn, view.functions);
  return new AssignWindows(id, mainInputs(transform), assign, out, view.transformInfo(id));
}

/** The function that a payload names. @throws `UNSUPPORTED`, `FUNCTION_NOT_FOUND` */
function registered<T>(
  spec: pb.FunctionSpec | undefined,
  urn: string,
  id: string,
  { view }: BuildContext,
): T {
  const info = view.transformInfo(id);
  if (spec?.urn !== urn) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `${spec?.urn ?? '(no URN)'} is a function of another SDK`,
      {
        ...info,
        hint: 'The runner sent it to the wrong environment.',
      },
    );
  }
  const key = functionKey(spec.payload);
  const found = view.functions.get(key);
  if (found !== undefined) return found as T;
  throw new BeamBridgeError(
    'FUNCTION_NOT_FOUND',
    `this program has no function ${JSON.stringify(key)}`,
    {
      ...info,
      hint: 'The pipeline came out different when the worker built it: construct it the same way each time.',
    },
  );
}

function parDo(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const { view, scope, cache } = context;
  const payload = payloadOf(pb.ParDoPayloadSchema, transform);
  const fn = registered<RegisteredParDo>(payload.doFn, FUNCTION_URNS.doFn, id, context);
  const info = { transform: fn.transform, appliedAt: fn.appliedAt };
  const outputs = new Map(
    Object.entries(transform.outputs).map(([tag, pc]) => [tag, context.receiver(pc)]),
  );
  const urn = transform.spec?.urn ?? '';
  const isStep = isSplittableStep(urn);
  const sideInputs =
    fn.sideInputs.size > 0 && !isStep
      ? new SideInputs(id, transform, fn, view, scope, cache, info)
      : undefined;
  const stateful = stateAndTimers(id, transform, fn, context);
  const metrics = new UserMetrics(id, fn.transform);
  const parts: ParDoParts = {
    transformId: id,
    inputs: mainInputs(transform),
    info,
    sideInputs,
    metrics,
    context: new BoundContext(
      isStep ? undefined : fn.user.context,
      sideInputs,
      metrics,
      scope,
      info,
      stateful?.states,
      stateful?.timers,
    ),
    // The steps before a splittable DoFn's process have one output, which the runner names.
    emitter: new Emitter(
      outputs,
      isStep ? ([...outputs.keys()][0] ?? '') : fn.mainTag,
      info,
      scope,
    ),
  };
  switch (fn.user.kind) {
    case 'map':
      return new MapOperator(parts, callable(fn.user.fn, fn.user.context));
    case 'flatMap':
      return new FlatMapOperator(parts, callable(fn.user.fn, fn.user.context));
    case 'filter':
      return new FilterOperator(parts, callable(fn.user.fn, fn.user.context));
    case 'doFn':
      return stateful
        ? new StatefulDoFnOperator(
            parts,
            DoFnInstance.of(fn.user.doFn),
            stateful.states,
            stateful.timers,
          )
        : new DoFnOperator(parts, DoFnInstance.of(fn.user.doFn));
    case 'splittable':
      return splittable(urn, transform, fn.user.doFn, parts, view, scope);
  }
}

/** Without a context the element is the only argument: `map(console.log)` prints it and no more. */
function callable(fn: AnyFunction, context: unknown): AnyFunction {
  return context === undefined ? (element) => (fn as (element: unknown) => unknown)(element) : fn;
}

/** The states and timers of a ParDo that has some. */
function stateAndTimers(
  id: string,
  transform: pb.PTransform,
  fn: RegisteredParDo,
  { view, scope }: BuildContext,
) {
  if (fn.states.size + fn.timers.size === 0) return undefined;
  const input = mainInputs(transform)[0] ?? '';
  return {
    states: new UserStates(id, view.kvCoder(input).key, view.windowCoder(input), scope),
    timers: new UserTimers(id, [...fn.timers.keys()], fn.timerCoder, scope),
  };
}

function combineOf(id: string, transform: pb.PTransform, context: BuildContext) {
  const { combineFn } = payloadOf(pb.CombinePayloadSchema, transform);
  const found = registered<RegisteredCombine>(combineFn, FUNCTION_URNS.combineFn, id, context);
  return {
    combineFn: found.combineFn,
    info: { transform: found.transform, appliedAt: found.appliedAt },
  };
}

function combineStep(step: ConstructorParameters<typeof CombineStep>[3]): Factory {
  return (id, transform, context) => {
    const { combineFn, info } = combineOf(id, transform, context);
    const out = onlyOutput(transform, context);
    return new CombineStep(id, mainInputs(transform), combineFn, step, out, info);
  };
}

function precombine(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const { view } = context;
  const { combineFn, info } = combineOf(id, transform, context);
  const input = only(transform.inputs, 'input');
  const options = {
    combineFn,
    keyCoder: view.kvCoder(input).key,
    windowCoder: view.windowCoder(input),
    keepsLatest: view.windowing(input).outputTime === pb.OutputTime_Enum.LATEST_IN_PANE,
  };
  return new Precombine(id, [input], options, onlyOutput(transform, context), info);
}

function mergeWindowsOf(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const spec = payloadOf(pb.FunctionSpecSchema, transform);
  const windowFn = windowFnFromProto(spec, context.view.functions);
  return windowQuestion(id, transform, context, mergeWindows(windowFn));
}

function mapWindows(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const spec = payloadOf(pb.FunctionSpecSchema, transform);
  const { sideInputs } = registered<RegisteredParDo>(
    spec,
    FUNCTION_URNS.windowMappingFn,
    id,
    context,
  );
  const windowFns = new Set<WindowFn>(
    [...sideInputs.values()].map(({ pcoll }) => pcoll.node.windowing.windowFn),
  );
  const [windowFn, another] = windowFns;
  if (windowFn && !another) return windowQuestion(id, transform, context, mapWindow(windowFn));
  throw new BeamBridgeError(
    'UNSUPPORTED',
    'this runner cannot tell side inputs with different windows apart',
    {
      ...context.view.transformInfo(id),
      hint: 'Put all side inputs of one transform into the same windows.',
    },
  );
}

function windowQuestion(
  id: string,
  transform: pb.PTransform,
  context: BuildContext,
  answer: (question: unknown) => unknown,
): Operator {
  const out = onlyOutput(transform, context);
  return new WindowQuestion(id, mainInputs(transform), answer, out, context.view.transformInfo(id));
}
