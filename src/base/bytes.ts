// SPDX-License-Identifier: Apache-2.0
// Byte buffers that coders write to and read from. Written by hand because they are the innermost
// loop of every pipeline: a growing Buffer with an offset, no allocation per value.

import { BeamBridgeError } from './errors.ts';

const INITIAL_SIZE = 256;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A growing byte buffer. Numbers are unsigned unless the method's name says otherwise. */
export class ByteWriter {
  private buffer: Buffer;
  /** The same bytes: the engine compiles its methods, but not Buffer's, to single instructions. */
  private numbers: DataView;
  private offset = 0;

  constructor(initialSize = INITIAL_SIZE) {
    this.buffer = Buffer.allocUnsafeSlow(initialSize);
    this.numbers = viewOf(this.buffer);
  }

  /** How many bytes were written since the last {@link take} or {@link reset}. */
  get length(): number {
    return this.offset;
  }

  private room(bytes: number): void {
    const needed = this.offset + bytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.offset);
    this.buffer = grown;
    this.numbers = viewOf(grown);
  }

  byte(value: number): void {
    this.room(1);
    this.buffer[this.offset++] = value;
  }

  bytes(value: Uint8Array): void {
    this.room(value.length);
    this.buffer.set(value, this.offset);
    this.offset += value.length;
  }

  /** An unsigned LEB128 varint of a whole number from 0 to `Number.MAX_SAFE_INTEGER`. */
  varint(value: number): void {
    this.room(8);
    if (value < 128) {
      this.buffer[this.offset++] = value;
      return;
    }
    let rest = value;
    while (rest > 0x7f_ff_ff_ff) {
      this.buffer[this.offset++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      this.buffer[this.offset++] = (rest & 127) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.offset++] = rest;
  }

  /** A varint of the 64-bit two's complement of `value`: a negative number takes ten bytes. */
  varint64(value: bigint): void {
    this.room(10);
    let rest = BigInt.asUintN(64, value);
    while (rest > 127n) {
      this.buffer[this.offset++] = Number(rest & 127n) | 0x80;
      rest >>= 7n;
    }
    this.buffer[this.offset++] = Number(rest);
  }

  /** A signed varint as Beam's VarIntCoder writes it. `value` must be a safe integer. */
  signedVarint(value: number): void {
    if (value >= 0) {
      this.varint(value);
      return;
    }
    // Ten bytes of two's complement from two 32-bit halves: a bigint here would cost ten times more.
    this.room(10);
    let low = value | 0;
    let high = Math.floor(value / 0x1_00_00_00_00) | 0;
    for (let i = 0; i < 9; i++) {
      this.buffer[this.offset++] = (low & 127) | 0x80;
      low = (low >>> 7) | (high << 25);
      high >>= 7;
    }
    this.buffer[this.offset++] = 1;
  }

  uint16(value: number): void {
    this.room(2);
    this.numbers.setUint16(this.offset, value);
    this.offset += 2;
  }

  /** Four bytes, big-endian, two's complement. */
  int32(value: number): void {
    this.room(4);
    this.numbers.setInt32(this.offset, value);
    this.offset += 4;
  }

  /** Four bytes, big-endian, of a whole number from 0 to 2^32 - 1. */
  uint32(value: number): void {
    this.room(4);
    this.numbers.setUint32(this.offset, value);
    this.offset += 4;
  }

  /** Eight bytes, big-endian, two's complement. */
  int64(value: bigint): void {
    this.room(8);
    this.numbers.setBigInt64(this.offset, value);
    this.offset += 8;
  }

  /** Four bytes, big-endian; every NaN has the same bytes, because keys must. */
  float32(value: number): void {
    this.room(4);
    this.numbers.setFloat32(this.offset, Number.isNaN(value) ? Number.NaN : value);
    this.offset += 4;
  }

  /** Eight bytes, big-endian; every NaN has the same bytes, because keys must. */
  float64(value: number): void {
    this.room(8);
    this.numbers.setFloat64(this.offset, Number.isNaN(value) ? Number.NaN : value);
    this.offset += 8;
  }

  /** UTF-8 without a length. */
  utf8(value: string): void {
    this.room(value.length * 3);
    this.offset += this.buffer.write(value, this.offset, 'utf8');
  }

  /** UTF-8 after its length in bytes as a varint. */
  prefixedUtf8(value: string): void {
    if (value.length <= 42) {
      // At most 126 bytes: the length takes one byte, so write the text first and fill it in.
      this.room(1 + value.length * 3);
      const written = this.buffer.write(value, this.offset + 1, 'utf8');
      this.buffer[this.offset] = written;
      this.offset += 1 + written;
      return;
    }
    this.varint(Buffer.byteLength(value, 'utf8'));
    this.utf8(value);
  }

  /** Bytes after their length as a varint. */
  prefixedBytes(value: Uint8Array): void {
    this.varint(value.length);
    this.bytes(value);
  }

  /** Whatever `write` writes, after its length as a varint. */
  prefixed(write: (out: ByteWriter) => void): void {
    const start = this.offset;
    this.byte(0);
    write(this);
    const size = this.offset - start - 1;
    if (size <= 127) {
      this.buffer[start] = size;
      return;
    }
    let extra = 0;
    for (let rest = size; rest > 127; rest = Math.floor(rest / 128)) extra += 1;
    this.room(extra);
    this.buffer.copyWithin(start + 1 + extra, start + 1, this.offset);
    this.offset = start;
    this.varint(size);
    this.offset += size;
  }

  /** What was written, as a view that the next write may overwrite. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.offset);
  }

  /** What was written, as a copy of its own; the writer is empty afterwards. */
  take(): Uint8Array {
    const out = Buffer.from(this.view());
    this.offset = 0;
    return out;
  }

  /** What was written, without a copy: the writer gives its buffer away and starts a new one. */
  detach(): Uint8Array {
    const out = this.view();
    this.buffer = Buffer.allocUnsafeSlow(this.buffer.length);
    this.numbers = viewOf(this.buffer);
    this.offset = 0;
    return out;
  }

  /** Forgets everything after the first `length` bytes. */
  reset(length = 0): void {
    this.offset = length;
  }
}

/** Reads what {@link ByteWriter} writes. Running past the end is `MALFORMED_DATA`, never garbage. */
export class ByteReader {
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
