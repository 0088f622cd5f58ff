// SPDX-License-Identifier: Apache-2.0
// Two things that the package (1.x) does wrong in silence or not at all, mended in the package that was
// loaded, since what it exports leaves no other place:
//
// Snappy as Java's clients write it is in the frames of xerial's stream, which the package takes for one
// block of Snappy, and traps at. Source: SnappyOutputStream of snappy-java: 16 bytes of head (magic,
// version, oldest version that reads it), then blocks, each behind its length in 4 bytes, big-endian.
//
// The time of a record is written as its distance from the first of its batch, in zigzag of 64 bits, of
// which the package's has a shift for 32: distances of 2^31 ms (25 days) and more became others.
// Source: https://kafka.apache.org/documentation/#record (varlong)

import { BeamBridgeError } from '../../base/index.ts';

/** Bytes as the package has them: a buffer, or what gathers several and has them as one. */
type Gathered = Buffer | { readonly buffer: Buffer };

/** A compression of the package's, by whose decompressor all that is read goes. */
export interface Decompressor {
  decompressSync(data: Gathered): Buffer;
}

/** What the package writes records with. */
export interface RecordWriter {
  append(bytes: Buffer): RecordWriter;
  appendVarInt64(value: bigint): RecordWriter;
}

/** What is mended of the package. */
export interface Mendable {
  readonly compressionsAlgorithms: { readonly snappy: Decompressor };
  readonly Writer: { readonly prototype: RecordWriter };
}

const mended = new WeakSet<Mendable>();

/** Mends the package; once, however often it is asked. */
export function mend(pkg: Mendable): void {
  if (mended.has(pkg)) return;
  mended.add(pkg);
  readFrames(pkg.compressionsAlgorithms.snappy);
  writeLongDistances(pkg.Writer.prototype);
}

/** What the package writes rightly, with room to spare. */
const SHORT = 2n ** 30n;

function writeLongDistances(writer: RecordWriter): void {
  const { appendVarInt64 } = writer;
  writer.appendVarInt64 = function (this: RecordWriter, value) {
    if (value > -SHORT && value < SHORT) return appendVarInt64.call(this, value);
    return this.append(varLong(value));
  };
}

function varLong(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

const MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const HEAD = 16;

/** Makes the package's snappy read frames too. */
function readFrames(snappy: Decompressor): void {
  const block = snappy.decompressSync.bind(snappy);
  snappy.decompressSync = (data) => {
    const bytes = Buffer.isBuffer(data) ? data : data.buffer;
    return bytes.subarray(0, MAGIC.length).equals(MAGIC) ? ofFrames(bytes, block) : block(bytes);
  };
}

function ofFrames(bytes: Buffer, block: (data: Buffer) => Buffer): Buffer {
  const blocks: Buffer[] = [];
  let at = HEAD;
  while (at < bytes.length) {
    // A stream that is written on after a flush may have its head again.
    if (bytes.subarray(at, at + MAGIC.length).equals(MAGIC)) {
      at += HEAD;
      continue;
    }
    const size = at + 4 <= bytes.length ? bytes.readUInt32BE(at) : Infinity;
    if (at + 4 + size > bytes.length) {
      throw new BeamBridgeError(
        'MALFORMED_DATA',
        'a batch of messages ends within a block of Snappy',
      );
    }
    blocks.push(block(bytes.subarray(at + 4, at + 4 + size)));
    at += 4 + size;
  }
  return Buffer.concat(blocks);
}
