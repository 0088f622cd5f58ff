// SPDX-License-Identifier: Apache-2.0
// Writing Avro's binary encoding: the other side of cursor.ts.

const FIRST = 4096;
/** Up to here doubling stays a safe integer. */
const HALF_SAFE = 2 ** 52;

export class Sink {
  at = 0;
  private bytes = Buffer.allocUnsafe(FIRST);

  /** What was written since the last call. */
  taken(): Buffer {
    const taken = Buffer.from(this.bytes.subarray(0, this.at));
    this.at = 0;
    return taken;
  }

  /** Where so many bytes go. */
  private room(size: number): number {
    const { at, bytes } = this;
    const end = at + size;
    if (end > bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(bytes.length * 2, end));
      bytes.copy(larger, 0, 0, at);
      this.bytes = larger;
    }
    this.at = end;
    return at;
  }

  byte(value: number): void {
    const at = this.room(1);
    this.bytes[at] = value;
  }

  /** A whole number, which must be a safe integer. */
  long(value: number): void {
    if (value >= HALF_SAFE || value <= -HALF_SAFE) {
      this.bigint(BigInt(value));
      return;
    }
    let rest = value < 0 ? -value * 2 - 1 : value * 2;
    while (rest > 0x7f) {
      this.byte((rest % 128) | 0x80);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  /** A whole number of 64 bits. */
  bigint(value: bigint): void {
    let rest = value < 0n ? -value * 2n - 1n : value * 2n;
    while (rest > 0x7fn) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.byte(Number(rest));
  }

  float(value: number): void {
    const at = this.room(4);
    this.bytes.writeFloatLE(value, at);
  }

  double(value: number): void {
    const at = this.room(8);
    this.bytes.writeDoubleLE(value, at);
  }

  raw(content: Uint8Array): void {
    const at = this.room(content.length);
    this.bytes.set(content, at);
  }

  /** Bytes behind their length. */
  content(content: Uint8Array): void {
    this.long(content.length);
    this.raw(content);
  }

  text(text: string): void {
    const length = Buffer.byteLength(text, 'utf8');
    this.long(length);
    const at = this.room(length);
    this.bytes.write(text, at, length, 'utf8');
  }
}
