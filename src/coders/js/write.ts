// SPDX-License-Identifier: Apache-2.0
// Plain JavaScript values to bytes.

import { endianness } from 'node:os';
import {
  BeamBridgeError,
  type ByteWriter,
  isThenable,
  ByteWriter as Writer,
} from '../../base/index.ts';
import { describeValue } from '../describe.ts';
import { writeInstant } from '../instant.ts';
import { Decimal, MicrosInstant } from '../logical-values.ts';
import { StateBackedIterable } from '../state-backed-iterable.ts';
import { Tensor } from '../tensor.ts';
import { isWellFormed } from '../text.ts';
import { GlobalWindow, IntervalWindow } from '../values.ts';
import { registeredName } from './classes.ts';
import { ERRORS, MAX_DEPTH, Tag, TYPED_ARRAYS } from './tags.ts';

/** Writes any value that the JavaScript coder keeps; `sorted` gives equal values equal bytes. */
export function writeJs(value: unknown, out: ByteWriter, sorted: boolean, depth = 0): void {
  switch (typeof value) {
    case 'string':
      writeString(value, out);
      return;
    case 'number':
      writeNumber(sorted && value === 0 ? 0 : value, out);
      return;
    case 'boolean':
      out.byte(value ? Tag.TRUE : Tag.FALSE);
      return;
    case 'undefined':
      out.byte(Tag.UNDEFINED);
      return;
    case 'bigint':
      writeBigInt(value, out);
      return;
    case 'object':
      if (value === null) out.byte(Tag.NULL);
      else writeObject(value, out, sorted, depth);
      return;
    default:
      throw refuse(value, 'Functions and symbols cannot travel: emit the data that they work on.');
  }
}

function refuse(value: unknown, hint: string): BeamBridgeError {
  return new BeamBridgeError(
    'CODER_MISMATCH',
    `a PCollection cannot hold ${describeValue(value)}`,
    { hint },
  );
}

function writeNumber(value: number, out: ByteWriter): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    out.byte(Tag.DOUBLE);
    out.float64(value);
  } else if (value >= 0) {
    if (value < 128) {
      out.byte(Tag.SMALL_INTEGER | value);
    } else {
      out.byte(Tag.INTEGER);
      out.varint(value);
    }
  } else {
    out.byte(Tag.NEGATIVE_INTEGER);
    out.varint(-1 - value);
  }
}

function writeString(value: string, out: ByteWriter): void {
  if (!isWellFormed(value)) {
    out.byte(Tag.UTF16_STRING);
    out.prefixedBytes(Buffer.from(value, 'utf16le'));
    return;
  }
  if (value.length < 64) {
    const size = Buffer.byteLength(value, 'utf8');
    if (size < 64) {
      out.byte(Tag.SHORT_STRING | size);
      out.utf8(value);
      return;
    }
  }
  out.byte(Tag.STRING);
  out.prefixedUtf8(value);
}

