// SPDX-License-Identifier: Apache-2.0
// Files of streams whose program is killed: starts Node processes of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { source } from '../helpers/programs.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-apart-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Runs a program until it ends, or `until` says that it is to be killed. */
async function runs(program: string, flags: string[], until?: () => boolean) {
  const args = [...flags, '--import', 'tsx', '--input-type=module', '--eval', program];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const timer = setInterval(() => until?.() && child.kill('SIGKILL'), 1);
  const signal = await new Promise((resolve) => child.on('exit', (_, by) => resolve(by)));
  clearInterval(timer);
  return { signal, stderr, status: child.exitCode };
}

test('a stream that is killed leaves whole files alone, and the next run replaces them', {
  timeout: 300_000,
}, async () => {
  const folder = join(scratch, 'killed');
  const program = (windows: number) => `
    import { createRunner, fixedWindows, fromAsyncIterable, windowInto } from ${source('index.ts')};
    import { writeToCsv } from ${source('io/index.ts')};
    import { int64, row, string } from ${source('schema/index.ts')};
    const pad = 'y'.repeat(500);
    async function* rows() {
      for (let i = 0; i < ${windows} * 400; i++) yield { id: i, pad };
    }
    await createRunner({ runner: 'node', progress: false }).run((root) => {
      root
        .apply(fromAsyncIterable(rows, { timestamp: ({ id }) => Math.floor(id / 400) * 1000 }))
        .apply(windowInto(fixedWindows(1)))
        .apply(writeToCsv(${JSON.stringify(`${folder}/`)}, {
          schema: row({ id: int64, pad: string }),
          windowed: true,
          fileNameSuffix: '.csv.gz',
          destination: ({ id }) => 'd' + (id % 4) + '/part',
        }));
    });`;
  /** How many files there are beside temporary ones, each of which must be whole. */
  const whole = () => {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    const paths = entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
    const files = paths.filter((path) => !path.includes('/.beam-temp-'));
    for (const path of files) {
      const ids = gunzipSync(readFileSync(path))
        .toString()
        .split('\n')
        .slice(1, -1)
        .map(Number.parseFloat);
      const [, d, h, m, s] = /d(\d)\/part-19700101T(\d\d)(\d\d)(\d\d)Z-.*-00000-of-00001\.csv\.gz$/
        .exec(path)!
        .map(Number);
      const second = h! * 3600 + m! * 60 + s!;
      const expected = Array.from({ length: 100 }, (_, i) => second * 400 + i * 4 + d!);
      assert.deepEqual(
        ids.sort((x, y) => x - y),
        expected,
        path,
      );
    }
    return files.length;
  };
  for (const wanted of [1, 7, 30]) {
    const count = () => {
      try {
        return readdirSync(join(folder, 'd3')).length;
      } catch {
        return 0;
      }
    };
    rmSync(folder, { recursive: true, force: true });
    const { signal, stderr } = await runs(program(100_000), [], () => count() >= wanted);
    assert.equal(signal, 'SIGKILL', stderr);
    assert.ok(whole() >= wanted);
  }
  const { status, stderr } = await runs(program(60), []);
  assert.equal(status, 0, stderr);
  assert.ok(whole() >= 240);
});
