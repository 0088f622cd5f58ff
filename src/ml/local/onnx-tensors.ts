// SPDX-License-Identifier: Apache-2.0
// Examples as an ONNX model's input tensors, and its output tensors as predictions.

import { BeamBridgeError } from '../../base/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import { dataOf } from './onnx-casting.ts';
import { described, type Elements, fittedShape } from './onnx-elements.ts';
import type { OnnxPort, OnnxRuntime, OnnxTensor } from './onnx-runtime.ts';

/**
 * Examples' elements for one input, all of one shape, as one tensor.
 *
 * @throws BeamBridgeError `ROW_MISMATCH` for a shape or an element that the input does not take
 */
export function inputTensor(
  { Tensor }: OnnxRuntime,
  port: OnnxPort,
  declared: SchemaType,
  rows: readonly Elements[],
): OnnxTensor {
  const shape = fittedShape(port, rows[0]!);
  const total = rows.length * rows[0]!.flat.length;
  return new Tensor(port.type ?? 'float32', dataOf(port, declared, rows, total), [
    rows.length,
    ...shape,
  ]);
}

/** An output that is a map or a sequence. */
export function noTensor(name: string, cause?: unknown): BeamBridgeError {
  return new BeamBridgeError(
    'INFERENCE_MISMATCH',
    `the output ${name} of the model is no tensor but a map or a sequence, which onnxruntime-node does not read`,
    {
      hint: 'Name another output with `output`, export the model without ZipMap (options={"zipmap": False} of skl2onnx), or run it in Python with onnx(…).',
      cause,
    },
  );
}

/**
 * What an output tensor says of each example, in the declared JavaScript type.
 *
 * @throws BeamBridgeError `INFERENCE_MISMATCH` for a tensor that has not one part for each example, or whose parts
 *   have other dimensions than the declared type
 */
export function predictionsOf(
  name: string,
  tensor: OnnxTensor,
  type: SchemaType,
  count: number,
): unknown[] {
  const { dims } = tensor;
  if (!tensor.data) throw noTensor(name);
  const { data, from } = readable(tensor);
  if ((dims[0] ?? 1) !== count) {
    throw new BeamBridgeError(
      'INFERENCE_MISMATCH',
      `the output ${name} has the shape ${described(dims)} for ${count} examples`,
      { hint: 'The first dimension of an output must be the batch, also for a batch of one.' },
    );
  }
  const size = data.length / count;
  const plain = type.kind === 'nullable' ? type.value : type;
  const convert = converter(from, plain);
  if (plain.kind === 'tensor' && SAME[plain.element] === from) {
    return Array.from({ length: count }, (_, row) => ({
      shape: dims.slice(1),
      data: (data as Float32Array).slice(row * size, (row + 1) * size),
    }));
  }
  const inner = dims.slice(1);
  const shape = plain.kind === 'tensor' ? inner : declaredShape(name, inner, depthOf(plain));
  const partOf = (at: number, level: number, length: number): unknown => {
    if (level === shape.length) return convert(data[at]);
    const step = length / shape[level]!;
    const out = new Array<unknown>(shape[level]!);
    for (let i = 0; i < out.length; i++) out[i] = partOf(at + i * step, level + 1, step);
    return out;
  };
  return Array.from({ length: count }, (_, row) => partOf(row * size, 0, size));
}

/** The elements and their type. Halves, which Node.js 20 has no array of, come as their bits. */
function readable({ type, data }: OnnxTensor): {
  data: ArrayLike<number | bigint | string>;
  from: string;
} {
  const all = data as ArrayLike<number | bigint | string>;
  if (type !== 'float16') return { data: all, from: type };
  const isBits = data instanceof Uint16Array;
  return {
    data: Float32Array.from(all as ArrayLike<number>, isBits ? half : Number),
    from: 'float32',
  };
}

/** The value of a half, IEEE 754's binary16, which float32 holds exactly. */
function half(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** How many lists are declared around the innermost value. */
function depthOf(type: SchemaType): number {
  if (type.kind === 'nullable') return depthOf(type.value);
  return type.kind === 'array' || type.kind === 'iterable' ? 1 + depthOf(type.element) : 0;
}

/** The dimensions of a part as lists of so many levels: those of length one may be left out. */
function declaredShape(name: string, inner: readonly number[], depth: number): readonly number[] {
  let surplus = inner.length - depth;
  const shape = inner.filter((size) => !(size === 1 && surplus > 0 && surplus--));
  if (shape.length === depth) return shape;
  throw new BeamBridgeError(
    'INFERENCE_MISMATCH',
    `the output ${name} has the shape ${described(inner)} for each example, and lists of ${depth} dimensions are declared`,
    { hint: 'Declare array(…) for each dimension, or tensor(element, shape).' },
  );
}

/** By the declared element of a tensor, the type of the model's that is held in the same array. */
const SAME: Readonly<Record<string, string>> = {
  float32: 'float32',
  float64: 'float64',
  byte: 'int8',
  int16: 'int16',
  int32: 'int32',
  bigint64: 'int64',
  uint8: 'uint8',
};

/** Elements as the declared type has them; what does not fit is found when predictions are checked. */
function converter(from: string, type: SchemaType): (value: unknown) => unknown {
  if (type.kind === 'array' || type.kind === 'iterable') return converter(from, type.element);
  if (type.kind === 'nullable') return converter(from, type.value);
  if (from === 'bool') return (value) => value === 1;
  if (from === 'string') return (value) => value;
  const kind = type.kind === 'tensor' ? type.element : type.kind;
  if (kind === 'bigint64') {
    return (value) => (Number.isInteger(Number(value)) ? BigInt(value as number) : value);
  }
  if (from.startsWith('float')) return (value) => value;
  // A whole number that a fraction would round stays a bigint, which is none.
  const fits = FITS[kind] ?? Number.isSafeInteger;
  return (value) =>
    fits(Number(value), value as number) ? Number(value) : BigInt(value as number);
}

const FITS: Readonly<Record<string, (number: number, whole: number | bigint) => boolean>> = {
  float32: (number, whole) => Math.fround(number) === number && BigInt(number) === BigInt(whole),
  float64: (number, whole) => BigInt(number) === BigInt(whole),
};
