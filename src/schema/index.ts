// SPDX-License-Identifier: Apache-2.0
// Schema types that a person writes and TypeScript infers from, and the coders that follow from
// them. May import `proto`, `coders` and `base`.

// Their values.
// Types at work.
export {
  Decimal,
  MicrosInstant,
  type Nested,
  type PythonCallableValue,
  sameType,
  Tensor,
  type TensorArrays,
  type TensorElement,
  type TensorValue,
  typeName,
} from '../coders/index.ts';
export { coderOf, isPortable, rowCoder } from './coder-of.ts';
// Types from examples.
export { type InferOptions, inferSchema } from './infer.ts';
export { schemaFromProto, schemaToProto } from './proto.ts';
export { RowCoderByExample as RowCoder } from './row-coder.ts';
export { type Accepts, type TensorElementType, tensor, uint8 } from './tensors.ts';
// Types to write.
export {
  array,
  bigint64,
  boolean,
  byte,
  bytes,
  decimal,
  double,
  enumeration,
  fixedBytes,
  fixedString,
  float,
  float32,
  float64,
  type Infer,
  type InferFields,
  int16,
  int32,
  int64,
  isSchemaType,
  iterable,
  map,
  microsInstant,
  millisInstant,
  nullable,
  pythonCallableType,
  type RowFields,
  type RowType,
  requireRow,
  row,
  type SchemaType,
  type SimpleType,
  string,
  type TypedArrays,
  typedArray,
  varBytes,
  varString,
} from './types.ts';
