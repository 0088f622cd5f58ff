// SPDX-License-Identifier: Apache-2.0
// Codecs of many values in a field. The loops over numbers are written out per type: they carry
// the features of every example, and a call per number would be most of the cost.

import {
  BeamBridgeError,
  type ByteReader,
  type ByteWriter,
  ByteReader as Reader,
  ByteWriter as Writer,
} from '../../base/index.ts';
import { malformed } from '../describe.ts';
import { isTypedArrayKind, TYPED_ARRAY_KINDS } from '../typed-arrays.ts';
import { readInt64, writeInt64 } from './atomic-codecs.ts';
import type { Codec } from './codec.ts';
import {
  type ArrayType,
  type AtomicKind,
  type FieldType,
  type IterableType,
  type MapType,
  type NullableType,
  typeName,
} from './field-type.ts';
import { rethrowWithin, wrongType } from './mismatch.ts';

type Compile = (type: FieldType) => Codec;
type WriteAll = (values: ArrayLike<unknown>, out: ByteWriter) => void;
type ReadAll = (input: ByteReader, count: number) => unknown;

export function arrayCodec(type: ArrayType, compile: Compile): Codec {
  const element = compile(type.element);
  const writeAll = writeAllOf(type.element, element);
  const readAll = readAllOf(type.element, element);
  const read = type.typed ? readTyped(type.element, element) : readAll;
  return {
    write(value, out) {
      if (!Array.isArray(value) && !isTypedArray(value)) throw wrongType(type, value);
      out.int32(value.length);
      writeAll(value, out);
    },
    read: (input) => readCounted(input, read, element),
  };
}

export function iterableCodec(type: IterableType, compile: Compile): Codec {
  const element = compile(type.element);
  const writeAll = writeAllOf(type.element, element);
  const readAll = readAllOf(type.element, element);
  return {
    write(value, out) {
      const values = Array.isArray(value) || isTypedArray(value) ? value : collect(value, type);
      out.int32(values.length);
      writeAll(values, out);
    },
    read: (input) => readCounted(input, readAll, element),
  };
}

function collect(value: unknown, type: FieldType): unknown[] {
  const iterable = value as Partial<Iterable<unknown>> | null;
  if (typeof value !== 'object' || typeof iterable?.[Symbol.iterator] !== 'function') {
    throw wrongType(type, value);
  }
  return [...(iterable as Iterable<unknown>)];
}

