// SPDX-License-Identifier: Apache-2.0
// Snappy as Java's clients write it: in the frames of xerial's stream, which the package (1.x) takes for
// one block of Snappy, and traps at. Its decompressor is replaced by one that knows both.
// Source: SnappyOutputStream of snappy-java: 16 bytes of head (magic, version, oldest version that reads
// it), then blocks, each behind its length in 4 bytes, big-endian.

import { BeamBridgeError } from '../../base/index.ts';

/** Bytes as the package has them: a buffer, or what gathers several and has them as one. */
type Gathered = Buffer | { readonly buffer: Buffer };

/** A compression of the package's, by whose decompressor all that is read goes. */
export interface Decompressor {
  decompressSync(data: Gathered): Buffer;
}

const MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const HEAD = 16;
const patched = new WeakSet<Decompressor>();

/** Makes the package's snappy read frames too; once, however often it is asked. */
export function readFrames(snappy: Decompressor): void {
  if (patched.has(snappy)) return;
  patched.add(snappy);
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
