// SPDX-License-Identifier: Apache-2.0
// What the package of Kafka does wrong, and does rightly once it is mended.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafkaPackage } from '../../../../src/io/kafka/package.ts';

const HEAD = Buffer.from('82534e415050590000000001000000' + '01', 'hex');

function framed(...blocks: Buffer[]): Buffer {
  return Buffer.concat([
    HEAD,
    ...blocks.flatMap((block) => {
      const size = Buffer.alloc(4);
      size.writeUInt32BE(block.length);
      return [size, block];
    }),
  ]);
}

test('blocks in frames, and a block alone, are read', async () => {
  const pkg = await kafkaPackage();
  await kafkaPackage();
  const { snappy } = pkg.compressionsAlgorithms as unknown as {
    snappy: { compressSync(data: Buffer): Buffer; decompressSync(data: Buffer): Buffer };
  };
  const texts = ['a'.repeat(40_000), 'b'.repeat(5)].map((text) => Buffer.from(text));
  const blocks = texts.map((text) => snappy.compressSync(text));
  assert.deepEqual(snappy.decompressSync(blocks[0]!), texts[0]);
  const both = Buffer.concat(texts);
  assert.deepEqual(snappy.decompressSync(framed(...blocks)), both);
  assert.deepEqual(
    snappy.decompressSync(Buffer.concat([framed(blocks[0]!), framed(blocks[1]!)])),
    both,
  );
  assert.equal(snappy.decompressSync(framed()).length, 0);
  const torn = framed(...blocks).subarray(0, -1);
  assert.throws(() => snappy.decompressSync(torn), { code: 'MALFORMED_DATA' });
});

test('records whose times lie far apart keep them', async () => {
  const pkg = (await kafkaPackage()) as unknown as {
    Writer: { create(): { appendVarInt64(value: bigint): { buffer: Buffer } } };
  };
  for (const days of [0, 1, 12, 24, 25, 30, 60, 365, 20_000]) {
    for (const extra of [-1n, 0n, 1n]) {
      for (const sign of [-1n, 1n]) {
        const distance = sign * (BigInt(days) * 86_400_000n + extra);
        const { buffer } = pkg.Writer.create().appendVarInt64(distance);
        // Read here by the definition, since a reader with the same fault would not tell.
        let zigzag = 0n;
        for (const [index, byte] of buffer.entries()) {
          zigzag |= BigInt(byte & 0x7f) << BigInt(7 * index);
          assert.equal(byte > 0x7f, index < buffer.length - 1);
        }
        const read = zigzag % 2n === 0n ? zigzag / 2n : -(zigzag + 1n) / 2n;
        assert.equal(read, distance);
      }
    }
  }
});
