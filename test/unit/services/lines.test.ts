// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { test } from 'node:test';
import { onLines } from '../../../src/services/process/lines.ts';
import { Tail } from '../../../src/services/process/tail.ts';

async function linesOf(chunks: (string | Buffer)[]): Promise<string[]> {
  const stream = new PassThrough();
  const lines: string[] = [];
  onLines(stream, (line) => lines.push(line));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  await finished(stream, { writable: false });
  return lines;
}

test('lines come whole, however they were cut, and the last needs no end', async () => {
  assert.deepEqual(await linesOf(['on', 'e\r\ntwo\n\nthr', 'ee']), ['one', 'two', '', 'three']);
});

test('a character that is cut in two stays whole', async () => {
  const [first, second] = [Buffer.from('é\n').subarray(0, 1), Buffer.from('é\n').subarray(1)];
  assert.deepEqual(await linesOf([first, second]), ['é']);
});

test('a line without end is cut', async () => {
  const lines = await linesOf(Array.from({ length: 40 }, () => 'x'.repeat(100_000)));
  assert.ok(lines.length > 1);
  assert.equal(lines.join('').length, 4_000_000);
});

test('a tail keeps the end of what it got', () => {
  const tail = new Tail();
  for (let i = 0; i < 100_000; i++) tail.add(`line ${i}\n`);
  assert.ok(tail.toString().length <= 16 * 1024);
  assert.equal(tail.lines(2), 'line 99998\nline 99999');
});
