// SPDX-License-Identifier: Apache-2.0
// What values of an Arrow type without parts are, in the words that Parquet's columns are told in, and where they lie.

import type { Leaf } from '../parquet/file-schema.ts';
import type { ArrowData, ArrowPackage, ArrowType } from './package.ts';

/** Internal: buffers are shorter than the rows that they are of, or go beyond one another. */
export class DamagedBuffer {}

/** The raw value at a place, as it lies in the file. */
export type RawAt = (at: number) => unknown;

/** What the values of a type are; nothing for one with parts. */
export function leafOf({ Type }: ArrowPackage, type: ArrowType): Leaf | undefined {
  switch (type.typeId) {
    case Type.Int:
      return { kind: 'int', isSigned: type.isSigned === true, isLong: type.bitWidth === 64 };
    case Type.Float:
      return { kind: (['float16', 'float32', 'float64'] as const)[type.precision ?? -1]! };
    case Type.Bool:
      return { kind: 'boolean' };
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Utf8View:
      return { kind: 'string' };
    case Type.Binary:
    case Type.LargeBinary:
    case Type.BinaryView:
    case Type.FixedSizeBinary:
      return { kind: 'bytes' };
    case Type.Decimal:
      return { kind: 'decimal', scale: Math.max(type.scale ?? 0, 0) };
    case Type.Date:
      // Days, or milliseconds of them.
      return type.unit === 0 ? { kind: 'date' } : { kind: 'timestamp', unit: 'MILLIS' };
    case Type.Timestamp:
      return { kind: 'timestamp', unit: ['MILLIS', 'MILLIS', 'MICROS', 'NANOS'][type.unit ?? 0]! };
    default:
      return undefined;
  }
}

/** Where values of such a type lie. @throws {@link DamagedBuffer} */
export function rawOf({ Type }: ArrowPackage, data: ArrowData): RawAt {
  const { type, length } = data;
  const values = data.values as Exclude<ArrowData['values'], BigInt64Array | BigUint64Array>;
  switch (type.typeId) {
    case Type.Bool: {
      need(values, Math.ceil(length / 8));
      return (at) => ((values[at >> 3]! >> (at & 7)) & 1) === 1;
    }
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Binary:
    case Type.LargeBinary: {
      const between = offsetsOf(data, (values ?? NO_BYTES).length);
      return (at) => (values as Uint8Array).subarray(...between(at));
    }
    case Type.Utf8View:
    case Type.BinaryView:
      return viewAt(values as Uint8Array, data);
    case Type.FixedSizeBinary: {
      const width = type.byteWidth ?? 0;
      need(values, width * length);
      return (at) => (values as Uint8Array).subarray(at * width, (at + 1) * width);
    }
    case Type.Decimal: {
      const words = (type.bitWidth ?? 128) / 32;
      need(values, words * length);
      // One below zero stands for zeros behind the digits.
      const zeros = 10n ** BigInt(Math.max(-(type.scale ?? 0), 0));
      return (at) => {
        let all = 0n;
        for (let word = words - 1; word >= 0; word--)
          all = (all << 32n) | BigInt(values[at * words + word]!);
        return BigInt.asIntN(words * 32, all) * zeros;
      };
    }
    case Type.Float:
      need(values, length);
      if (type.precision !== 0) return (at) => values[at];
      return (at) => new Uint8Array(values.buffer, values.byteOffset + 2 * at, 2);
    case Type.Timestamp:
      need(values, length);
      if (type.unit !== 0) return (at) => values[at];
      return (at) => (values[at] as unknown as bigint) * 1000n;
    default:
      need(values, length);
      return (at) => values[at];
  }
}

const NO_BYTES = new Uint8Array(0);

function need(values: { readonly length: number } | undefined, length: number): void {
  if ((values?.length ?? 0) < length) throw new DamagedBuffer();
}

/** Where a value of several parts or bytes begins and ends among `most`. */
export function offsetsOf(data: ArrowData, most: number): (at: number) => [number, number] {
  const { valueOffsets: offsets, length } = data;
  if (length > 0) need(offsets, length + 1);
  return (at) => {
    const [start, end] = [Number(offsets[at]), Number(offsets[at + 1])];
    if (start >= 0 && start <= end && end <= most) return [start, end];
    throw new DamagedBuffer();
  };
}

/** Bytes of a view: those of up to 12 are in it, and others in a buffer. */
function viewAt(views: Uint8Array, { length, variadicBuffers = [] }: ArrowData): RawAt {
  need(views, 16 * length);
  const view = new DataView(views.buffer, views.byteOffset, views.byteLength);
  return (at) => {
    const size = view.getInt32(16 * at, true);
    if (size >= 0 && size <= 12) return views.subarray(16 * at + 4, 16 * at + 4 + size);
    const buffer = variadicBuffers[view.getInt32(16 * at + 8, true)];
    const start = view.getInt32(16 * at + 12, true);
    if (size < 0 || !buffer || start < 0 || start + size > buffer.length) throw new DamagedBuffer();
    return buffer.subarray(start, start + size);
  };
}
