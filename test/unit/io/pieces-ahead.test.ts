// SPDX-License-Identifier: Apache-2.0
// Pieces of a file that are read while the one before them is worked on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { OpenFile } from '../../../src/io/stores/store.ts';
import { piecesAhead } from '../../../src/io/text/pieces-ahead.ts';

/** A file in memory that tells what is read of it. */
function fileOf(text: string, { short = Infinity, failsAt = Infinity } = {}) {
  const bytes = Buffer.from(text);
  const asked: number[] = [];
  let pending = 0;
  const file = {
    async read(buffer: Uint8Array, offset: number, length: number, position: number) {
      asked.push(position);
      pending += 1;
      await turn();
      pending -= 1;
      if (position >= failsAt) throw new Error(`no bytes at ${position}`);
      const part = bytes.subarray(position, position + Math.min(length, short));
      buffer.set(part, offset);
      return { bytesRead: part.length };
    },
  } as unknown as OpenFile;
  return { file, asked, isReading: () => pending > 0 };
}

async function textOf(pieces: AsyncIterable<Buffer>): Promise<string[]> {
  const texts: string[] = [];
  // Each may be overwritten when the next is there.
  for await (const piece of pieces) texts.push(piece.toString());
  return texts;
}

test('pieces come in order and whole, however few bytes a read gives', async () => {
  const text = 'abcdefghijklmnopqrstuvwxyz';
  for (const short of [1, 3, 4, 100]) {
    for (const end of [0, 5, 26, Infinity]) {
      const { file } = fileOf(text, { short });
      const got = await textOf(piecesAhead(file, 4, { from: 2, end }));
      assert.equal(got.join(''), text.slice(2), `${short} ${end}`);
    }
  }
});

test('the third piece is read while the second is worked on, and none behind the sure end', async () => {
  const { file, asked } = fileOf('aaaabbbbccccdddd');
  const pieces = piecesAhead(file, 4, { from: 0, end: 12 });
  await pieces.next();
  assert.deepEqual(asked, [0], 'who looks at the beginning only reads no more');
  await pieces.next();
  assert.deepEqual(asked, [0, 4, 8]);
  assert.equal(String((await pieces.next()).value), 'cccc');
  assert.deepEqual(asked, [0, 4, 8]);
  assert.equal(String((await pieces.next()).value), 'dddd');
  assert.deepEqual(asked, [0, 4, 8, 12]);
});

test('a piece keeps its bytes while the next one is read', async () => {
  const { file, isReading } = fileOf('aaaabbbbccccdddd');
  for await (const piece of piecesAhead(file, 4, { from: 0, end: Infinity })) {
    const before = piece.toString();
    while (isReading()) await turn();
    assert.equal(piece.toString(), before);
  }
});

test('what fails ahead is told when it is asked for, and to nobody when it is not', async () => {
  const { file } = fileOf('aaaabbbbccccdddd', { failsAt: 8 });
  const pieces = piecesAhead(file, 4, { from: 0, end: Infinity });
  await pieces.next();
  assert.equal(String((await pieces.next()).value), 'bbbb');
  await turn();
  await assert.rejects(pieces.next(), /no bytes at 8/);

  const given = piecesAhead(fileOf('aaaabbbbccccdddd', { failsAt: 8 }).file, 4, {
    from: 0,
    end: Infinity,
  });
  await given.next();
  await given.next();
  await given.return();
});

test('who goes on without the rest waits until nothing is read any more', async () => {
  const { file, isReading } = fileOf('aaaabbbbccccdddd');
  for await (const piece of piecesAhead(file, 4, { from: 0, end: Infinity })) {
    if (piece.toString() === 'bbbb') break;
  }
  assert.equal(isReading(), false);
});
