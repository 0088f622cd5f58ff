// SPDX-License-Identifier: Apache-2.0
// The byte buffer that coders write to. Written by hand because it is the innermost loop of every
// pipeline: a growing Buffer with an offset, no allocation per value.

const INITIAL_SIZE = 256;
const NOTHING = Buffer.alloc(0);

/** The bytes as a DataView. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A growing byte buffer. Numbers are unsigned unless the method's name says otherwise. */
export class ByteWriter {
  private buffer: Buffer;
  /** The same bytes: the engine compiles its methods, but not Buffer's, to single instructions. */
  private numbers: DataView;
  private offset = 0;
  /** How large the next buffer is at least. */
  private least = 0;

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
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2, this.least));
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

  /** What was written, without a copy: the writer gives its buffer away, and the next write starts one. */
  detach(): Uint8Array {
    const out = this.view();
    this.least = this.buffer.length;
    this.buffer = NOTHING;
    this.numbers = viewOf(NOTHING);
    this.offset = 0;
    return out;
  }

  /** Forgets everything after the first `length` bytes. */
  reset(length = 0): void {
    this.offset = length;
  }
}
