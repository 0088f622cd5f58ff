// SPDX-License-Identifier: Apache-2.0
// Compressed files as other programs write them: several frames or streams, pieces of any size, and damage.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { createRunner } from '../../../src/index.ts';
import { readFromCsv, readFromText } from '../../../src/io/index.ts';
import type { FileCodec } from '../../../src/io/text/compression.ts';
import { decompressed } from '../../../src/io/text/decompress.ts';
import { row, string } from '../../../src/schema/index.ts';
import { readRows } from '../../helpers/row-files.ts';
import { file } from './scratch.ts';

const LINES = Array.from({ length: 20_000 }, (_, n) => `line ${Math.floor(n / 5000)} of a file`);
const TEXT = `${LINES.join('\n')}\n`;

/**
 * That text, by Python's zstandard and bz2: a frame with a checksum, one to be passed over, and one of several blocks; two
 * streams, of which the second has several blocks.
 */
const WRITTEN = {
  zstd: 'KLUv/aSghgEA9QAAkGxpbmUgMCBvZiBhIGZpbGUKMQIAjxrwYv4S5XMJt6/s+FAqTRgDAAAAYWJjKLUv/QBY9AAAkCBvZiBhIGZpbGUKbGluZSAxMgIAh26gi2ERlM8lbQAAEGYzAgD/SyCXvG4HVw==',
  bzip2:
    'QlpoMTFBWSZTWYiUNsYAoNBZAAAQQABgACMlsACwEA000Caqg2oaEA000alAixQIsUCLVSoVioTJQIvVAi+kCLagRdKBF4oEXcgRbUCL7agRcyBFpQIvzFBWSZTWcs2/YUAAAFZAAAQQAAgACMloAAiBiGhADAwErU7zGFuj4u5IpwoSG0PSAQBCWmgxMUFZJlNZUgxJawAt81kAABBAADAAIyWwALaCAaaaBNVI00MClQmQPFAi1hQIsKBFpQKnN8JAM0KljKKqU8ihF+oEW5Ai7UCL1QIsqBFtQItqBFhQIsyBFwxQVkmU1nIfZ6MAETsWQAAEEAAGAAjJbAAsBANNNAmqkNqAQDTTRuUCLFAiyQIswqSmqSUtZIEXeqgReKBF6oEXygRcyBF5IEXSgRbUCL5QItKBF0oEX5igrJMprPYPfggAIDMsgAAIIAAEABGS0ABEgpVDaIBSqDE9TVRRGUURlFEZRRGKKI4SiPqKIyiiPKKI3RRHtFEZRRGEojqiiNUUR+LuSKcKEgaanJSA',
};

const FILES: Record<'deflate' | 'zstd' | 'bzip2', Buffer> = {
  // Members one after the other.
  deflate: Buffer.concat([deflateSync(TEXT.slice(0, 1000)), deflateSync(TEXT.slice(1000))]),
  zstd: Buffer.from(WRITTEN.zstd, 'base64'),
  bzip2: Buffer.from(WRITTEN.bzip2, 'base64'),
};
const CODECS = Object.keys(FILES) as (keyof typeof FILES)[];

async function bytesOf(bytes: Uint8Array, codec: FileCodec, size = 64 * 1024): Promise<Buffer> {
  async function* pieces() {
    // One buffer for all, as files are read.
    const buffer = Buffer.alloc(size);
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.subarray(at, at + size);
      buffer.set(piece);
      yield buffer.subarray(0, piece.length);
    }
  }
  const all: Buffer[] = [];
  for await (const piece of decompressed(pieces(), codec, 'a file')) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

for (const codec of CODECS) {
  test(`all of a ${codec} file is read, in pieces of any size, and nothing of an empty one`, async () => {
    for (const size of [1, 7, 19, 64 * 1024]) {
      assert.equal((await bytesOf(FILES[codec], codec, size)).toString(), TEXT, `${size}`);
    }
    assert.equal((await bytesOf(Buffer.alloc(0), codec)).length, 0);
  });

  test(`a ${codec} file that is cut is MALFORMED_DATA, wherever it is`, async () => {
    const whole = FILES[codec];
    const parts: number[] = [];
    for (let length = 1; length < whole.length; length++) {
      try {
        const found = await bytesOf(whole.subarray(0, length), codec);
        // Between two frames it is a whole file of the first.
        assert.ok(TEXT.startsWith(found.toString()));
        parts.push(found.length);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'MALFORMED_DATA', `${error}`);
        assert.match((error as Error).message, /a file is no whole/);
      }
    }
    // zstd may be cut in front of the frame that is passed over, and behind it.
    assert.deepEqual([...new Set(parts)], [codec === 'deflate' ? 1000 : 100_000]);
    assert.equal(parts.length, codec === 'zstd' ? 2 : 1);
  });

  test(`what is no ${codec} file is MALFORMED_DATA`, async () => {
    for (const bytes of [Buffer.from('a text that is none\n'), Buffer.alloc(100)])
      await assert.rejects(bytesOf(bytes, codec), { code: 'MALFORMED_DATA' });
  });
}

test('a bzip2 file whose bytes were changed is MALFORMED_DATA', async () => {
  for (const at of [20, 100, 300]) {
    const bytes = Buffer.from(FILES.bzip2);
    bytes[at]! ^= 4;
    await assert.rejects(bytesOf(bytes, 'bzip2'), { code: 'MALFORMED_DATA' });
  }
});

test('an error of reading is told as it is, and not as damage', async () => {
  for (const codec of CODECS) {
    async function* failing(): AsyncGenerator<Buffer> {
      yield FILES[codec].subarray(0, 20);
      throw Object.assign(new Error('gone'), { code: 'EIO' });
    }
    await assert.rejects(
      async () => {
        for await (const _ of decompressed(failing(), codec, 'x'));
      },
      { code: 'IO_FAILED', message: /x cannot be read: gone/ },
    );
  }
});

test('sources read them by their names, or as they are told', async () => {
  const names = { deflate: 'a.deflate', zstd: 'a.zst', bzip2: 'a.bz2' };
  for (const codec of CODECS) {
    const named = file(names[codec], FILES[codec]);
    const other = file(`${codec}.txt`, FILES[codec]);
    assert.deepEqual(await readRows(readFromText(named)), LINES);
    assert.deepEqual(
      await readRows(readFromText(other, { compression: codec, skipHeaderLines: 1 })),
      LINES.slice(1),
    );
    const csv = readFromCsv(named, { schema: row({ text: string }), header: false });
    assert.equal((await readRows(csv)).length, LINES.length);
  }
  await assert.rejects(
    createRunner().run((root) => {
      root.apply(readFromText(file('b.bz2', FILES.zstd)));
    }),
    { code: 'MALFORMED_DATA', message: /b\.bz2 is no whole bzip2 file/ },
  );
});
