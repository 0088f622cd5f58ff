// SPDX-License-Identifier: Apache-2.0
// Bytes of the JavaScript coder back to values.

import type { ByteReader } from '../../base/index.ts';
import { malformed } from '../describe.ts';
import { readInstant } from '../instant.ts';
import { Decimal, MicrosInstant } from '../logical-values.ts';
import { setField } from '../set-field.ts';
import { Tensor, type TensorElement } from '../tensor.ts';
import { readText } from '../text.ts';
import { GlobalWindow, IntervalWindow } from '../values.ts';
import { asInstance, builtInOf, errorOf, withFields } from './built-ins.ts';
import { registeredClass } from './classes.ts';
import { ERRORS, MAX_DEPTH, Tag, TYPED_ARRAYS } from './tags.ts';
import { littleEndian } from './write-instances.ts';

/** Reads one value. */
export function readJs(input: ByteReader, depth = 0): unknown {
  const tag = input.byte();
  if (tag >= Tag.SMALL_INTEGER) return tag & 0x7f;
  if (tag >= Tag.SHORT_STRING) return readText(input, tag & 0x3f);
  switch (tag) {
    case Tag.UNDEFINED:
      return undefined;
    case Tag.NULL:
      return null;
    case Tag.FALSE:
      return false;
    case Tag.TRUE:
      return true;
    case Tag.INTEGER:
      return input.varint();
    case Tag.NEGATIVE_INTEGER:
      return -1 - input.varint();
    case Tag.DOUBLE:
      return input.float64();
    case Tag.STRING:
      return readText(input, input.varint());
    case Tag.UTF16_STRING:
      return Buffer.from(input.prefixedBytes()).toString('utf16le');
    case Tag.BIGINT:
      return readMagnitude(input);
    case Tag.NEGATIVE_BIGINT:
      return -readMagnitude(input);
    case Tag.ARRAY:
      return readArray(input, nest(depth));
    case Tag.OBJECT:
      return readPlainObject(input, nest(depth));
    case Tag.MAP:
      return readMap(input, nest(depth));
    case Tag.SET:
      return new Set(readArray(input, nest(depth)));
    default:
      return readRare(tag, input, depth);
  }
}

function readRare(tag: number, input: ByteReader, depth: number): unknown {
  switch (tag) {
    case Tag.DATE:
      return new Date(input.float64());
    case Tag.ARRAY_BUFFER:
      return new Uint8Array(input.prefixedBytes()).buffer;
    case Tag.TYPED_ARRAY:
      return readTypedArray(input);
    case Tag.BUFFER:
      return Buffer.from(input.prefixedBytes());
    case Tag.ERROR:
      return readError(input, nest(depth));
    case Tag.ERROR_WITH_FIELDS: {
      const error = readError(input, nest(depth));
      return withFields(error, Object(readJs(input, nest(depth))) as object);
    }
    case Tag.MATCH: {
      const [all, index, match] = [0, 1, 2].map(() => readJs(input, nest(depth)));
      if (!Array.isArray(all)) throw malformed('a match is no array');
      return Object.assign(all, { index, input: match, groups: readJs(input, nest(depth)) });
    }
    case Tag.GLOBAL_WINDOW:
      return GlobalWindow.INSTANCE;
    case Tag.INTERVAL_WINDOW: {
      const start = readInstant(input);
      const end = readInstant(input);
      if (end < start) throw malformed('a window ends before it starts');
      return new IntervalWindow(start, end);
    }
    case Tag.DECIMAL: {
      const scale = input.varint();
      return new Decimal(readBigInt(input), scale);
    }
    case Tag.MICROS_INSTANT:
      return new MicrosInstant(readBigInt(input));
    case Tag.TENSOR:
      return readTensor(input, nest(depth));
    case Tag.INSTANCE:
      return readInstance(input, nest(depth));
    case Tag.BUILT_IN_INSTANCE:
      return readBuiltInInstance(input, nest(depth));
    default:
      throw malformed(`unknown tag ${tag} in a JavaScript value`);
  }
}

