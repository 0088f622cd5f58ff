// SPDX-License-Identifier: Apache-2.0
// ParDo: the primitive that runs a user's function on each element. It lives here and not in
// src/transforms because PCollection.map and flatMap are made of it.

import { BeamBridgeError } from '../base/index.ts';
import {
  type Coder,
  type Instant,
  JsCoder,
  type Timer,
  type WindowedValue,
} from '../coders/index.ts';
import { create, pb, toBinary, urns } from '../proto/index.ts';
import type { Pipeline, TransformNode } from './graph.ts';
import { labelled } from './names.ts';
import { BundleFinalizerParam, nameSideInputs, paramsOf, type SideInputParam } from './params.ts';
import { PTransformClass } from './ptransform.ts';
import { newOutput, type PCollection } from './pvalue.ts';
import {
  type AnySplittableDoFn,
  isSplittable,
  restrictionSpec,
  type SplittableDoFn,
} from './splittable.ts';
import type { StateParam } from './state.ts';
import { keyedForm, nameStateAndTimers, needsKeys } from './stateful.ts';
import type { TimerFiring, TimerParam } from './timers.ts';
import { FUNCTION_URNS } from './urns.ts';
import type { WatermarkEstimator } from './watermark-estimators.ts';

type Awaitable<T> = T | Promise<T>;
/** Several outputs of one call: iterables and async iterables, generators included. */
export type Outputs<O> = Iterable<O> | AsyncIterable<O>;

/** Takes the context as a second argument when there is one. */
type WithContext<T, C, R> = (element: T, context: C) => R;
export type MapFn<T, O, C = undefined> = WithContext<T, C, Awaitable<O>>;
export type FlatMapFn<T, O, C = undefined> = WithContext<T, C, Awaitable<Outputs<O>>>;
export type PredicateFn<T, C = undefined> = WithContext<T, C, Awaitable<boolean>>;

/** The key of key-values. */
export type KeyOf<T> = T extends { key: infer K; value: unknown } ? K : unknown;

/**
 * A function on elements with a life of its own. All methods may be async; `process` and
 * `finishBundle` may be generators or async generators.
 *
 * Order of calls, on each worker: `setup`, then for each bundle `startBundle`, `process` for each
 * element, `finishBundle`, and at the end `teardown`.
 * Source: https://beam.apache.org/documentation/programming-guide/#requirements-for-writing-user-code-for-beam-transforms
 */
export interface DoFn<InputT, OutputT, ContextT = undefined> {
  beamName?: string;
  setup?(): Awaitable<void>;
  startBundle?(context: ContextT): Awaitable<void>;
  process(
    element: InputT,
    context: ContextT,
    // biome-ignore lint/suspicious/noConfusingVoidType: a method that outputs nothing returns nothing
  ): Awaitable<Outputs<OutputT | DoFnOutput<OutputT>> | void>;
  /** Called when a timer of the context fires. Its outputs get the timer's output timestamp. */
  onTimer?(
    timer: TimerFiring<KeyOf<InputT>>,
    context: ContextT,
    // biome-ignore lint/suspicious/noConfusingVoidType: as above
  ): Awaitable<Outputs<OutputT | DoFnOutput<OutputT>> | void>;
  // biome-ignore lint/suspicious/noConfusingVoidType: as above
  finishBundle?(context: ContextT): Awaitable<Outputs<WindowedValue<OutputT>> | void>;
  teardown?(): Awaitable<void>;
}

/** What a DoFn may output in place of a plain value. */
export type DoFnOutput<T> = TaggedOutput<unknown> | TimestampedValue<T>;

/** A value for another output than the main one. */
export class TaggedOutput<T> {
  constructor(
    readonly tag: string,
    readonly value: T | TimestampedValue<T>,
  ) {}
}

/** A value with a timestamp of its own, in milliseconds since the epoch. */
export class TimestampedValue<T> {
  constructor(
    readonly value: T,
    readonly timestamp: Instant,
  ) {}
}

/** Outputs `value` to the output `tag` of a ParDo {@link ParDo.withOutputs | with outputs}. */
export function tagged<T>(tag: string, value: T | TimestampedValue<T>): TaggedOutput<T> {
  return new TaggedOutput(tag, value);
}

/** Outputs `value` with a timestamp (milliseconds since the epoch) other than its input's. */
export function timestamped<T>(value: T, timestamp: Instant): TimestampedValue<T> {
  return new TimestampedValue(value, timestamp);
}

/** A user's function once its types are no longer known. */
export type AnyFunction = (element: unknown, context: unknown) => unknown;

