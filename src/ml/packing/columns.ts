// SPDX-License-Identifier: Apache-2.0
// Many values of one declared type as bytes: a column of a packed batch. The other end, and the
// description of the bytes, is python-env/beambridge_host/wire/columns.py.

import { endianness } from 'node:os';
import { BeamBridgeError, ByteReader, type ByteWriter } from '../../base/index.ts';
import {
  type FieldType,
  isTypedArrayKind,
  RowCoder,
  TYPED_ARRAY_KINDS,
  transcode,
  VIEWED_BYTES,
} from '../../coders/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import {
  type ColumnBuilder,
  columnBuilder,
  EQUAL_LISTS,
  LISTS,
  NUMBERS,
} from './column-builder.ts';
import { type NumberKind, numberKind } from './number-store.ts';
import { type Numbers, Room, WIRE_TYPES } from './numbers.ts';
import { isPackedRow, ROWS, RowColumn } from './row-columns.ts';
import { RAGGED_TENSORS, TENSORS, TensorColumn } from './tensor-columns.ts';

const CODED = 0;

/** Typed arrays have the byte order of the machine, and columns are little-endian. */
const CAN_PACK = endianness() === 'LE';

/** Writes and reads columns of one declared field. */
export class ColumnCodec {
  private readonly element: FieldType | undefined;
  private readonly kind: NumberKind | undefined;
  private readonly coder: RowCoder;
  private readonly tensors: TensorColumn | undefined;
  private readonly rows: RowColumn | undefined;
  private readonly room = new Room();

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

  /**
   * What comes out again of a value.
   *
   * @throws BeamBridgeError as {@link write}
   */
  transcoded(value: unknown): unknown {
    return transcode(this.coder, { [this.name]: value })[this.name];
  }

  /** A column of this field to build a value at a time, where the type has such columns. */
  builder(): ColumnBuilder | undefined {
    if (this.rows) return this.rows.builder();
    return this.kind && columnBuilder(this.kind, this.element !== undefined, this.room);
  }

  /** @throws BeamBridgeError `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` for a value of another type */
  write(values: readonly unknown[], out: ByteWriter): void {
    const packed = this.built(values) ?? this.tensors?.pack(values) ?? this.rows?.pack(values);
    if (packed) {
      for (const part of packed) out.bytes(part);
      return;
    }
    // Right for every type, and names the value that does not fit.
    out.byte(CODED);
    for (const value of values) this.coder.encode({ [this.name]: value }, out);
  }

  private built(values: readonly unknown[]): Uint8Array[] | undefined {
    const builder = this.builder();
    return builder?.addAll(values) ? builder.parts() : undefined;
  }

  /** @throws BeamBridgeError `INT64_OUT_OF_RANGE`, `MALFORMED_DATA` */
  read(bytes: Uint8Array, count: number): unknown[] {
    const next = this.reader(bytes, count);
    return Array.from({ length: count }, () => next());
  }

  /**
   * Gives a column's values one after the other, each made when it is asked for.
   *
   * @throws BeamBridgeError `INT64_OUT_OF_RANGE`, `MALFORMED_DATA`, from what is returned as well
   */
  reader(bytes: Uint8Array, count: number): () => unknown {
    const input = new ByteReader(bytes);
    const kind = input.byte();
    if (kind === CODED) return () => this.coder.decode(input, true)[this.name];
    if ((kind === TENSORS || kind === RAGGED_TENSORS) && this.tensors) {
      return inOrder(this.tensors.read(kind, input, count));
    }
    if (kind === ROWS && this.rows) return this.rows.reader(input, count);
    const isList = kind === EQUAL_LISTS || kind === LISTS;
    const { kind: number } = this.element ?? this.type;
    const isNumeric = number === 'bigint64' || numberKind(this.element ?? this.type) !== undefined;
    if (!isNumeric || isList !== (this.element !== undefined)) {
      throw damaged(`is of kind ${kind}, which ${this.type.kind} has not`);
    }
    if (!isList && kind !== NUMBERS) throw damaged(`is of unknown kind ${kind}`);
    const wire = input.byte();
    if (kind === NUMBERS) {
      const all = this.numbers(input, wire, this.type);
      if (all.length !== count) throw damaged(`has ${all.length} numbers for ${count} rows`);
      return inOrder(all);
    }
    const lengths = copyInto(Uint32Array, input.bytes(4 * (kind === EQUAL_LISTS ? 1 : count)));
    const all = this.numbers(input, wire, this.element);
    const expected =
      kind === EQUAL_LISTS ? lengths[0]! * count : lengths.reduce((sum, each) => sum + each, 0);
    if (all.length !== expected) {
      throw damaged(`has ${all.length} numbers for ${count} lists of ${expected}`);
    }
    const Typed = typedArrayOf(this.type);
    const listAt = Typed
      ? viewsOf(all, Typed)
      : (start: number, length: number) => listOf(all, start, length);
    let row = 0;
    let start = 0;
    return () => {
      const length = lengths[kind === EQUAL_LISTS ? 0 : row++]!;
      const list = listAt(start, length);
      start += length;
      return list;
    };
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

/** What cannot be right is refused: rows without values would pass as undefined. */
function damaged(what: string): BeamBridgeError {
  return new BeamBridgeError('MALFORMED_DATA', `a packed column ${what}`);
}

/** Numbers in the declared JavaScript type. */
type Values = Numbers | number[] | bigint[];

function inOrder(values: ArrayLike<unknown>): () => unknown {
  let next = 0;
  return () => values[next++];
}

/** The typed array of a declared list of numbers, if it is to be one. */
function typedArrayOf(type: FieldType): Float64ArrayConstructor | undefined {
  if (type.kind !== 'array' || !type.typed || !isTypedArrayKind(type.element.kind))
    return undefined;
  return TYPED_ARRAY_KINDS[type.element.kind] as Float64ArrayConstructor;
}

/** Gives, from front to back, parts of `all` as typed arrays that their owners may write to. */
function viewsOf(
  all: Values,
  Typed: Float64ArrayConstructor,
): (start: number, length: number) => unknown {
  const most = VIEWED_BYTES / Typed.BYTES_PER_ELEMENT;
  let block = new Typed(0);
  /** What of `all` the block is a copy of. */
  let from = 0;
  return (start, length) => {
    if (start + length > from + block.length) {
      from = start;
      block = partOf(all, Typed, start, Math.max(start + length, start + most));
    }
    return new Typed(block.buffer, (start - from) * Typed.BYTES_PER_ELEMENT, length);
  };
}

/** A copy of a part. Numbers of a narrower type are set in an array that is there: that takes half as long as to make one of them. */
function partOf(
  all: Values,
  Typed: Float64ArrayConstructor,
  start: number,
  end: number,
): Float64Array<ArrayBuffer> {
  if (Array.isArray(all)) return new Typed(all.slice(start, end) as number[]);
  const part = all.subarray(start, end);
  const copy = new Typed(part.length);
  copy.set(part);
  return copy;
}

function listOf(all: Values, start: number, length: number): unknown {
  // Not Array.from or slice: those ask each typed array for an iterator, which takes four times as long.
  const list = new Array<number | bigint>(length);
  for (let j = 0; j < length; j++) list[j] = all[start + j]!;
  return list;
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
