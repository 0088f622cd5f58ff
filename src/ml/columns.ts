// SPDX-License-Identifier: Apache-2.0
// Many values of one declared type as bytes: a column of a packed batch. The other end, and the
// description of the bytes, is python-env/beambridge_host/columns.py.

import { endianness } from 'node:os';
import { BeamBridgeError, ByteReader, type ByteWriter } from '../base/index.ts';
import { type FieldType, isTypedArrayKind, RowCoder, TYPED_ARRAY_KINDS } from '../coders/index.ts';
import type { SchemaType } from '../schema/index.ts';
import { isPackedRow, ROWS, RowColumn } from './row-columns.ts';
import { RAGGED_TENSORS, TENSORS, TensorColumn } from './tensor-columns.ts';

const CODED = 0;
const NUMBERS = 1;
const EQUAL_LISTS = 2;
const LISTS = 3;

/** The number types of the wire, by their byte. */
const WIRE_TYPES = [
  Int8Array,
  Int16Array,
  Int32Array,
  BigInt64Array,
  Float32Array,
  Float64Array,
] as const;
const [I1, I2, I4, F4, F8] = [0, 1, 2, 4, 5] as const;
type Numbers = Exclude<InstanceType<(typeof WIRE_TYPES)[number]>, BigInt64Array>;

/** Typed arrays have the byte order of the machine, and columns are little-endian. */
const CAN_PACK = endianness() === 'LE';

const LIMITS = {
  byte: 2 ** 7,
  int16: 2 ** 15,
  int32: 2 ** 31,
  int64: Number.MAX_SAFE_INTEGER + 1,
} as const;
const MAX_FLOAT32 = 3.4028234663852886e38;

type NumberKind = keyof typeof LIMITS | 'float32' | 'float64';

function numberKind(type: FieldType): NumberKind | undefined {
  return type.kind in LIMITS || type.kind === 'float32' || type.kind === 'float64'
    ? (type.kind as NumberKind)
    : undefined;
}

/** Writes and reads columns of one declared field. */
export class ColumnCodec {
  private readonly element: FieldType | undefined;
  private readonly kind: NumberKind | undefined;
  private readonly coder: RowCoder;
  private readonly tensors: TensorColumn | undefined;
  private readonly rows: RowColumn | undefined;

  constructor(
    private readonly name: string,
    private readonly type: SchemaType,
  ) {
    if (type.kind === 'array' || type.kind === 'iterable') this.element = type.element;
    this.kind = CAN_PACK ? numberKind(this.element ?? type) : undefined;
    if (CAN_PACK && type.kind === 'tensor') this.tensors = new TensorColumn(name, type);
    if (CAN_PACK && type.kind === 'row' && isPackedRow(type)) {
      this.rows = new RowColumn(
        type.fields.map((field) => [field.name, new ColumnCodec(field.name, field.type)]),
      );
    }
    this.coder = new RowCoder({ kind: 'row', fields: [{ name, type }] });
  }

  /** @throws BeamBridgeError `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` for a value of another type */
  write(values: readonly unknown[], out: ByteWriter): void {
    const packed =
      this.tensors?.pack(values) ??
      this.rows?.pack(values) ??
      (this.kind && (this.element ? this.packLists(values) : this.packNumbers(values)));
    if (packed) {
      for (const part of packed) out.bytes(part);
      return;
    }
    // Right for every type, and names the value that does not fit.
    out.byte(CODED);
    for (const value of values) this.coder.encode({ [this.name]: value }, out);
  }

  private packNumbers(values: readonly unknown[]): Uint8Array[] | undefined {
    const numbers = pack(this.kind!, [values], values.length);
    return numbers && [Uint8Array.of(NUMBERS, wireCode(numbers)), bytesOf(numbers)];
  }

  private packLists(values: readonly unknown[]): Uint8Array[] | undefined {
    const lengths = new Uint32Array(values.length);
    let total = 0;
    let equal = values.length > 0;
    for (let i = 0; i < values.length; i++) {
      const list = values[i];
      if (!Array.isArray(list) && !(ArrayBuffer.isView(list) && !(list instanceof DataView))) {
        return undefined;
      }
      const { length } = list as ArrayLike<unknown>;
      lengths[i] = length;
      total += length;
      equal &&= length === lengths[0];
    }
    const numbers = pack(this.kind!, values as readonly ArrayLike<unknown>[], total);
    if (!numbers) return undefined;
    return [
      Uint8Array.of(equal ? EQUAL_LISTS : LISTS, wireCode(numbers)),
      bytesOf(equal ? lengths.subarray(0, 1) : lengths),
      bytesOf(numbers),
    ];
  }