/** The user's part of a ParDo. Contexts are templates, not yet bound to a bundle. */
export type UserFunction =
  | { kind: 'map' | 'flatMap' | 'filter'; fn: AnyFunction; context?: unknown }
  | { kind: 'doFn'; doFn: DoFn<unknown, unknown, unknown>; context?: unknown }
  | { kind: 'splittable'; doFn: AnySplittableDoFn; context?: unknown };

/** Tag of the main output of a ParDo that names no outputs. */
export const MAIN_OUTPUT = 'main';

/** Runs a function on each element of a PCollection. */
export class ParDo<T, O> extends PTransformClass<PCollection<T>, PCollection<O>> {
  constructor(
    readonly user: UserFunction,
    /** Coder of the output. @default the coder for plain JavaScript values */
    readonly outputCoder?: Coder<O> | 'of the input',
  ) {
    super('doFn' in user ? labelled('parDo', user.doFn) : labelled(user.kind, user.fn));
  }

  /** The same transform with several outputs, to which {@link tagged} values go by their tag. */
  withOutputs<Tags extends Record<string, unknown>>(options: {
    /** Tag of the values that are not tagged. */
    main: keyof Tags & string;
    /** The other tags. */
    tags: readonly (keyof Tags & string)[];
    coders?: { [K in keyof Tags]?: Coder<Tags[K]> };
  }): MultiParDo<T, Tags> {
    return new MultiParDo(this.user, options.main, options.tags, options.coders ?? {});
  }

  override expandInternal(
    input: PCollection<T>,
    pipeline: Pipeline,
    node: TransformNode,
  ): PCollection<O> {
    if (needsKeys(this.user, input, node)) {
      return withKeys(input).apply(named(new ParDo<T, O>(this.user, this.outputCoder)));
    }
    applyParDo(this.user, input, pipeline, node, MAIN_OUTPUT);
    const coder =
      this.outputCoder === 'of the input' ? input.coder : (this.outputCoder ?? new JsCoder());
    return newOutput(pipeline, node, MAIN_OUTPUT, coder as Coder<O>, likeOutput(this.user, input));
  }
}

/** A {@link ParDo} with several outputs by tag. */
export class MultiParDo<T, Tags extends Record<string, unknown>> extends PTransformClass<
  PCollection<T>,
  { [K in keyof Tags]: PCollection<Tags[K]> }
> {
  constructor(
    readonly user: UserFunction,
    readonly main: keyof Tags & string,
    readonly tags: readonly (keyof Tags & string)[],
    readonly coders: { [K in keyof Tags]?: Coder<Tags[K]> },
  ) {
    super(labelled('parDo', 'doFn' in user ? user.doFn : user.fn));
  }

  override expandInternal(
    input: PCollection<T>,
    pipeline: Pipeline,
    node: TransformNode,
  ): { [K in keyof Tags]: PCollection<Tags[K]> } {
    if (needsKeys(this.user, input, node)) {
      const { user, main, tags, coders } = this;
      return withKeys(input).apply(named(new MultiParDo<T, Tags>(user, main, tags, coders)));
    }
    applyParDo(this.user, input, pipeline, node, this.main);
    const outputs: Record<string, PCollection<unknown>> = {};
    for (const tag of new Set([this.main, ...this.tags])) {
      const coder = this.coders[tag] ?? new JsCoder();
      const like = likeOutput(this.user, input);
      outputs[tag] = newOutput(pipeline, node, tag, coder as Coder<unknown>, like);
    }
    return outputs as { [K in keyof Tags]: PCollection<Tags[K]> };
  }
}

/** Windowing and boundedness of a ParDo's outputs. */
function likeOutput(user: UserFunction, { node }: PCollection<unknown>) {
  const endless = user.kind === 'splittable' && user.doFn.bounded === false;
  return { windowing: node.windowing, bounded: node.bounded && !endless };
}

/** The part of a ParDo with state that has the state, behind the one that encodes the keys. */
function named<P extends { beamName: unknown }>(part: P): P {
  part.beamName = 'process';
  return part;
}

/** Plain JavaScript key-values with a coder of key-values. */
function withKeys<T>(input: PCollection<T>): PCollection<T> {
  const coder = keyedForm(input.coder as Coder<unknown>) as Coder<T>;
  const identity = new ParDo<T, T>({ kind: 'map', fn: (element) => element }, coder);
  identity.beamName = 'withKeyCoder';
  return input.apply(identity);
}

