// SPDX-License-Identifier: Apache-2.0
// Gzip files as programs write them: several members, zeros between and after them, and damage.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGunzip, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { unzipped } from '../../../src/io/text/unzip.ts';

async function unzip(bytes: Uint8Array, cut = 64 * 1024): Promise<Buffer> {
  async function* pieces() {
    // One buffer for all, as files are read.
    const buffer = Buffer.alloc(cut);
    for (let at = 0; at < bytes.length; at += cut) {
      const piece = bytes.subarray(at, at + cut);
      buffer.set(piece);
      yield buffer.subarray(0, piece.length);
    }
  }
  const all: Buffer[] = [];
  for await (const piece of unzipped(pieces(), createGunzip)) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

const lines = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name}${i},${Math.sin(i)}\n`).join('');

test('zeros between members and after the last one lose nothing', async () => {
  const text = lines('a', 20_000) + lines('b', 1000);
  const bytes = Buffer.concat([
    gzipSync(lines('a', 20_000)),
    Buffer.alloc(512),
    gzipSync(lines('b', 1000)),
    Buffer.alloc(100_000),
  ]);
  for (const cut of [1000, 65_536, 10_000_000]) {
    assert.equal((await unzip(bytes, cut)).toString(), text);
  }
});

test('members and zeros in any order, in pieces cut anywhere, give what the members hold', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.string({ maxLength: 50 }), fc.nat(20)), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 60 }),
      async (members, cut) => {
        const bytes = members.flatMap(([text, zeros]) => [gzipSync(text), Buffer.alloc(zeros)]);
        const text = members.map(([part]) => part).join('');
        assert.equal((await unzip(Buffer.concat(bytes), cut)).toString(), text);
      },
    ),
    { numRuns: 150 },
  );
});

test('no bytes are no text', async () => {
  assert.equal((await unzip(Buffer.alloc(0))).length, 0);
});

test('a member that is cut, damaged or no member is an error, also after others and after zeros', async () => {
  const good = gzipSync(lines('a', 3000));
  const damaged = Buffer.from(good);
  damaged[damaged.length - 6]! ^= 1;
  for (const tail of [
    good.subarray(0, good.length - 1),
    good.subarray(0, 100),
    good.subarray(0, 5),
    damaged,
    Buffer.from('plain text'),
  ]) {
    for (const front of [[], [good], [good, Buffer.alloc(512)]]) {
      const bytes = Buffer.concat([...front, tail]);
      for (const cut of [100, 1_000_000]) {
        await assert.rejects(unzip(bytes, cut), { code: /^Z_/ });
      }
    }
  }
  await assert.rejects(unzip(Buffer.alloc(100)), { code: 'Z_DATA_ERROR' });
});

test('reading may stop early, and a source that fails is told', async () => {
  let ended = false;
  async function* pieces() {
    try {
      for (;;) yield gzipSync(lines('a', 1000));
    } finally {
      ended = true;
    }
  }
  for await (const _ of unzipped(pieces(), createGunzip)) break;
  assert.ok(ended);
  async function* failing() {
    yield gzipSync(lines('a', 1000));
    throw new Error('the disk is gone');
  }
  await assert.rejects(
    async () => {
      for await (const _ of unzipped(failing(), createGunzip)) {
      }
    },
    { message: 'the disk is gone' },
  );
});

test('one call of zlib agrees with us on many small members', async () => {
  const bytes = Buffer.concat(Array.from({ length: 3000 }, (_, i) => gzipSync(`line ${i}\n`)));
  assert.equal((await unzip(bytes)).compare(gunzipSync(bytes)), 0);
});
