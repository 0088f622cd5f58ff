// SPDX-License-Identifier: Apache-2.0
// Batches in Snappy as Java's clients write them.

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
