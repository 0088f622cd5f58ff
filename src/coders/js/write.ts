// SPDX-License-Identifier: Apache-2.0
// Plain JavaScript values to bytes.

import { BeamBridgeError, type ByteWriter, ByteWriter as Writer } from '../../base/index.ts';
import { describeValue } from '../describe.ts';
import { isWellFormed } from '../text.ts';
import { isMatch, isPlainArray } from './built-ins.ts';
import { MAX_DEPTH, Tag } from './tags.ts';
import { writeInstance } from './write-instances.ts';

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

/** The error for what has no form in this coder. */
export function refuse(value: unknown, hint: string): BeamBridgeError {
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

export function writeString(value: string, out: ByteWriter): void {
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

export function writeBigInt(value: bigint, out: ByteWriter): void {
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
  } else if (isPlainArray(value, prototype)) {
    writeArray(value, out, sorted, depth);
  } else if (prototype === Map.prototype) {
    const map = value as Map<unknown, unknown>;
    writeEntries(Tag.MAP, map.size, map, out, sorted, ([key, item], entry) => {
      writeJs(key, entry, sorted, depth + 1);
      writeJs(item, entry, sorted, depth + 1);
    });
  } else if (prototype === Set.prototype) {
    const set = value as Set<unknown>;
    writeEntries(Tag.SET, set.size, set, out, sorted, (item, entry) =>
      writeJs(item, entry, sorted, depth + 1),
    );
  } else {
    writeInstance(value, prototype, out, sorted, depth);
  }
}

function writeArray(
  value: readonly unknown[],
  out: ByteWriter,
  sorted: boolean,
  depth: number,
): void {
  if (isMatch(value)) {
    out.byte(Tag.MATCH);
    for (const part of [[...value], value.index, value.input, value.groups]) {
      writeJs(part, out, sorted, depth + 1);
    }
    return;
  }
  out.byte(Tag.ARRAY);
  out.varint(value.length);
  for (let i = 0; i < value.length; i++) writeJs(value[i], out, sorted, depth + 1);
}

export function writePlainObject(
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
