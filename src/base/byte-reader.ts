// SPDX-License-Identifier: Apache-2.0
// The byte buffer that coders read from; see byte-writer.ts for why it is written by hand.

import { viewOf } from './byte-writer.ts';
import { BeamBridgeError } from './errors.ts';

/** Reads what ByteWriter writes. Running past the end is `MALFORMED_DATA`, never garbage. */
export class ByteReader {
  /** Values without any bytes that were read so far: one limit for all of them, however nested. */
  emptyValues = 0;
  private readonly buffer: Buffer;
  private view: DataView | undefined;
  private offset = 0;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private get numbers(): DataView {
    this.view ??= viewOf(this.buffer);
    return this.view;
  }

  get position(): number {
    return this.offset;
  }

  get remaining(): number {
    return this.buffer.length - this.offset;
  }

  /** Goes back (or on) to a position that `position` gave. */
  seek(position: number): void {
    this.offset = position;
  }

  get done(): boolean {
    return this.offset >= this.buffer.length;
  }

  private take(bytes: number): number {
    const start = this.offset;
    if (bytes < 0 || bytes > this.buffer.length - start) throw this.endsEarly(bytes);
    this.offset = start + bytes;
    return start;
  }

  private endsEarly(bytes: number): BeamBridgeError {
    return new BeamBridgeError(
      'MALFORMED_DATA',
      `encoded data ends early: ${bytes} bytes wanted at offset ${this.offset}, ${this.remaining} left`,
    );
  }

  byte(): number {
    return this.buffer[this.take(1)]!;
  }

  /** A view of the next `length` bytes; copy it to keep it beyond the buffer's life. */
  bytes(length: number): Uint8Array {
    const start = this.take(length);
    return this.buffer.subarray(start, start + length);
  }

  /** A view of all bytes that are left. */
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** An unsigned varint that must fit a safe integer (lengths and counts). */
  varint(): number {
    const value = this.signedVarint();
    if (value === undefined || value < 0) {
      throw new BeamBridgeError('MALFORMED_DATA', 'a length or count is out of range');
    }
    return value;
  }

  /**
   * A signed 64-bit varint as a number, or undefined when it lies outside the safe integers; the
   * position stays before the varint then, so that {@link varint64} can read it.
   */
  signedVarint(): number | undefined {
    const buffer = this.buffer;
    const start = this.offset;
    if (start >= buffer.length) throw this.endsEarly(1);
    const first = buffer[start]!;
    if (first < 128) {
      this.offset = start + 1;
      return first;
    }
    // At most 28 bits in `low`, the next 28 in `middle`, the rest in `high`: all fit an int32.
    let low = first & 127;
    let middle = 0;
    let high = 0;
    for (let i = 1; i < 10; i++) {
      if (start + i >= buffer.length) throw this.endsEarly(i + 1);
      const next = buffer[start + i]!;
      const bits = next & 127;
      if (i < 4) low |= bits << (7 * i);
      else if (i < 8) middle |= bits << (7 * (i - 4));
      else high |= bits << (7 * (i - 8));
      if (next < 128) {
        // Bits 56 to 63 as a signed byte carry the sign of the whole.
        const value = ((high << 24) >> 24) * 2 ** 56 + middle * 2 ** 28 + low;
        if (!Number.isSafeInteger(value)) return undefined;
        this.offset = start + i + 1;
        return value;
      }
    }
    throw new BeamBridgeError('MALFORMED_DATA', 'a varint is longer than ten bytes');
  }

  /** A signed 64-bit varint. */
  varint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const next = this.buffer[this.take(1)]!;
      value |= BigInt(next & 127) << shift;
      if (next < 128) return BigInt.asIntN(64, value);
    }
    throw new BeamBridgeError('MALFORMED_DATA', 'a varint is longer than ten bytes');
  }

  uint16(): number {
    return this.numbers.getUint16(this.take(2));
  }

  int32(): number {
    return this.numbers.getInt32(this.take(4));
  }

  uint32(): number {
    return this.numbers.getUint32(this.take(4));
  }

  int64(): bigint {
    return this.numbers.getBigInt64(this.take(8));
  }

  float32(): number {
    return this.numbers.getFloat32(this.take(4));
  }

  float64(): number {
    return this.numbers.getFloat64(this.take(8));
  }

  utf8(length: number): string {
    const start = this.take(length);
    return this.buffer.toString('utf8', start, start + length);
  }

  prefixedUtf8(): string {
    return this.utf8(this.varint());
  }

  prefixedBytes(): Uint8Array {
    return this.bytes(this.varint());
  }
}