function isTypedArray(value: unknown): value is ArrayLike<unknown> {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function writeAllOf(type: FieldType, element: Codec): WriteAll {
  switch (type.kind) {
    case 'int64':
      return writeInt64s;
    case 'float32':
    case 'float64': {
      const { kind } = type;
      return (values, out) => writeFloats(values, out, kind, element);
    }
    default:
      return (values, out) => writeEach(values, out, element);
  }
}

function writeInt64s(values: ArrayLike<unknown>, out: ByteWriter): void {
  let i = 0;
  try {
    for (; i < values.length; i++) writeInt64(values[i], out);
  } catch (error) {
    rethrowWithin(error, `[${i}]`);
  }
}

/** Typed arrays of floats need no look at each value. */
function writeFloats(
  values: ArrayLike<unknown>,
  out: ByteWriter,
  kind: AtomicKind,
  element: Codec,
): void {
  if (values instanceof Float32Array) {
    if (kind === 'float32') for (const value of values) out.float32(value);
    else for (const value of values) out.float64(value);
  } else if (values instanceof Float64Array && kind === 'float64') {
    for (const value of values) out.float64(value);
  } else {
    writeEach(values, out, element);
  }
}

function writeEach(values: ArrayLike<unknown>, out: ByteWriter, element: Codec): void {
  let i = 0;
  try {
    for (; i < values.length; i++) element.write(values[i], out);
  } catch (error) {
    rethrowWithin(error, `[${i}]`);
  }
}

function readAllOf(type: FieldType, element: Codec): ReadAll {
  if (type.kind === 'int64') return readInt64s;
  return (input, count) => {
    const values = new Array<unknown>(count);
    readEach(input, element, values);
    return values;
  };
}

function readInt64s(input: ByteReader, count: number): number[] {
  const values = new Array<number>(count);
  let i = 0;
  try {
    for (; i < count; i++) values[i] = readInt64(input);
  } catch (error) {
    rethrowWithin(error, `[${i}]`);
  }
  return values;
}

function readTyped(type: FieldType, element: Codec): ReadAll {
  const { kind } = type;
  if (!isTypedArrayKind(kind)) {
    throw new BeamBridgeError(
      'INVALID_SCHEMA',
      `no typed array holds elements of type ${typeName(type)}`,
      {
        hint: `Typed arrays hold ${Object.keys(TYPED_ARRAY_KINDS).join(', ')}.`,
      },
    );
  }
  const TypedArray = TYPED_ARRAY_KINDS[kind];
  return (input, count) => {
    const values = new TypedArray(count);
    readEach(input, element, values as { length: number; [index: number]: unknown });
    return values;
  };
}

function readEach(
  input: ByteReader,
  element: Codec,
  into: { length: number; [index: number]: unknown },
): void {
  const count = into.length;
  let i = 0;
  try {
    for (; i < count; i++) into[i] = element.read(input);
  } catch (error) {
    rethrowWithin(error, `[${i}]`);
  }
}

const UNKNOWN_LENGTH = -1;

/** A count and the values, or, from a writer that did not know it, blocks up to an empty one. */
function readCounted(input: ByteReader, readAll: ReadAll, element: Codec): unknown {
  const count = input.int32();
  if (count !== UNKNOWN_LENGTH) return readAll(input, checkCount(count, input));
  const body = new Writer();
  let total = 0;
  for (let size = input.varint(); size > 0; size = input.varint()) {
    body.bytes(skip(input, element, checkCount(size, input)));
    total += size;
  }
  return readAll(new Reader(body.take()), total);
}

/** The bytes of the next `count` values. Rare, so they are read twice rather than kept twice. */
function skip(input: ByteReader, element: Codec, count: number): Uint8Array {
  const start = input.position;
  for (let i = 0; i < count; i++) element.read(input);
  const size = input.position - start;
  input.seek(start);
  return input.bytes(size);
}

/** Every value in a row takes at least one byte, so a count beyond them is damage, not memory. */
function checkCount(count: number, input: ByteReader): number {
  if (count < 0 || count > input.remaining) {
    throw malformed(`${count} values cannot fit the ${input.remaining} bytes that are left`);
  }
  return count;
}

export function nullableCodec(type: NullableType, compile: Compile): Codec {
  const value = compile(type.value);
  return {
    write(item, out) {
      if (item === null || item === undefined) {
        out.byte(0);
      } else {
        out.byte(1);
        value.write(item, out);
      }
    },
    read(input) {
      const present = input.byte();
      if (present > 1) throw malformed(`a nullable starts with 0 or 1, not ${present}`);
      return present === 1 ? value.read(input) : null;
    },
  };
}

/**
 * Maps are `Map`s, or plain objects where keys are strings. Entries are written in the order of
 * their keys' bytes, so that equal maps have equal bytes and a row can be a key.
 */
export function mapCodec(type: MapType, compile: Compile): Codec {
  const key = compile(type.key);
  const value = compile(type.value);
  return {
    write(map, out) {
      const entries = sortedEntries(entriesOf(map, type), key);
      out.int32(entries.length);
      for (const entry of entries) {
        out.bytes(entry.bytes);
        try {
          value.write(entry.value, out);
        } catch (error) {
          rethrowWithin(error, `[${JSON.stringify(String(entry.key))}]`);
        }
      }
    },
    read(input) {
      const count = checkCount(input.int32(), input);
      const map = new Map<unknown, unknown>();
      for (let i = 0; i < count; i++) {
        const name = key.read(input);
        map.set(name, value.read(input));
      }
      return map;
    },
  };
}

function entriesOf(map: unknown, type: MapType): Iterable<[unknown, unknown]> {
  if (map instanceof Map) return map;
  const prototype: unknown =
    map && typeof map === 'object' ? Object.getPrototypeOf(map) : undefined;
  if (type.key.kind === 'string' && (prototype === Object.prototype || prototype === null)) {
    return Object.entries(map as object);
  }
  throw wrongType(type, map, 'A map is a Map, or a plain object when its keys are strings.');
}

function sortedEntries(entries: Iterable<[unknown, unknown]>, key: Codec) {
  const sorted: { key: unknown; value: unknown; bytes: Uint8Array }[] = [];
  const scratch = new Writer(32);
  for (const [name, value] of entries) {
    try {
      key.write(name, scratch);
    } catch (error) {
      rethrowWithin(error, '[key]');
    }
    sorted.push({ key: name, value, bytes: scratch.take() });
  }
  return sorted.sort((a, b) => Buffer.compare(a.bytes, b.bytes));
}