  /** @throws BeamBridgeError `INT64_OUT_OF_RANGE`, `MALFORMED_DATA` */
  read(bytes: Uint8Array, count: number): unknown[] {
    const input = new ByteReader(bytes);
    const kind = input.byte();
    if (kind === CODED) {
      return Array.from({ length: count }, () => this.coder.decode(input, true)[this.name]);
    }
    if ((kind === TENSORS || kind === RAGGED_TENSORS) && this.tensors) {
      return this.tensors.read(kind, input, count);
    }
    if (kind === ROWS && this.rows) return this.rows.read(input, count);
    const wire = input.byte();
    if (kind === NUMBERS)
      return Array.from(this.numbers(input, wire, this.type) as ArrayLike<unknown>);
    const lengths = copyInto(Uint32Array, input.bytes(4 * (kind === EQUAL_LISTS ? 1 : count)));
    const all = this.numbers(input, wire, this.element);
    const out = new Array<unknown>(count);
    const Typed = typedArrayOf(this.type);
    for (let i = 0, start = 0; i < count; i++) {
      const length = lengths[kind === EQUAL_LISTS ? 0 : i]!;
      out[i] = listOf(all, start, length, Typed);
      start += length;
    }
    return out;
  }

  /** The rest of the column in the declared JavaScript type. */
  private numbers(input: ByteReader, wire: number, type: FieldType | undefined): Values {
    const Wire = WIRE_TYPES[wire];
    if (!Wire) {
      throw new BeamBridgeError('MALFORMED_DATA', `a column has numbers of unknown type ${wire}`);
    }
    const numbers = copyInto(Wire as Float64ArrayConstructor, input.rest()) as
      | Numbers
      | BigInt64Array;
    if (type?.kind === 'bigint64')
      return Array.from<number | bigint, bigint>(numbers, (value) => BigInt(value));
    if (!(numbers instanceof BigInt64Array)) return numbers;
    return Array.from(numbers, (value) => {
      if (Number.isSafeInteger(Number(value))) return Number(value);
      throw new BeamBridgeError(
        'INT64_OUT_OF_RANGE',
        `field ${this.name} holds ${value}, outside the integers that a number holds exactly (±2^53 - 1)`,
        { hint: 'Declare the field bigint64 and use bigint values.' },
      );
    });
  }
}

/** Numbers in the declared JavaScript type. */
type Values = Numbers | number[] | bigint[];

/** The typed array of a declared list of numbers, if it is to be one. */
function typedArrayOf(type: FieldType): Float64ArrayConstructor | undefined {
  if (type.kind !== 'array' || !type.typed || !isTypedArrayKind(type.element.kind))
    return undefined;
  return TYPED_ARRAY_KINDS[type.element.kind] as Float64ArrayConstructor;
}

function listOf(
  all: Values,
  start: number,
  length: number,
  Typed: Float64ArrayConstructor | undefined,
): unknown {
  if (Typed) return Typed.from(all.slice(start, start + length) as number[]);
  // Not Array.from or slice: those ask each typed array for an iterator, which takes four times as long.
  const list = new Array<number | bigint>(length);
  for (let j = 0; j < length; j++) list[j] = all[start + j]!;
  return list;
}

/** The values in the narrowest typed array that holds them; undefined when one has another type. */
function pack(
  kind: NumberKind,
  lists: readonly ArrayLike<unknown>[],
  total: number,
): Numbers | undefined {
  if (kind === 'float64' || kind === 'float32') return packFractions(kind, lists, total);
  const limit = LIMITS[kind];
  let low = 0;
  let high = 0;
  for (const list of lists) {
    for (let i = 0; i < list.length; i++) {
      const value = list[i] as number;
      if (!Number.isInteger(value)) return undefined;
      if (value < low) low = value;
      else if (value > high) high = value;
    }
  }
  if (high >= limit || low < (kind === 'int64' ? 1 - limit : -limit)) return undefined;
  const within = (bits: number) => low >= -(2 ** bits) && high < 2 ** bits;
  const Wire = within(7)
    ? Int8Array
    : within(15)
      ? Int16Array
      : within(31)
        ? Int32Array
        : Float64Array;
  return fill(new Wire(total), lists);
}

function packFractions(
  kind: 'float32' | 'float64',
  lists: readonly ArrayLike<unknown>[],
  total: number,
): Numbers | undefined {
  const limit = kind === 'float32' ? MAX_FLOAT32 : Number.MAX_VALUE;
  for (const list of lists) {
    for (let i = 0; i < list.length; i++) {
      const value = list[i];
      if (typeof value !== 'number') return undefined;
      if (Math.abs(value) > limit && Number.isFinite(value)) return undefined;
    }
  }
  return fill(new (kind === 'float32' ? Float32Array : Float64Array)(total), lists);
}

function fill<A extends Numbers>(numbers: A, lists: readonly ArrayLike<unknown>[]): A {
  let at = 0;
  for (const list of lists) {
    numbers.set(list as ArrayLike<number>, at);
    at += list.length;
  }
  return numbers;
}

function wireCode(numbers: Numbers): number {
  if (numbers instanceof Int8Array) return I1;
  if (numbers instanceof Int16Array) return I2;
  if (numbers instanceof Int32Array) return I4;
  return numbers instanceof Float32Array ? F4 : F8;
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** A copy, because a view must start at a multiple of its element's size. */
function copyInto<A>(
  Type: { new (buffer: ArrayBuffer): A; readonly BYTES_PER_ELEMENT: number },
  bytes: Uint8Array,
): A {
  if (bytes.length % Type.BYTES_PER_ELEMENT !== 0) {
    throw new BeamBridgeError('MALFORMED_DATA', 'a column of numbers ends inside a number');
  }
  return new Type(new Uint8Array(bytes).buffer);
}
