// SPDX-License-Identifier: Apache-2.0
// Splittable DoFns: the work for one element can be cut in parts, interrupted and gone on with. All
// sources that have no end are made of them.
// Source: https://beam.apache.org/documentation/programming-guide/#splittable-dofns

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, JsCoder, KVCoder, type WindowedValue } from '../coders/index.ts';
import { urns } from '../proto/index.ts';
import type { DoFnOutput, Outputs } from './do-fn.ts';
import type { ProtoContext, TransformNode } from './graph.ts';
import { paramsOf } from './params.ts';
import type { RestrictionTracker } from './restriction-trackers.ts';
import { StateParam } from './state.ts';
import { TimerParam } from './timers.ts';
import type { WatermarkEstimator } from './watermark-estimators.ts';

type Awaitable<T> = T | Promise<T>;

/** Whether `process` wants to be called again for what it left, and when. */
export class ProcessContinuation {
  /** @internal Use {@link resume} and {@link stop}. */
  constructor(
    readonly shouldResume: boolean,
    readonly delayMillis: number,
  ) {}
}

const STOP = new ProcessContinuation(false, 0);

/**
 * To be returned by `process`: the rest of the restriction is to be processed later.
 *
 * @param delayMillis - how long to wait first, in milliseconds. @default 0
 * @throws BeamBridgeError `INVALID_ARGUMENT` when that is not a number from 0 up
 */
export function resume(delayMillis = 0): ProcessContinuation {
  if (Number.isFinite(delayMillis) && delayMillis >= 0) {
    return new ProcessContinuation(true, delayMillis);
  }
  throw new BeamBridgeError('INVALID_ARGUMENT', `resume cannot wait for ${delayMillis} ms`);
}

/** To be returned by `process`, as returning nothing: the restriction is done. */
export function stop(): ProcessContinuation {
  return STOP;
}

// biome-ignore lint/suspicious/noConfusingVoidType: functions and generators that return nothing return void
type Nothing = undefined | void;

/** Outputs whose iterator may end with a {@link ProcessContinuation}: what a generator returns. */
export type SplittableOutputs<O> =
  | Iterable<O | DoFnOutput<O>, ProcessContinuation | Nothing>
  | AsyncIterable<O | DoFnOutput<O>, ProcessContinuation | Nothing>;

/** What one call of a splittable DoFn's `process` has besides the tracker and the context. */
export interface SplittableCall<WatermarkT> {
  /** Of `newWatermarkEstimator`; undefined without it. */
  readonly watermark: WatermarkT;
  /** Aborted when the bundle ends early or the runner took the rest: what waits should return. */
  readonly signal: AbortSignal;
}

/**
 * A function on elements whose work can be split. What is to be done for an element is its
 * _restriction_, such as a range of offsets in a file; the DoFn claims one position after the other
 * from a {@link RestrictionTracker}, and whatever is not claimed may be given to another worker or
 * be left for later.
 *
 * `process` outputs as any DoFn does. To go on later it gives a {@link ProcessContinuation}: a
 * generator (sync or async) by `return resume(1000)`, a function without outputs as its value or its
 * promise's. Everything that is given from outside (elements, restrictions, estimator states) must
 * not be changed.
 *
 * @example
 * ```ts
 * const countTo = splittableDoFn({
 *   initialRestriction: (n: number) => offsetRange(0, n),
 *   newTracker: (range: OffsetRange) => new OffsetRangeTracker(range),
 *   *process(_, tracker) {
 *     for (let i = tracker.currentRestriction().start; tracker.tryClaim(i); i++) yield i;
 *   },
 * });
 * const numbers = root.apply(create([10])).apply(parDo(countTo));
 * ```
 */
export interface SplittableDoFn<
  InputT,
  OutputT,
  RestrictionT,
  PositionT,
  ContextT = undefined,
  WatermarkT extends WatermarkEstimator | undefined = undefined,
  StateT = unknown,
