// SPDX-License-Identifier: Apache-2.0
// The core library of transforms: sources in memory, groupings and combiners, windows, side inputs.
// May import pipeline and what that may import.

export {
  type AsyncPTransform,
  BagState,
  bagState,
  bundleFinalizerParam,
  CombiningState,
  Counter,
  combiningState,
  counter,
  Distribution,
  type DoFn,
  type DoFnOutput,
  distribution,
  eventTimeTimer,
  extractName,
  type FlatMapFn,
  filter,
  flatMap,
  Gauge,
  GrowableOffsetRangeTracker,
  gauge,
  ManualWatermarkEstimator,
  type MapFn,
  MapState,
  MonotonicWatermarkEstimator,
  MultimapState,
  map,
  mapState,
  multimapState,
  type OffsetRange,
  OffsetRangeTracker,
  OrderedListState,
  type Outputs,
  offsetRange,
  orderedListState,
  type PredicateFn,
  ProcessContinuation,
  type PTransform,
  PTransformClass,
  paneInfoParam,
  parDo,
  processingTimeTimer,
  type RestrictionProgress,
  type RestrictionSplit,
  type RestrictionTracker,
  resume,
  SetState,
  type SetTimerOptions,
  type SplittableCall,
  type SplittableDoFn,
  type SplittableOutputs,
  StateParam,
  type StateType,
  setState,
  splitOffsetRange,
  splittableDoFn,
  stop,
  TaggedOutput,
  type TimerFiring,
  TimerParam,
  TimestampedValue,
  tagged,
  timestamped,
  timestampParam,
  ValueState,
  valueState,
  WallTimeWatermarkEstimator,
  type WatermarkEstimator,
  type WindowFn,
  type WindowingStrategy,
  windowParam,
  withName,
} from '../pipeline/index.ts';
export type { AsyncSource } from './async-reader.ts';
export { binaryCombineFn } from './binary-combine-fn.ts';
export { type CoGroup, coGroupBy } from './co-group-by.ts';
export type { CombineFn, RegisteredCombine, SelectingCombineFn } from './combine-fn.ts';
export { combineGlobally, countGlobally, countPerElement } from './combine-globally.ts';
export { type Combiner, combinePerKey } from './combine-per-key.ts';
export { count, max, mean, min, sample, sum, sumBigInt, toList, top } from './combiners.ts';
export { type CreateOptions, create } from './create.ts';
export { distinct } from './distinct.ts';
export { flatten } from './flatten.ts';
export { type AsyncIterableOptions, fromAsyncIterable } from './from-async-iterable.ts';
export { groupBy, groupGlobally } from './group-by.ts';
export { GroupBy, GroupGlobally } from './group-by-classes.ts';
export { groupByKey } from './group-by-key.ts';
export { type GroupIntoBatchesOptions, groupIntoBatches } from './group-into-batches.ts';
export { eachValue } from './grouped-values.ts';
export type {
  CombineByFields,
  CombineKnown,
  Fields,
  GroupAll,
  GroupAllKnown,
  GroupByExpression,
  GroupByFields,
} from './grouping-types.ts';
export { impulse } from './impulse.ts';
export type { Duration } from './lateness.ts';
export { latestGlobally, latestPerKey } from './latest.ts';
export { onTimeOnly } from './on-time-only.ts';
export { type PeriodicImpulseOptions, periodicImpulse } from './periodic-impulse.ts';
export { reshuffle } from './reshuffle.ts';
export {
  iterableSideInput,
  listSideInput,
  mapSideInput,
  multimapSideInput,
  singletonSideInput,
} from './side-inputs.ts';
export { partition, type SplitOptions, type SplitOutputs, split } from './split.ts';
export { doFnStep, flatMapStep, mapStep } from './transform.ts';
export { mayFireAgain } from './trigger-rules.ts';
export {
  AfterWatermark,
  type Alignment,
  afterAll,
  afterAny,
  afterCount,
  afterEach,
  afterProcessingTime,
  afterSynchronizedProcessingTime,
  afterWatermark,
  always,
  defaultTrigger,
  never,
  repeatedly,
  Trigger,
} from './triggers.ts';
export { assignTimestamps, type WindowingOptions, windowInto } from './window-into.ts';
export {
  fixedWindows,
  globalWindows,
  isGlobal,
  sessions,
  slidingWindows,
  standardWindowFn,
} from './windowings.ts';
export { withCoder, withCoder as withCoderInternal } from './with-coder.ts';
export { withRowCoder, withSchema } from './with-schema.ts';