function writeBigInt(value: bigint, out: ByteWriter): void {
  out.byte(value < 0n ? Tag.NEGATIVE_BIGINT : Tag.BIGINT);
  const hex = (value < 0n ? -value : value).toString(16);
  out.prefixedBytes(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'));
}

function writeObject(value: object, out: ByteWriter, sorted: boolean, depth: number): void {
  if (depth >= MAX_DEPTH) {
    throw refuse(
      value,
      `It nests more than ${MAX_DEPTH} deep, most likely because it refers to itself: emit plain data without cycles.`,
    );
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    writePlainObject(value as Record<string, unknown>, out, sorted, depth);
  } else if (Array.isArray(value)) {
    const match = value as RegExpMatchArray;
    if (match.index !== undefined && match.input !== undefined) {
      writeMatch(match, out, sorted, depth);
      return;
    }
    out.byte(Tag.ARRAY);
    out.varint(value.length);
    for (let i = 0; i < value.length; i++) writeJs(value[i], out, sorted, depth + 1);
  } else if (ArrayBuffer.isView(value)) {
    writeView(value, out);
  } else if (value instanceof Map) {
    writeEntries(Tag.MAP, value.size, value, out, sorted, ([key, item], entry) => {
      writeJs(key, entry, sorted, depth + 1);
      writeJs(item, entry, sorted, depth + 1);
    });
  } else if (value instanceof Set) {
    writeEntries(Tag.SET, value.size, value, out, sorted, (item, entry) =>
      writeJs(item, entry, sorted, depth + 1),
    );
  } else if (value instanceof Date) {
    out.byte(Tag.DATE);
    out.float64(value.getTime());
  } else if (value instanceof ArrayBuffer) {
    out.byte(Tag.ARRAY_BUFFER);
    out.prefixedBytes(new Uint8Array(value));
  } else if (value instanceof StateBackedIterable) {
    // The grouped values of a key, emitted on as they came: an array, as they are when small.
    writeObject([...value], out, sorted, depth);
  } else if (value instanceof Error) {
    writeError(value, prototype, out, sorted, depth);
  } else {
    writeKnownClass(value, out, sorted, depth);
  }
}

function writePlainObject(
  value: Record<string, unknown>,
  out: ByteWriter,
  sorted: boolean,
  depth: number,
): void {
  const names = Object.keys(value);
  if (sorted) names.sort();
  out.byte(Tag.OBJECT);
  out.varint(names.length);
  for (const name of names) {
    writeString(name, out);
    writeJs(value[name], out, sorted, depth + 1);
  }
}

/** Entries in their own order, or, sorted, in the order of their bytes. */
function writeEntries<T>(
  tag: number,
  count: number,
  entries: Iterable<T>,
  out: ByteWriter,
  sorted: boolean,
  write: (entry: T, out: ByteWriter) => void,
): void {
  out.byte(tag);
  out.varint(count);
  if (!sorted) {
    for (const entry of entries) write(entry, out);
    return;
  }
  const encoded: Uint8Array[] = [];
  for (const entry of entries) {
    const one = new Writer();
    write(entry, one);
    encoded.push(one.take());
  }
  encoded.sort(Buffer.compare);
  for (const bytes of encoded) out.bytes(bytes);
}

function writeView(value: ArrayBufferView, out: ByteWriter): void {
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (Buffer.isBuffer(value)) {
    out.byte(Tag.BUFFER);
    out.prefixedBytes(bytes);
    return;
  }
  const kind = (TYPED_ARRAYS as readonly unknown[]).indexOf(value.constructor);
  if (kind < 0) throw refuse(value, 'Emit one of the standard typed arrays instead.');
  out.byte(Tag.TYPED_ARRAY);
  out.byte(kind);
  out.prefixedBytes(littleEndian(bytes, TYPED_ARRAYS[kind]!.BYTES_PER_ELEMENT));
}

/** The bytes of elements of `size` bytes, turned round on the rare big-endian machine. */
export function littleEndian(bytes: Uint8Array, size: number): Uint8Array {
  if (endianness() === 'LE' || size === 1) return bytes;
  const copy = Buffer.from(bytes);
  return size === 2 ? copy.swap16() : size === 4 ? copy.swap32() : copy.swap64();
}

function writeError(
  value: Error,
  prototype: unknown,
  out: ByteWriter,
  sorted: boolean,
  depth: number,
): void {
  const kind = ERRORS.findIndex((type) => type.prototype === prototype);
  if (kind < 0) throw refuse(value, 'Emit its message and fields as a plain object.');
  const { message: _message, stack: _stack, cause: _cause, ...fields } = value;
  const hasFields = Object.keys(fields).length > 0;
  out.byte(hasFields ? Tag.ERROR_WITH_FIELDS : Tag.ERROR);
  out.byte(kind);
  writeString(value.message, out);
  writeJs(value.stack, out, sorted, depth + 1);
  writeJs(value.cause, out, sorted, depth + 1);
  if (hasFields) writePlainObject(fields, out, sorted, depth + 1);
}

/** What a regular expression matched is an array with fields of its own. */
function writeMatch(value: RegExpMatchArray, out: ByteWriter, sorted: boolean, depth: number) {
  out.byte(Tag.MATCH);
  for (const part of [[...value], value.index, value.input, value.groups]) {
    writeJs(part, out, sorted, depth + 1);
  }
}

function writeKnownClass(value: object, out: ByteWriter, sorted: boolean, depth: number): void {
  if (value instanceof GlobalWindow) {
    out.byte(Tag.GLOBAL_WINDOW);
  } else if (value instanceof IntervalWindow) {
    out.byte(Tag.INTERVAL_WINDOW);
    writeInstant(value.start, out);
    writeInstant(value.end, out);
  } else if (value instanceof Decimal) {
    out.byte(Tag.DECIMAL);
    out.varint(value.scale);
    writeBigInt(value.unscaled, out);
  } else if (value instanceof MicrosInstant) {
    out.byte(Tag.MICROS_INSTANT);
    writeBigInt(value.micros, out);
  } else if (value instanceof Tensor) {
    out.byte(Tag.TENSOR);
    for (const part of [value.dtype, value.shape, value.data]) {
      writeJs(part, out, sorted, depth + 1);
    }
  } else if (isThenable(value)) {
    throw refuse(value, 'Await the promise before emitting its value.');
  } else {
    writeInstance(value, out, sorted, depth);
  }
}

function writeInstance(value: object, out: ByteWriter, sorted: boolean, depth: number): void {
  const name = registeredName(Object.getPrototypeOf(value));
  if (name === undefined) {
    throw refuse(
      value,
      'Class instances lose their methods on the way: emit a plain object ({ ...value }), give the PCollection a schema, or declare the class with requireForSerialization.',
    );
  }
  out.byte(Tag.INSTANCE);
  writeString(name, out);
  writePlainObject(value as Record<string, unknown>, out, sorted, depth);
}