> {
  beamName?: string;
  /**
   * Whether every element's outputs come to an end; if not, the output is an unbounded PCollection.
   *
   * @default true
   */
  bounded?: boolean;
  /**
   * Whether what it reads is gone from where it was, as messages that are taken off a queue. It is read only when
   * all of the pipeline has started, on the runner `node`; what can be read again may be read before.
   *
   * @default false; DoFns that are not `bounded` are always started last
   */
  readsOnce?: boolean;
  /** @default the coder for plain JavaScript values */
  restrictionCoder?: Coder<RestrictionT>;
  /** Of {@link initialWatermarkState}. @default the coder for plain JavaScript values */
  watermarkStateCoder?: Coder<StateT>;
  setup?(): Awaitable<void>;
  startBundle?(context: ContextT): Awaitable<void>;
  /** All that is to be done for an element. */
  initialRestriction(element: InputT): Awaitable<RestrictionT>;
  /** Cuts a restriction in parts that may be processed at the same time. @default not at all */
  splitRestriction?(
    element: InputT,
    restriction: RestrictionT,
  ): Iterable<RestrictionT> | AsyncIterable<RestrictionT>;
  /** How much work a restriction is. @default what its tracker says remains */
  restrictionSize?(element: InputT, restriction: RestrictionT): number;
  newTracker(restriction: RestrictionT): RestrictionTracker<RestrictionT, PositionT>;
  /**
   * What is still to be done when the pipeline is drained, undefined for nothing.
   *
   * @default all of a bounded restriction, nothing of another
   */
  truncateRestriction?(
    element: InputT,
    restriction: RestrictionT,
  ): Awaitable<RestrictionT | undefined>;
  /** What the first estimator of a restriction starts from. @default undefined */
  initialWatermarkState?(element: InputT, restriction: RestrictionT): StateT;
  newWatermarkEstimator?(state: StateT): WatermarkT;
  process(
    element: InputT,
    tracker: RestrictionTracker<RestrictionT, PositionT>,
    context: ContextT,
    call: SplittableCall<WatermarkT>,
  ): Awaitable<SplittableOutputs<OutputT> | ProcessContinuation | Nothing>;
  finishBundle?(context: ContextT): Awaitable<Outputs<WindowedValue<OutputT>> | Nothing>;
  teardown?(): Awaitable<void>;
}

/** A {@link SplittableDoFn} from a declaration, whose types are found from its methods. */
export function splittableDoFn<
  InputT,
  OutputT,
  RestrictionT,
  PositionT,
  ContextT = undefined,
  WatermarkT extends WatermarkEstimator | undefined = undefined,
  StateT = unknown,
>(
  declaration: SplittableDoFn<
    InputT,
    OutputT,
    RestrictionT,
    PositionT,
    ContextT,
    WatermarkT,
    StateT
  >,
): SplittableDoFn<InputT, OutputT, RestrictionT, PositionT, ContextT, WatermarkT, StateT> {
  return declaration;
}

/** A splittable DoFn once its types are no longer known. */
export type AnySplittableDoFn = SplittableDoFn<
  unknown,
  unknown,
  unknown,
  unknown,
  unknown,
  WatermarkEstimator | undefined
>;

/** Whether a DoFn is splittable. */
export function isSplittable(doFn: unknown): doFn is AnySplittableDoFn {
  const given = doFn as Partial<AnySplittableDoFn> | null | undefined;
  return typeof given?.newTracker === 'function' || typeof given?.initialRestriction === 'function';
}

/**
 * Checks a splittable DoFn and gives its part of the payload: the coder of a restriction together
 * with the state of its watermark estimator.
 *
 * @throws `INVALID_ARGUMENT` when a method is missing, `UNSUPPORTED` for state and timers
 */
export function restrictionSpec(
  doFn: AnySplittableDoFn,
  context: unknown,
  node: TransformNode,
): (proto: ProtoContext) => { restrictionCoderId: string } {
  for (const method of ['initialRestriction', 'newTracker', 'process'] as const) {
    if (typeof doFn[method] === 'function') continue;
    throw new BeamBridgeError('INVALID_ARGUMENT', `the splittable DoFn has no method ${method}`, {
      ...node.errorDetails,
      hint: 'A splittable DoFn needs initialRestriction, newTracker and process.',
    });
  }
  const kept = paramsOf(context).find(
    ([, param]) => param instanceof StateParam || param instanceof TimerParam,
  );
  if (kept) {
    throw new BeamBridgeError('UNSUPPORTED', 'a splittable DoFn was given a state or a timer', {
      ...node.errorDetails,
      hint: "Keep what lasts in the restriction or the estimator's state, or in another DoFn behind.",
    });
  }
  node.requirements.add(urns.StandardRequirements_Enum.REQUIRES_SPLITTABLE_DOFN);
  const coder = new KVCoder(
    doFn.restrictionCoder ?? new JsCoder(),
    doFn.watermarkStateCoder ?? new JsCoder(),
  );
  return (proto) => ({ restrictionCoderId: proto.coderId(coder as Coder<unknown>) });
}
