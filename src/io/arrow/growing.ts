// SPDX-License-Identifier: Apache-2.0
// Buffers of a column that is written: numbers and bits, of which there will be as many as come.

type Typed<V> = V extends bigint
  ? BigInt64Array
  : Int8Array | Int16Array | Int32Array | Uint8Array | Uint32Array | Float32Array | Float64Array;
type Make<V> = { new (length: number): Typed<V>; readonly BYTES_PER_ELEMENT: number };

const FIRST = 256;

/** Numbers of one type. */
export class Growing<V extends number | bigint> {
  private values: Typed<V>;
  length = 0;

  constructor(private readonly Make: { new (length: number): unknown; BYTES_PER_ELEMENT: number }) {
    this.values = this.made(FIRST);
  }

  private made(length: number): Typed<V> {
    return new (this.Make as Make<V>)(length);
  }

  get bytes(): number {
    return this.length * this.Make.BYTES_PER_ELEMENT;
  }

  push(value: V): void {
    if (this.length === this.values.length) this.grow(this.length + 1);
    (this.values as unknown as V[])[this.length++] = value;
  }

  /** Of bytes. */
  pushAll(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.values.length) this.grow(this.length + bytes.length);
    (this.values as Uint8Array).set(bytes, this.length);
    this.length += bytes.length;
  }

  private grow(least: number): void {
    const larger = this.made(Math.max(least, this.values.length * 2));
    (larger as Uint8Array).set(this.values as Uint8Array);
    this.values = larger;
  }

  /** All of them, with which it is empty. */
  take(): Typed<V> {
    const taken = this.values.slice(0, this.length) as Typed<V>;
    this.length = 0;
    return taken;
  }
}

/** Bits, the least of each byte first. */
export class Bits {
  private readonly bytes = new Growing<number>(Uint8Array);
  private last = 0;
  length = 0;
  /** How many are 0. */
  zeros = 0;

  push(bit: boolean): void {
    if (bit) this.last |= 1 << (this.length & 7);
    else this.zeros += 1;
    this.length += 1;
    if ((this.length & 7) === 0) this.flush();
  }

  private flush(): void {
    this.bytes.push(this.last);
    this.last = 0;
  }

  take(): Uint8Array {
    if ((this.length & 7) !== 0) this.flush();
    this.length = 0;
    this.zeros = 0;
    return this.bytes.take() as Uint8Array;
  }
}
