// SPDX-License-Identifier: Apache-2.0
// The graph that a program builds: Root, PCollection, PTransform, ParDo and its parameters, names,
// and the way from graph to Beam's message. May import coders, schema and what those may import.

export { boundedness } from './boundedness.ts';
export {
  type Difference,
  firstDifference,
  type GraphDigest,
  graphDigest,
  type TransformDigest,
} from './digest.ts';
export {
  type DoFn,
  type DoFnOutput,
  type FlatMapFn,
  type MapFn,
  type Outputs,
  type PredicateFn,
  setUpFor,
  stableInput,
  TaggedOutput,
  TimestampedValue,
  tagged,
  timestamped,
} from './do-fn.ts';
export type {
  ExpansionServiceChoice,
  ExternalExpansion,
  ExternalRequest,
  PreparedRequest,
} from './external-request.ts';
export {
  type OutputOptions,
  type PCollectionNode,
  Pipeline,
  type ProtoContext,
  TransformNode,
  type TransformSpec,
} from './graph.ts';
export {
  MapState,
  MultimapState,
  mapState,
  multimapState,
  SetState,
  setState,
} from './keyed-state.ts';
export { callSite, explicitName, extractName, labelled, withName } from './names.ts';
export { OrderedListState, orderedListState } from './ordered-list-state.ts';
export { extractContext, withContext } from './own-context.ts';
export { filter, flatMap, MAIN_OUTPUT, MultiParDo, map, ParDo, parDo } from './par-do.ts';
export {
  AskingParam,
  BundleFinalizerParam,
  bindContext,
  bundleFinalizerParam,
  Counter,
  counter,
  Distribution,
  distribution,
  Gauge,
  gauge,
  LookupParam,
  Metric,
  type MetricKind,
  PaneInfoParam,
  type ParamProvider,
  ParDoParam,
  paneInfoParam,
  paramsOf,
  SideInputParam,
  TimestampParam,
  timestampParam,
  UpdateParam,
  WindowParam,
  windowParam,
} from './params.ts';
export {
  type AsyncPTransform,
  applyTransform,
  applyTransformAsync,
  type PTransform,
  PTransformClass,
} from './ptransform.ts';
export {
  flattenPValue,
  newOutput,
  P,
  PCollection,
  type PValue,
  PValueWrapper,
  pipelineOf,
  Root,
} from './pvalue.ts';
export type { AnyFunction, RegisteredParDo, UserFunction } from './register-par-do.ts';
export {
  GrowableOffsetRangeTracker,
  type OffsetRange,
  OffsetRangeTracker,
  offsetRange,
  type RestrictionProgress,
  type RestrictionSplit,
  type RestrictionTracker,
  splitOffsetRange,
} from './restriction-trackers.ts';
export {
  type AnySplittableDoFn,
  ProcessContinuation,
  resume,
  type SplittableCall,
  type SplittableDoFn,
  type SplittableOutputs,
  splittableDoFn,
  stop,
} from './splittable.ts';
export {
  BagState,
  bagState,
  CombiningState,
  combiningState,
  type StateCell,
  type StateCombineFn,
  StateParam,
  type StateType,
  ValueState,
  valueState,
} from './state.ts';
export {
  eventTimeTimer,
  processingTimeTimer,
  type SetTimerOptions,
  type TimeDomain,
  type TimerFiring,
  TimerParam,
  type TimerRequest,
} from './timers.ts';
export { ProtoBuilder, pipelineToProto, TYPESCRIPT_ENVIRONMENT } from './to-proto.ts';
export { FUNCTION_URNS, ONLOOKER, TRANSACTION_SINK, TRANSACTION_SOURCE } from './urns.ts';
export {
  ManualWatermarkEstimator,
  MonotonicWatermarkEstimator,
  WallTimeWatermarkEstimator,
  type WatermarkEstimator,
} from './watermark-estimators.ts';
export {
  type AccumulationMode,
  type ClosingBehavior,
  type OnTimeBehavior,
  type TimestampCombiner,
  type WindowFn,
  type WindowingStrategy,
  windowExpiry,
  windowingStrategy,
} from './windowing.ts';
