// SPDX-License-Identifier: Apache-2.0
// Reading Avro's binary encoding. Each read stays within the bytes, and no number in them makes it do more work or
// take more memory than there are bytes for: what is damaged, or no Avro at all, is an error.
// Source: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding

import { isUtf8 } from 'node:buffer';
import { Misfit } from '../records/misfit.ts';

/** Internal: bytes that are no value of their schema. */
export class Undecodable {
  constructor(readonly message: string) {}
}

const TWO_27 = 2 ** 27;
const TWO_55 = 2 ** 55;
/** As many values without bytes an array may have. */
const MOST_EMPTY = 2 ** 24;
/** Up to here a loop is faster than a call. */
const SHORT = 12;

export class Cursor {
  at = 0;
  private readonly view: DataView;
  /** A varint's three parts, of 28, 28 and 14 bits. */
  private low = 0;
  private middle = 0;
  private high = 0;

  constructor(readonly bytes: Buffer) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get end(): number {
    return this.bytes.length;
  }

  boolean(): boolean {
    const byte = this.bytes[this.take(1)]!;
    if (byte > 1) throw new Undecodable(`a boolean is the byte ${byte}`);
    return byte === 1;
  }

  /** A whole number of 32 bits. */
  int(): number {
    const value = this.long();
    if (value >= -2_147_483_648 && value <= 2_147_483_647) return value;
    throw new Undecodable('an int has more than 32 bits');
  }

  /** A whole number of 64 bits, which is no safe integer where a number does not hold it. */
  long(): number {
    const byte = this.bytes[this.at]!;
    if (byte < 0x80) {
      this.at += 1;
      return byte & 1 ? -((byte >>> 1) + 1) : byte >>> 1;
    }
    this.varint();
    const half = (this.low >>> 1) + this.middle * TWO_27 + this.high * TWO_55;
    return this.low & 1 ? -half - 1 : half;
  }

  /** All of a whole number of 64 bits. */
  bigint(): bigint {
    const { at } = this;
    const value = this.long();
    if (Number.isSafeInteger(value)) return BigInt(value);
    this.at = at;
    this.varint();
    const raw = BigInt(this.low) | (BigInt(this.middle) << 28n) | (BigInt(this.high) << 56n);
    return raw & 1n ? -(raw >> 1n) - 1n : raw >> 1n;
  }

  private varint(): void {
    this.low = this.group(4, 0x0fff_ffff);
    this.middle = this.more ? this.group(4, 0x0fff_ffff) : 0;
    this.high = this.more ? this.group(2, 0xff) : 0;
    if (this.more || this.at > this.end) throw new Undecodable('a whole number has no end');
  }

  private more = false;

  /** So many bytes of a varint. */
  private group(most: number, mask: number): number {
    let value = 0;
    for (let count = 0; count < most; count++) {
      // What is behind the end is 0 here, and seen by `at`.
      const byte = this.bytes[this.at++]! | 0;
      value |= (byte & 0x7f) << (7 * count);
      if (byte < 0x80) {
        this.more = false;
        if ((value & ~mask) !== 0) throw new Undecodable('a whole number has more than 64 bits');
        return value;
      }
    }
    this.more = true;
    return value;
  }

  float(): number {
    return this.view.getFloat32(this.take(4), true);
  }

  double(): number {
    return this.view.getFloat64(this.take(8), true);
  }

  /** How many bytes or values there are: not negative, and not more than there are bytes for. */
  private length(value: number, leastBytes: number): number {
    const most = leastBytes === 0 ? MOST_EMPTY : (this.end - this.at) / leastBytes;
    if (value >= 0 && value <= most) return value;
    throw new Undecodable('a length is beyond the end of its bytes');
  }

  /** A view, not a copy. */
  raw(size: number): Buffer {
    const at = this.take(size);
    return this.bytes.subarray(at, this.at);
  }

  /** Bytes behind their length: a view, not a copy. */
  content(): Buffer {
    return this.raw(this.length(this.long(), 1));
  }

  /** @throws {@link Misfit} for what is no UTF-8, when all of it is read */
  text(): string {
    const { bytes } = this;
    const length = this.length(this.long(), 1);
    const from = this.take(length);
    if (length <= SHORT) {
      let text = '';
      for (let at = from; ; at++) {
        if (at === this.at) return text;
        const byte = bytes[at]!;
        if (byte > 127) break;
        text += String.fromCharCode(byte);
      }
    }
    const text = bytes.toString('utf8', from, this.at);
    if (text.includes('\ufffd') && !isUtf8(bytes.subarray(from, this.at)))
      throw new Misfit('it is no UTF-8 text');
    return text;
  }

  /**
   * How many values follow in an array or a map: 0 behind the last.
   *
   * @param leastBytes - of a value
   */
  count(leastBytes: number): number {
    let count = this.long();
    if (count < 0) {
      count = -count;
      this.length(this.long(), 1);
    }
    return this.length(count, leastBytes);
  }

  /** As {@link count}, and leaves values out where the encoding tells how many bytes they are. */
  countOrSkip(leastBytes: number): number {
    for (;;) {
      const count = this.long();
      if (count >= 0) return this.length(count, leastBytes);
      this.skip(this.length(this.long(), 1));
    }
  }

  skip(size: number): void {
    this.take(size);
  }

  /** Where so many bytes are, which are read then. */
  private take(size: number): number {
    const from = this.at;
    if (size > this.end - from) throw new Undecodable('it ends within a value');
    this.at = from + size;
    return from;
  }
}
