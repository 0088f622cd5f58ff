// SPDX-License-Identifier: Apache-2.0
// Values to bytes and back: Beam's standard coders, the row coder, and the coder of plain
// JavaScript values. May import `proto` and `base`.

export { BytesOf } from './bytes-of.ts';
export { ownCopy, ownCopyBy, ownCopyOr, ownResult, storedForm } from './checked-copy.ts';
export { decodeValue, encodeValue, transcode } from './codec.ts';
export type { Coder, CoderSpec } from './coder.ts';
export {
  deterministicForm,
  isKeyValue,
  KVCoder,
  keyValue,
  LengthPrefixCoder,
  NullableCoder,
  ShardedKeyCoder,
} from './composite-coders.ts';
export { type ContentOptions, coderContents } from './content.ts';
export { describeValue, withoutValues } from './describe.ts';
export { FLOAT32_WHOLE, fitsFloat32, whyNotFloat32 } from './float32.ts';
export { exactMillis, InstantCoder, readInstant, writeInstant } from './instant.ts';
export { instantOf, numberOf } from './instant-of.ts';
export {
  IterableCoder,
  type IterableOptions,
  StateBackedIterableCoder,
} from './iterable-coders.ts';
export { requireForSerialization } from './js/classes.ts';
export { JS_CODER_URN, JS_DETERMINISTIC_CODER_URN, JsCoder } from './js/js-coder.ts';
export { EnumerationCoder, Float32Coder, limitOf, NarrowIntCoder } from './limited-coders.ts';
export { Decimal, MicrosInstant } from './logical-values.ts';
export { BoolCoder, BytesCoder, DoubleCoder, StrUtf8Coder } from './primitive-coders.ts';
export {
  type CoderContext,
  type CoderFactory,
  coderFromProto,
  coderFromSpec,
  coderToProto,
  type InternCoder,
  internCodersInto,
  registerCoder,
} from './proto.ts';
export {
  type ArrayType,
  type AtomicKind,
  type AtomicType,
  type EnumerationType,
  type FieldType,
  type IterableType,
  type LogicalType,
  type MapType,
  type NullableType,
  type RowField,
  type RowFieldsType,
  sameType,
  type TensorType,
  typeName,
} from './row/field-type.ts';
export type { PythonCallableValue } from './row/logical-codecs.ts';
export {
  type OwnLogicalType,
  ownLogicalType,
  registerLogicalType,
} from './row/own-logical-types.ts';
export { RowCoder, SCHEMA_VALUE_CODER_URN, SchemaValueCoder } from './row/row-coder.ts';
export {
  copyTensor,
  type TensorStore,
  tensorShape,
  tensorStore,
} from './row/tensor-values.ts';
export { schemaFromProto } from './row/type-from-proto.ts';
export { fieldTypeToProto, schemaToProto } from './row/type-to-proto.ts';
export { setField } from './set-field.ts';
export { StateBackedIterable, type StateReader } from './state-backed-iterable.ts';
export {
  elementNames,
  isTensorElement,
  type Nested,
  sizeOf,
  TENSOR_ARRAYS,
  Tensor,
  type TensorArrays,
  type TensorElement,
  type TensorValue,
} from './tensor.ts';
export { isWellFormed, requireWellFormed } from './text.ts';
export {
  isTypedArrayKind,
  TYPED_ARRAY_KINDS,
  type TypedArrayKind,
  VIEWED_BYTES,
} from './typed-arrays.ts';
export { UnknownCoder } from './unknown-coder.ts';
export {
  END_OF_GLOBAL_WINDOW,
  GlobalWindow,
  type Instant,
  IntervalWindow,
  type KV,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  NO_FIRING,
  type PaneInfo,
  type ShardedKey,
  type Timer,
  Timing,
  type Window,
  type WindowedValue,
} from './values.ts';
export { VarIntCoder, type VarIntOptions } from './var-int-coder.ts';
export { CustomWindowCoder, GlobalWindowCoder, IntervalWindowCoder } from './window-coders.ts';
export {
  ParamWindowedValueCoder,
  TimerCoder,
  WindowedValueCoder,
} from './windowed-value-coders.ts';