function nest(depth: number): number {
  if (depth >= MAX_DEPTH) throw malformed(`a JavaScript value nests more than ${MAX_DEPTH} deep`);
  return depth + 1;
}

function readMagnitude(input: ByteReader): bigint {
  const bytes = input.prefixedBytes();
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function readBigInt(input: ByteReader): bigint {
  const tag = input.byte();
  if (tag !== Tag.BIGINT && tag !== Tag.NEGATIVE_BIGINT) throw malformed('an integer is missing');
  const magnitude = readMagnitude(input);
  return tag === Tag.BIGINT ? magnitude : -magnitude;
}

/** A count of values, each of which takes at least one byte. */
function readCount(input: ByteReader): number {
  const count = input.varint();
  if (count > input.remaining)
    throw malformed(`${count} values cannot fit the bytes that are left`);
  return count;
}

function readArray(input: ByteReader, depth: number): unknown[] {
  const count = readCount(input);
  const values: unknown[] = [];
  for (let i = 0; i < count; i++) values.push(readJs(input, depth));
  return values;
}

function readString(input: ByteReader): string {
  const value = readJs(input, MAX_DEPTH);
  if (typeof value !== 'string') throw malformed('a name is missing');
  return value;
}

function readPlainObject(input: ByteReader, depth: number): Record<string, unknown> {
  const count = readCount(input);
  const value: Record<string, unknown> = {};
  for (let i = 0; i < count; i++) setField(value, readString(input), readJs(input, depth));
  return value;
}

function readInstance(input: ByteReader, depth: number): object {
  const { prototype } = registeredClass(readString(input));
  return withFields(Object.create(prototype) as object, readFields(input, depth));
}

function readBuiltInInstance(input: ByteReader, depth: number): object {
  const { prototype } = registeredClass(readString(input));
  const builtIn = readJs(input, depth);
  if (typeof builtIn !== 'object' || builtIn === null || builtInOf(builtIn) === undefined) {
    throw malformed('the contents of an instance are missing');
  }
  return asInstance(builtIn, prototype, readFields(input, depth));
}

function readFields(input: ByteReader, depth: number): object {
  if (input.byte() !== Tag.OBJECT) throw malformed('the fields of an instance are missing');
  return readPlainObject(input, depth);
}

function readMap(input: ByteReader, depth: number): Map<unknown, unknown> {
  const count = readCount(input);
  const map = new Map<unknown, unknown>();
  for (let i = 0; i < count; i++) {
    const key = readJs(input, depth);
    map.set(key, readJs(input, depth));
  }
  return map;
}

function readTypedArray(input: ByteReader): unknown {
  const type = TYPED_ARRAYS[input.byte()];
  if (!type) throw malformed('unknown kind of typed array');
  const bytes = new Uint8Array(input.prefixedBytes());
  const size = type.BYTES_PER_ELEMENT;
  if (bytes.length % size !== 0) throw malformed(`${bytes.length} bytes are no whole ${type.name}`);
  const ordered = littleEndian(bytes, size);
  return new type(ordered.buffer as ArrayBuffer, ordered.byteOffset, bytes.length / size);
}

function readTensor(input: ByteReader, depth: number): unknown {
  const [dtype, shape, data] = [readString(input), readJs(input, depth), readJs(input, depth)];
  try {
    return new Tensor(dtype as TensorElement, shape as number[], data as Uint8Array);
  } catch {
    throw malformed('the parts of a tensor do not fit each other');
  }
}

function readError(input: ByteReader, depth: number): Error {
  const kind = input.byte();
  if (kind >= ERRORS.length) throw malformed('unknown kind of error');
  const message = readString(input);
  const stack = readJs(input, depth);
  return errorOf(kind, { message, stack, cause: readJs(input, depth), fields: {} });
}
