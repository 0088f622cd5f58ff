// SPDX-License-Identifier: Apache-2.0
// Examples as an ONNX model's input tensors, and its output tensors as predictions.

import { BeamBridgeError } from '../../base/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import type { OnnxData, OnnxPort, OnnxRuntime, OnnxTensor } from './onnx-runtime.ts';

/** Arrays that hold the elements of a tensor type; others cannot be given from here. */
const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  bool: Uint8Array,
} as const;

type Flat = readonly (number | bigint | boolean | string)[] | ArrayLike<number | bigint>;

/** The elements of one example, without its shape. */
interface Elements {
  readonly flat: Flat;
  readonly shape: readonly number[];
}

/** A value with its shape: numbers and strings, lists of them, lists of lists, tensors. */
function elementsOf(value: unknown): Elements {
  if (ArrayBuffer.isView(value)) {
    const flat = value as unknown as ArrayLike<number>;
    return { flat, shape: [flat.length] };
  }
  if (Array.isArray(value)) {
    const [first] = value;
    if (!Array.isArray(first) && !ArrayBuffer.isView(first)) {
      return { flat: value, shape: [value.length] };
    }
    const parts = value.map(elementsOf);
    return {
      flat: parts.flatMap(({ flat }) => Array.from(flat as ArrayLike<number>)),
      shape: [value.length, ...parts[0]!.shape],
    };
  }
  const tensor = value as { data?: unknown; shape?: unknown } | null;
  if (typeof tensor === 'object' && ArrayBuffer.isView(tensor?.data)) {
    return { flat: tensor.data as never, shape: tensor.shape as number[] };
  }
  return { flat: [value as number], shape: [] };
}

/**
 * The examples' values for one input, as one tensor.
 *
 * @throws BeamBridgeError `ROW_MISMATCH` for values of different shapes, or of a shape or type that
 *   the input does not take
 */
export function inputTensor(
  { Tensor }: OnnxRuntime,
  port: OnnxPort,
  values: readonly unknown[],
): OnnxTensor {
  const parts = values.map(elementsOf);
  const { shape, flat } = parts[0]!;
  const count = flat.length;
  const odd = parts.find((part) => part.flat.length !== count || !sameShape(part.shape, shape));
  if (odd) {
    throw new BeamBridgeError(
      'ROW_MISMATCH',
      `examples of shapes ${describe(shape)} and ${describe(odd.shape)} cannot be one batch for the input ${port.name}`,
      { hint: 'Give all examples one shape, or set batching: { maxSize: 1 }.' },
    );
  }
  const dims = [values.length, ...fitted(port, shape, count)];
  return new Tensor(port.type ?? 'float32', dataOf(port, parts, values.length * count), dims);
}

const sameShape = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((size, i) => size === b[i]);

const describe = (shape: readonly unknown[]) => `[${shape.join(', ')}]`;

/** The shape of one example as the model wants it: a flat list may stand for any shape of its size. */
function fitted(port: OnnxPort, shape: readonly number[], count: number): readonly number[] {
  const wanted = port.shape?.slice(1);
  if (!wanted || port.shape!.length === 0) return shape;
  const fits = (sizes: readonly number[]) =>
    sizes.length === wanted.length &&
    sizes.every(
      (size, i) => typeof wanted[i] === 'string' || wanted[i] === size || wanted[i] === -1,
    );
  if (fits(shape)) return shape;
  const sizes = wanted.map((size) => (typeof size === 'number' && size > 0 ? size : undefined));
  const isFixed = sizes.every((size) => size !== undefined);
  const product = sizes.reduce<number>((a, b) => a * (b ?? 1), 1);
  if (shape.length <= 1 && isFixed && product === count) return sizes as number[];
  throw new BeamBridgeError(
    'ROW_MISMATCH',
    `an example has the shape ${describe(shape)}, and the input ${port.name} takes ${describe(wanted)}`,
    { hint: 'Change the declared example type, or the elements, to what the model takes.' },
  );
}

function dataOf(port: OnnxPort, parts: readonly Elements[], total: number): OnnxData {
  const type = port.type ?? 'float32';
  if (type === 'string') return parts.flatMap(({ flat }) => Array.from(flat as string[], String));
  if (type === 'int64' || type === 'uint64') {
    const out = type === 'int64' ? new BigInt64Array(total) : new BigUint64Array(total);
    fill(parts, (flat, at) => {
      for (let i = 0; i < flat.length; i++) out[at + i] = BigInt(whole(port, flat[i]));
    });
    return out;
  }
  const Type = Object.hasOwn(ARRAYS, type) ? ARRAYS[type as keyof typeof ARRAYS] : undefined;
  if (!Type) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `the input ${port.name} takes ${type} values, which cannot be given from TypeScript`,
      { hint: 'Export the model with float32 inputs, or run it in Python with onnx(…).' },
    );
  }
  const out = new Type(total);
  const isFraction = type === 'float32' || type === 'float64';
  fill(parts, (flat, at) => {
    if (isFraction) out.set(flat as ArrayLike<number>, at);
    else for (let i = 0; i < flat.length; i++) out[at + i] = Number(whole(port, flat[i]));
  });
  return out;
}

function fill(parts: readonly Elements[], put: (flat: Flat, at: number) => void): void {
  let at = 0;
  for (const { flat } of parts) {
    put(flat, at);
    at += flat.length;
  }
}

function whole(port: OnnxPort, value: unknown): number | bigint | boolean {
  if (typeof value === 'bigint' || typeof value === 'boolean') return value;
  if (Number.isSafeInteger(value)) return value as number;
  throw new BeamBridgeError(
    'ROW_MISMATCH',
    `the input ${port.name} takes ${port.type} values, and ${String(value)} is none`,
  );
}

/** What to do about an output that is a map or a sequence. */
export const ZIPMAP_HINT =
  'Name another output with `output`; scikit-learn models want zipmap off: options={"zipmap": False} of skl2onnx.';

/**
 * What an output tensor says of each example, in the declared JavaScript type.
 *
 * @throws BeamBridgeError `INFERENCE_MISMATCH` for a tensor that has not one part for each example
 */
export function predictionsOf(
  name: string,
  tensor: OnnxTensor,
  type: SchemaType,
  count: number,
): unknown[] {
  const { dims } = tensor;
  const data = tensor.data as ArrayLike<number | bigint | string>;
  if (!data || (dims[0] ?? 1) !== count) {
    throw new BeamBridgeError(
      'INFERENCE_MISMATCH',
      data
        ? `the output ${name} has the shape ${describe(dims)} for ${count} examples`
        : `the output ${name} is no tensor`,
      { hint: ZIPMAP_HINT },
    );
  }
  const size = data.length / count;
  const convert = converter(tensor.type, type);
  const isList = type.kind === 'array' || type.kind === 'iterable';
  return Array.from({ length: count }, (_, row) => {
    if (!isList && size === 1) return convert(data[row]);
    const out = new Array<unknown>(size);
    for (let i = 0; i < size; i++) out[i] = convert(data[row * size + i]);
    return out;
  });
}

/** Elements as the declared type has them; what does not fit is found when predictions are checked. */
function converter(from: string, type: SchemaType): (value: unknown) => unknown {
  const element = type.kind === 'array' || type.kind === 'iterable' ? type.element : type;
  if (from === 'bool') return (value) => value === 1;
  if ((from === 'int64' || from === 'uint64') && element.kind !== 'bigint64') {
    return (value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
  }
  if (element.kind === 'bigint64') {
    return (value) => (Number.isInteger(Number(value)) ? BigInt(value as number) : value);
  }
  return (value) => value;
}
