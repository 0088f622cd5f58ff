// SPDX-License-Identifier: Apache-2.0
// The values of a page, whatever its encoding. Numbers are typed arrays, as far as possible views of the page.

import type { PageDecoders } from '../package.ts';
import { readHybrid, roomFor, type SmallNumbers, WIDEST } from './hybrid.ts';

/** Numbers as the format has them; those of 64 bits as doubles, where these are asked for and hold them. */
export type Numbers = Float32Array | Float64Array | Int32Array | BigInt64Array;

/** Values that are there, without what is null. */
export type Values = Numbers | readonly unknown[];

export interface ValueKind {
  readonly type: string;
  readonly typeLength: number | undefined;
  /** Whether whole numbers of 64 bits are wanted as numbers, where all of a page can be. */
  readonly asNumbers: boolean;
}

const BYTES: Readonly<Record<string, number>> = { FLOAT: 4, INT32: 4, DOUBLE: 8, INT64: 8 };

/**
 * Those of a page.
 *
 * @param bytes - of its values alone
 * @throws where it is damaged, or encoded in a way that is not known here
 */
export function readValues(
  bytes: Uint8Array,
  count: number,
  encoding: string,
  kind: ValueKind,
  dictionary: Values | undefined,
  decoders: PageDecoders,
): Values {
  const { type, typeLength } = kind;
  const reader = () => ({
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    offset: 0,
  });
  switch (encoding) {
    case 'PLAIN':
      return readPlain(bytes, count, kind, decoders);
    case 'PLAIN_DICTIONARY':
    case 'RLE_DICTIONARY':
      if (!dictionary || type === 'BOOLEAN') break;
      return ofDictionary(bytes, count, dictionary);
    case 'RLE':
      if (type !== 'BOOLEAN') break;
      return booleans(bytes, count);
    case 'BYTE_STREAM_SPLIT':
      return wanted(decoders.byteStreamSplit(reader(), count, type, typeLength) as Values, kind);
    case 'DELTA_BINARY_PACKED': {
      if (type !== 'INT32' && type !== 'INT64') break;
      const values = type === 'INT32' ? new Int32Array(count) : new BigInt64Array(count);
      decoders.deltaBinaryUnpack(reader(), count, values);
      return wanted(values, kind);
    }
    case 'DELTA_LENGTH_BYTE_ARRAY':
    case 'DELTA_BYTE_ARRAY': {
      const values = new Array<Uint8Array>(count);
      if (encoding === 'DELTA_BYTE_ARRAY') decoders.deltaByteArray(reader(), count, values);
      else decoders.deltaLengthByteArray(reader(), count, values);
      return values;
    }
    default:
  }
  throw new Error(`unsupported encoding: ${encoding}`);
}

/** Values one behind the other, as in dictionaries. */
export function readPlain(
  bytes: Uint8Array,
  count: number,
  kind: ValueKind,
  decoders: PageDecoders,
): Values {
  const { type, typeLength = 0 } = kind;
  const each = type === 'FIXED_LEN_BYTE_ARRAY' ? typeLength : BYTES[type];
  // Views are made without a look at where the page ends.
  if (each !== undefined && count * each > bytes.length) throw new Error('a page is cut');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = decoders.readPlain({ view, offset: 0 }, type, count, typeLength) as Values;
  return wanted(values, kind);
}

function ofDictionary(bytes: Uint8Array, count: number, dictionary: Values): Values {
  const Typed = dictionary.constructor as Float64ArrayConstructor;
  const values = new Typed(count) as Values;
  if (count === 0) return values;
  const width = bytes[0];
  if (width === undefined || width > WIDEST) throw new Error('a page has no width of its indexes');
  const indexes = roomFor(count, width);
  readHybrid(bytes.subarray(1), width, indexes);
  const most = dictionary.length - 1;
  for (let at = 0; at < count; at++) {
    if (indexes[at]! > most) throw new Error('a page has a value that its dictionary has not');
  }
  if (Array.isArray(dictionary)) {
    const list = values as unknown[];
    for (let at = 0; at < count; at++) list[at] = dictionary[indexes[at]!];
  } else copyBits(bitsOf(dictionary as Numbers), indexes, bitsOf(values as Numbers));
  return values;
}

/** Numbers of whatever kind as halves, or as wholes of 32 bits: to read them as they are would make an object of each. */
function bitsOf({ buffer, byteOffset, byteLength }: Numbers): Int32Array {
  return new Int32Array(buffer, byteOffset, byteLength / 4);
}

function copyBits(from: Int32Array, indexes: SmallNumbers, to: Int32Array): void {
  const { length } = indexes;
  if (to.length === length) {
    for (let at = 0; at < length; at++) to[at] = from[indexes[at]!]!;
    return;
  }
  for (let at = 0; at < length; at++) {
    const index = 2 * indexes[at]!;
    to[2 * at] = from[index]!;
    to[2 * at + 1] = from[index + 1]!;
  }
}

function booleans(bytes: Uint8Array, count: number): boolean[] {
  const bits = new Uint8Array(count);
  if (count > 0) readHybrid(prefixed(bytes, 0), 1, bits);
  return Array.from(bits, (bit) => bit === 1);
}

/** The bytes behind their length. */
export function prefixed(bytes: Uint8Array, offset: number): Uint8Array {
  const start = offset + 4;
  if (start > bytes.length) throw new Error('a page is cut');
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 4);
  const end = start + view.getUint32(0, true);
  if (end > bytes.length) throw new Error('a page is cut');
  return bytes.subarray(start, end);
}

function wanted(values: Values, { asNumbers }: ValueKind): Values {
  return asNumbers && values instanceof BigInt64Array ? asDoubles(values) : values;
}

/** The same numbers as doubles, where all of them are safe; a bigint for each would be an object for each. */
function asDoubles(longs: BigInt64Array): Float64Array | BigInt64Array {
  const { buffer, byteOffset, length } = longs;
  const halves = new Int32Array(buffer, byteOffset, length * 2);
  const doubles = new Float64Array(length);
  for (let at = 0; at < length; at++) {
    const value = halves[2 * at + 1]! * 2 ** 32 + (halves[2 * at]! >>> 0);
    if (!Number.isSafeInteger(value)) return longs;
    doubles[at] = value;
  }
  return doubles;
}