/** Registers the function, connects its side inputs, and sets the node's spec. */
function applyParDo(
  user: UserFunction,
  input: PCollection<unknown>,
  pipeline: Pipeline,
  node: TransformNode,
  mainTag: string,
): void {
  checkFunction(user, node);
  const restriction =
    user.kind === 'splittable' ? restrictionSpec(user.doFn, user.context, node) : undefined;
  const { context: withSides, sideInputs } = nameSideInputs(user.context);
  const { context, states, timers, timerCoder, specs } = nameStateAndTimers(
    withSides,
    user,
    input,
    node,
  );
  for (const [id, { pcoll }] of sideInputs) {
    if (pcoll.pipeline !== input.pipeline) {
      throw new BeamBridgeError('INVALID_ARGUMENT', 'a side input belongs to another pipeline');
    }
    node.inputs.set(id, pcoll.node);
  }
  const requestsFinalization = paramsOf(user.context).some(
    ([, param]) => param instanceof BundleFinalizerParam,
  );
  if (requestsFinalization) {
    node.requirements.add(urns.StandardRequirements_Enum.REQUIRES_BUNDLE_FINALIZATION);
  }
  const registered: RegisteredParDo = {
    user: { ...user, context },
    mainTag,
    sideInputs,
    states,
    timers,
    timerCoder,
    transform: node.name,
    appliedAt: node.appliedAt,
  };
  const key = pipeline.addFunction(node, registered);
  node.needsEnvironment = true;
  node.spec = {
    urn: urns.StandardPTransforms_Primitives.PAR_DO,
    payload: (proto) =>
      toBinary(
        pb.ParDoPayloadSchema,
        create(pb.ParDoPayloadSchema, {
          doFn: { urn: FUNCTION_URNS.doFn, payload: key },
          requestsFinalization,
          ...specs(proto),
          ...restriction?.(proto),
          sideInputs: Object.fromEntries(
            [...sideInputs.keys()].map((id) => [
              id,
              {
                accessPattern: { urn: urns.StandardSideInputTypes_Enum.ITERABLE },
                viewFn: { urn: FUNCTION_URNS.viewFn, payload: key },
                windowMappingFn: { urn: FUNCTION_URNS.windowMappingFn, payload: key },
              },
            ]),
          ),
        }),
      ),
  };
}

/** What is registered under a ParDo's key: all that the bundle engine needs to run it. */
export interface RegisteredParDo {
  readonly user: UserFunction;
  readonly mainTag: string;
  readonly sideInputs: ReadonlyMap<string, SideInputParam<unknown, unknown>>;
  readonly states: ReadonlyMap<string, StateParam>;
  readonly timers: ReadonlyMap<string, TimerParam>;
  /** Of all its timers; undefined without any. */
  readonly timerCoder: Coder<Timer<unknown>> | undefined;
  readonly transform: string;
  readonly appliedAt: string | undefined;
}

function checkFunction(user: UserFunction, node: TransformNode): void {
  const given =
    'doFn' in user ? (user.doFn as { process?: unknown } | undefined)?.process : user.fn;
  if (typeof given === 'function') return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    'doFn' in user ? 'the DoFn has no process method' : `${user.kind} was given no function`,
    {
      ...node.errorDetails,
      hint: 'Pass a function, or for parDo an object with a process(element) method.',
    },
  );
}

/** Applies a {@link DoFn}, or a {@link SplittableDoFn}, to each element. */
export function parDo<
  InputT,
  OutputT,
  RestrictionT,
  PositionT,
  ContextT = undefined,
  WatermarkT extends WatermarkEstimator | undefined = undefined,
  StateT = unknown,
>(
  doFn: SplittableDoFn<InputT, OutputT, RestrictionT, PositionT, ContextT, WatermarkT, StateT>,
  context?: ContextT,
): ParDo<InputT, OutputT>;
export function parDo<InputT, OutputT, ContextT = undefined>(
  doFn: DoFn<InputT, OutputT, ContextT>,
  context?: ContextT,
): ParDo<InputT, OutputT>;
export function parDo<InputT, OutputT>(doFn: unknown, context?: unknown): ParDo<InputT, OutputT> {
  return new ParDo<InputT, OutputT>(
    isSplittable(doFn)
      ? { kind: 'splittable', doFn, context }
      : { kind: 'doFn', doFn: doFn as DoFn<unknown, unknown, unknown>, context },
  );
}

/** As {@link PCollection.map}, to be applied. */
export function map<T, O, C = undefined>(fn: MapFn<T, O, C>, context?: C): ParDo<T, O> {
  return new ParDo<T, O>({ kind: 'map', fn: fn as AnyFunction, context });
}

/** As {@link PCollection.flatMap}, to be applied. */
export function flatMap<T, O, C = undefined>(fn: FlatMapFn<T, O, C>, context?: C): ParDo<T, O> {
  return new ParDo<T, O>({ kind: 'flatMap', fn: fn as AnyFunction, context });
}

/** As {@link PCollection.filter}, to be applied. */
export function filter<T, C = undefined>(fn: PredicateFn<T, C>, context?: C): ParDo<T, T> {
  return new ParDo<T, T>({ kind: 'filter', fn: fn as AnyFunction, context }, 'of the input');
}
