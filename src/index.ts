// SPDX-License-Identifier: Apache-2.0
// The one door. Further doors: beambridge/io, /ml, /runners, /schema, /testing.

// --- For users -------------------------------------------------------------------------------

// Errors and the log.
export {
  BeamBridgeError,
  type ErrorCode,
  type ErrorDetails,
  type LogLevel,
  type LogRecord,
  setLogLevel,
  setLogSink,
} from './base/index.ts';
// Values that pipelines handle.
export {
  Decimal,
  END_OF_GLOBAL_WINDOW,
  GlobalWindow,
  type Instant,
  IntervalWindow,
  type KV,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  MicrosInstant,
  NO_FIRING,
  type PaneInfo,
  Timing,
  type Window,
  type WindowedValue,
} from './coders/index.ts';
// Transforms of other languages.
export {
  discoverSchemaTransforms,
  type ExternalOptions,
  type ExternalOptions as RawExternalTransformOptions,
  ExternalTransform,
  type JavaArguments,
  type JavaOptions,
  type JavaServiceChoice,
  type JavaServiceSettings,
  type JavaTransformOptions,
  javaService,
  javaTransform,
  type OutputType,
  type PythonCallable,
  type PythonTransformOptions,
  pythonCallable,
  pythonTransform,
  rawExternalTransform,
  type SchemaTransformConfig,
  type SchemaTransformDescription,
  type SchemaTransformOptions,
  type ServiceProvider,
  type SqlInput,
  type SqlOptions,
  type StartableService,
  schemaTransform,
  sqlTransform,
  TypedValue,
  typed,
} from './external/index.ts';
// What pipelines are made of.
export {
  type AccumulationMode,
  type ClosingBehavior,
  extractContext,
  LookupParam,
  LookupParam as ParDoLookupParam,
  Metric,
  MultiParDo,
  type OnTimeBehavior,
  P,
  type ParamProvider,
  ParDo,
  ParDoParam,
  PCollection,
  PTransformClass as AsyncPTransformClass,
  type PValue,
  PValueWrapper,
  Root,
  SideInputParam,
  type TimestampCombiner,
  UpdateParam,
  UpdateParam as ParDoUpdateParam,
  withContext,
} from './pipeline/index.ts';
// Running.
export * from './runners/index.ts';
// The core library.
export * from './transforms/index.ts';

// --- For libraries ---------------------------------------------------------------------------

// Coders of one's own.
export { ByteReader, ByteWriter } from './base/index.ts';
export {
  BoolCoder,
  BytesCoder,
  type Coder,
  type CoderSpec,
  DoubleCoder,
  GlobalWindowCoder,
  InstantCoder,
  IntervalWindowCoder,
  IterableCoder,
  JsCoder,
  KVCoder,
  NullableCoder,
  type OwnLogicalType,
  registerCoder,
  registerLogicalType,
  requireForSerialization,
  StrUtf8Coder,
  VarIntCoder,
} from './coders/index.ts';
// The graph.
export { Pipeline, type TransformNode } from './pipeline/index.ts';
export { RowCoder } from './schema/index.ts';
