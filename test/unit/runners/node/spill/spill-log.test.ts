// SPDX-License-Identifier: Apache-2.0
// Pieces in a file: read in any order, while others are written, and nothing of it has a name.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { type Piece, SpillLog } from '../../../../../src/runners/node/engine/spill/spill-log.ts';

describe('pieces in a file', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'spill-test-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('are what was written, in any order of writing, flushing and reading', async () => {
    const steps = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 400_000 }), fc.constantFrom('flush', 'read')),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const log = new SpillLog(folder);
        const pieces: [Piece, Buffer][] = [];
        const check = async (index: number) => {
          const [[piece, data]] = pieces.splice(index, 1) as [[Piece, Buffer]];
          const input = await log.read(piece);
          assert.ok(data.equals(input.bytes(data.length)) && input.done);
        };
        for (const [i, step] of all.entries()) {
          if (step === 'flush') void log.flush();
          else if (step === 'read') {
            if (pieces.length > 0) await check(i % pieces.length);
          } else {
            const data = Buffer.alloc(step as number, i + 1);
            pieces.push([log.append((out) => out.bytes(data)), data]);
          }
        }
        while (pieces.length > 0) await check(0);
        await log.close();
      }),
      { numRuns: 40 },
    );
  });

  it('are there when the file is emptied while they are written', async () => {
    const log = new SpillLog(folder);
    const put = (text: string) => log.append((out) => out.bytes(Buffer.from(text)));
    for (let round = 0; round < 300; round++) {
      const first = put('first');
      await log.flush();
      // The last piece that is read empties the file; the second is on its way there at that time.
      const reading = log.read(first);
      const seconds: Promise<unknown>[] = [];
      for (let turn = 0; turn < 8; turn++) {
        await new Promise(setImmediate);
        const second = put(`second ${turn}`);
        seconds.push(
          log.flush().then(async () => {
            const read = await log.read(second);
            assert.equal(Buffer.from(read.rest()).toString(), `second ${turn}`);
          }),
        );
      }
      assert.equal(Buffer.from((await reading).rest()).toString(), 'first');
      await Promise.all(seconds);
    }
    await log.close();
  });

  it('leave nothing in the folder, also of a program that is killed', async () => {
    const log = new SpillLog(folder);
    const piece = log.append((out) => out.bytes(Buffer.alloc(1000)));
    await log.flush();
    assert.deepEqual(await readdir(folder), []);
    assert.equal((await log.read(piece)).bytes(1000).length, 1000);
    await log.close();
  });

  it('say so when the folder cannot be used', async () => {
    const log = new SpillLog(join(folder, 'missing'));
    const piece = log.append((out) => out.byte(1));
    await assert.rejects(log.read(piece), { code: 'IO_FAILED', message: /TMPDIR/ });
    await log.close();
  });
});
