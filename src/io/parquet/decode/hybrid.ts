// SPDX-License-Identifier: Apache-2.0
// Small whole numbers as pages have them: runs of one number, and numbers of so many bits one behind the other.
// Source: https://github.com/apache/parquet-format/blob/master/Encodings.md#RLE

/** Numbers as they were read, into an array that holds those of their width. */
export type SmallNumbers = Uint8Array | Int32Array;

/** Wider ones do not fit into 32 bits together with what is left of the byte before. */
export const WIDEST = 24;

/** What has numbers of a width. */
export function roomFor(count: number, width: number): SmallNumbers {
  return width <= 8 ? new Uint8Array(count) : new Int32Array(count);
}

/**
 * Reads as many numbers as `out` has room for.
 *
 * @param width - in bits, up to {@link WIDEST}
 * @throws where there are not that many
 */
export function readHybrid(bytes: Uint8Array, width: number, out: SmallNumbers): void {
  // Numbers of no bits are all 0, whatever runs say.
  if (width === 0) return;
  const { length } = out;
  let offset = 0;
  let seen = 0;
  while (seen < length) {
    let header = 0;
    let shift = 0;
    let byte: number;
    do {
      if (offset >= bytes.length || shift > 28) throw new Error('a run has no length');
      byte = bytes[offset++]!;
      header |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    const count = header >>> 1;
    if (header & 1) {
      // Groups of eight, the last of which may be for fewer.
      const some = Math.min(count * 8, length - seen);
      if (offset + Math.ceil((some * width) / 8) > bytes.length) throw new Error('a run is cut');
      unpack(bytes, offset, width, out, seen, some);
      offset += count * width;
      seen += some;
    } else {
      if (count > length - seen) throw new Error('a run is longer than its page');
      if (offset + ((width + 7) >> 3) > bytes.length) throw new Error('a run is cut');
      let value = 0;
      for (let at = 0; at < width; at += 8) value |= bytes[offset++]! << at;
      if (value >>> width > 0) throw new Error('a run is of a number that is too large');
      out.fill(value, seen, seen + count);
      seen += count;
    }
  }
}

/** The number that all of them are, where it is one run, as levels mostly are. */
export function onlyRun(bytes: Uint8Array, width: number, count: number): number | undefined {
  // A run of up to 2^27 has up to four bytes as its length, and a level one.
  let header = 0;
  for (let at = 0; at < 4 && at + 1 < bytes.length; at++) {
    const byte = bytes[at]!;
    header |= (byte & 0x7f) << (7 * at);
    if (byte & 0x80) continue;
    const value = bytes[at + 1]!;
    const isWhole = header === count * 2 && width <= 8 && value >>> width === 0;
    return isWhole ? value : undefined;
  }
  return undefined;
}

/** Numbers of so many bits, which begin with the byte at `from`. */
function unpack(
  bytes: Uint8Array,
  from: number,
  width: number,
  out: SmallNumbers,
  start: number,
  count: number,
): void {
  if (count * width >= 2 ** 31) throw new Error('a run is too long');
  const mask = (1 << width) - 1;
  // A number of up to eight bits is within two bytes, which the last few may not have.
  const two = width > 8 ? 0 : Math.max(0, count - Math.ceil(8 / width));
  let at = 0;
  for (let bit = 0; at < two; at++, bit += width) {
    const byte = from + (bit >>> 3);
    out[start + at] = ((bytes[byte]! | (bytes[byte + 1]! << 8)) >>> (bit & 7)) & mask;
  }
  const bit = at * width;
  let offset = from + (bit >>> 3);
  let bits = 8 - (bit & 7);
  let held = at < count ? bytes[offset++]! >>> (8 - bits) : 0;
  for (; at < count; at++) {
    while (bits < width) {
      held |= bytes[offset++]! << bits;
      bits += 8;
    }
    out[start + at] = held & mask;
    held >>>= width;
    bits -= width;
  }
}
