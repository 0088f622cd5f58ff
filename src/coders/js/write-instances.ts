// SPDX-License-Identifier: Apache-2.0
// Instances of classes to bytes: of JavaScript's own, of this package, and of those that a program registered.
// A class counts only as itself: one that extends it has methods and fields more.

import { endianness } from 'node:os';
import { types } from 'node:util';
import { type ByteWriter, isThenable } from '../../base/index.ts';
import { writeInstant } from '../instant.ts';
import { Decimal, MicrosInstant } from '../logical-values.ts';
import { StateBackedIterable } from '../state-backed-iterable.ts';
import { Tensor } from '../tensor.ts';
import { GlobalWindow, IntervalWindow } from '../values.ts';
import {
  builtInOf,
  errorKind,
  errorParts,
  fieldsBeside,
  isPlainDate,
  viewKind,
} from './built-ins.ts';
import { registeredName } from './classes.ts';
import { Tag, TYPED_ARRAYS } from './tags.ts';
import { refuse, writeBigInt, writeJs, writePlainObject, writeString } from './write.ts';

/** Writes an object that has a class, `Map` and `Set` excepted. */
export function writeInstance(
  value: object,
  prototype: unknown,
  out: ByteWriter,
  sorted: boolean,
  depth: number,
): void {
  const kind = viewKind(prototype);
  if (kind !== undefined) {
    writeTypedArray(value as Uint8Array, kind, out);
    return;
  }
  switch (prototype) {
    case Buffer.prototype:
      out.byte(Tag.BUFFER);
      out.prefixedBytes(value as Buffer);
      return;
    case ArrayBuffer.prototype:
      out.byte(Tag.ARRAY_BUFFER);
      out.prefixedBytes(new Uint8Array(value as ArrayBuffer));
      return;
    case StateBackedIterable.prototype:
      // The grouped values of a key, emitted on as they came: an array, as they are when small.
      writeJs([...(value as StateBackedIterable<unknown>)], out, sorted, depth);
      return;
    case GlobalWindow.prototype:
      out.byte(Tag.GLOBAL_WINDOW);
      return;
    case IntervalWindow.prototype:
      out.byte(Tag.INTERVAL_WINDOW);
      writeInstant((value as IntervalWindow).start, out);
      writeInstant((value as IntervalWindow).end, out);
      return;
    case Decimal.prototype:
      out.byte(Tag.DECIMAL);
      out.varint((value as Decimal).scale);
      writeBigInt((value as Decimal).unscaled, out);
      return;
    case MicrosInstant.prototype:
      out.byte(Tag.MICROS_INSTANT);
      writeBigInt((value as MicrosInstant).micros, out);
      return;
    case Tensor.prototype: {
      const { dtype, shape, data } = value as Tensor;
      out.byte(Tag.TENSOR);
      for (const part of [dtype, shape, data]) writeJs(part, out, sorted, depth + 1);
      return;
    }
    default:
      if (isPlainDate(value)) {
        out.byte(Tag.DATE);
        out.float64(value.getTime());
      } else if (errorKind(prototype) !== undefined) {
        writeError(value as Error, prototype, out, sorted, depth);
      } else writeRegistered(value, out, sorted, depth);
  }
}

function writeTypedArray(value: ArrayBufferView, kind: number, out: ByteWriter): void {
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
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
  const { message, stack, cause, fields } = errorParts(value);
  const hasFields = Object.keys(fields).length > 0;
  out.byte(hasFields ? Tag.ERROR_WITH_FIELDS : Tag.ERROR);
  out.byte(errorKind(prototype)!);
  writeString(message, out);
  writeJs(stack, out, sorted, depth + 1);
  writeJs(cause, out, sorted, depth + 1);
  if (hasFields) writePlainObject(fields, out, sorted, depth + 1);
}

function writeRegistered(value: object, out: ByteWriter, sorted: boolean, depth: number): void {
  const name = isThenable(value) ? undefined : registeredName(Object.getPrototypeOf(value));
  if (name === undefined) throw refuse(value, hintFor(value));
  const builtIn = builtInOf(value);
  if (builtIn === undefined) {
    out.byte(Tag.INSTANCE);
    writeString(name, out);
    writePlainObject(value as Record<string, unknown>, out, sorted, depth);
    return;
  }
  out.byte(Tag.BUILT_IN_INSTANCE);
  writeString(name, out);
  writeJs(builtIn, out, sorted, depth + 1);
  writePlainObject(fieldsBeside(value), out, sorted, depth);
}

const DECLARE = 'or declare the class with requireForSerialization.';

function hintFor(value: object): string {
  if (isThenable(value)) return 'Await the promise before emitting its value.';
  if (types.isNativeError(value)) {
    return `Emit its message and fields as a plain object, ${DECLARE}`;
  }
  if (ArrayBuffer.isView(value)) return `Emit one of the standard typed arrays instead, ${DECLARE}`;
  if (builtInOf(value) !== undefined) {
    return `Class instances lose their methods and fields on the way: emit what the class extends ([...value], new Map(value), new Date(value)), ${DECLARE}`;
  }
  return `Class instances lose their methods on the way: emit a plain object ({ ...value }), give the PCollection a schema, ${DECLARE}`;
}
