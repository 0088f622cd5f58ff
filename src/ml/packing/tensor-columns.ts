// SPDX-License-Identifier: Apache-2.0
// Columns of tensors: a header with the number type and the shape, or every shape where they differ,
// then all elements. These start at a multiple of eight, so that whoever reads can take them as they
// lie. The other end, and the description of the bytes, is python-env/beambridge_host/wire/columns.py.

import { BeamBridgeError, type ByteReader } from '../../base/index.ts';
import {
  copyTensor,
  sizeOf,
  TENSOR_ARRAYS,
  Tensor,
  type TensorElement,
  type TensorStore,
  type TensorType,
  tensorShape,
  tensorStore,
} from '../../coders/index.ts';
import { WIRE_TYPES as NUMBER_TYPES } from './numbers.ts';

export const TENSORS = 4;
export const RAGGED_TENSORS = 5;
const ALIGNMENT = 8;

/** The number types of the wire, by their byte. */
const WIRE_TYPES = [...NUMBER_TYPES, Uint8Array] as const;

/** Packs and reads tensors of one declared type. */
export class TensorColumn {
  constructor(
    private readonly name: string,
    private readonly type: TensorType,
  ) {}

  /** The parts of the column; undefined when a value does not fit, which the row coder then names. */
  pack(values: readonly unknown[]): Uint8Array[] | undefined {
    const { type } = this;
    const shapes: (readonly number[])[] = new Array(values.length);
    let store: TensorStore;
    try {
      let total = 0;
      for (let i = 0; i < values.length; i++) {
        const shape = tensorShape(type, values[i]);
        shapes[i] = shape;
        total += sizeOf(shape);
      }
      store = tensorStore(type.element, total);
      for (let i = 0, at = 0; i < values.length; i++) {
        const shape = shapes[i]!;
        copyTensor(type, values[i], shape, store, at);
        at += sizeOf(shape);
      }
    } catch {
      // A FieldMismatch, without the path to the field.
      return undefined;
    }
    const numbers = type.element === 'int64' ? narrowed(store as Float64Array) : store;
    return [this.header(numbers, shapes), bytesOf(numbers)];
  }

  private header(numbers: TensorStore, shapes: readonly (readonly number[])[]): Uint8Array {
    const rank = this.type.shape.length;
    const [first = this.type.shape.map((size) => size ?? 0)] = shapes;
    const isRagged = shapes.some((shape) => shape.some((size, i) => size !== first[i]));
    const written = isRagged ? shapes : [first];
    const header = new Uint8Array(headerSize(rank * written.length));
    header.set([isRagged ? RAGGED_TENSORS : TENSORS, wireCode(numbers), rank]);
    const view = new DataView(header.buffer);
    written.flat().forEach((size, i) => view.setUint32(4 + 4 * i, size, true));
    return header;
  }

  /** The column after its first byte. */
  read(kind: number, input: ByteReader, count: number): Tensor[] {
    const Wire = WIRE_TYPES[input.byte()];
    const rank = input.byte();
    input.byte();
    const dimensions = rank * (kind === RAGGED_TENSORS ? count : 1);
    const sizes = new Uint32Array(new Uint8Array(input.bytes(4 * dimensions)).buffer);
    input.bytes(headerSize(dimensions) - 4 - 4 * dimensions);
    const bytes = input.rest();
    if (!Wire || bytes.length % Wire.BYTES_PER_ELEMENT !== 0) throw malformed();
    // One copy for all, because typed arrays start at a multiple of their element's size.
    const numbers = new (Wire as Float64ArrayConstructor)(new Uint8Array(bytes).buffer);
    const store = this.declared(numbers);
    const { element } = this.type;
    if (rank !== this.type.shape.length) throw malformed();
    let shape = Array.from(sizes.subarray(0, rank));
    let size = sizeOf(shape);
    // Bytes bound the count, before there is room for that many.
    if (kind === TENSORS && size * count !== store.length) throw malformed();
    const out: Tensor[] = [];
    let used = 0;
    for (let i = 0, at = 0; i < count; i++, at += size) {
      if (kind === RAGGED_TENSORS) {
        shape = Array.from(sizes.subarray(rank * i, rank * (i + 1)));
        size = sizeOf(shape);
      }
      if (at + size > store.length) throw malformed();
      used = at + size;
      out.push(new Tensor<TensorElement>(element, shape, store.subarray(at, at + size)));
    }
    if (used !== store.length) throw malformed();
    return out;
  }

  /** The elements in the typed array of the declared type. */
  private declared(numbers: TensorStore): TensorStore {
    const { element } = this.type;
    const Store = TENSOR_ARRAYS[element];
    if (numbers instanceof Store) return numbers;
    if (element === 'bigint64') {
      return BigInt64Array.from(numbers as Int32Array, (value: number) => BigInt(value));
    }
    if (!(numbers instanceof BigInt64Array)) {
      return (Store as Float64ArrayConstructor).from(numbers);
    }
    const unsafe = numbers.find((value) => !Number.isSafeInteger(Number(value)));
    if (unsafe === undefined) return Float64Array.from(numbers, Number);
    throw new BeamBridgeError(
      'INT64_OUT_OF_RANGE',
      `field ${this.name} holds ${unsafe}, outside the integers that a number holds exactly (±2^53 - 1)`,
      { hint: 'Declare a tensor of bigint64.' },
    );
  }
}

function headerSize(dimensions: number): number {
  return Math.ceil((4 + 4 * dimensions) / ALIGNMENT) * ALIGNMENT;
}

/** Whole numbers in the narrowest type that holds them all. */
function narrowed(numbers: Float64Array): TensorStore {
  let low = 0;
  let high = 0;
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i]!;
    if (value < low) low = value;
    else if (value > high) high = value;
  }
  const within = (bits: number) => low >= -(2 ** bits) && high < 2 ** bits;
  if (within(7)) return new Int8Array(numbers);
  if (within(15)) return new Int16Array(numbers);
  return within(31) ? new Int32Array(numbers) : numbers;
}

function wireCode(numbers: TensorStore): number {
  return WIRE_TYPES.findIndex((Wire) => numbers instanceof Wire);
}

function bytesOf(view: TensorStore): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function malformed(): BeamBridgeError {
  return new BeamBridgeError('MALFORMED_DATA', 'a column of tensors is cut or damaged');
}
