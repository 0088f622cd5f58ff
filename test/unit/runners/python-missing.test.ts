// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { RunInference } from '../../../src/ml/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import { int64, string } from '../../../src/schema/index.ts';
import { testStream } from '../../../src/testing/index.ts';
import { create } from '../../../src/transforms/index.ts';

const VARIABLES = ['PATH', 'BEAMBRIDGE_HOME', 'BEAMBRIDGE_PYTHON', 'BEAMBRIDGE_BASE_PYTHON'];
const before = { ...process.env };
let empty: string;

/** A machine without Python, and without an environment that was built earlier. */
beforeEach(() => {
  empty = mkdtempSync(join(tmpdir(), 'beambridge-no-python-'));
  for (const name of VARIABLES) delete process.env[name];
  process.env.PATH = empty;
  process.env.BEAMBRIDGE_HOME = empty;
});
afterEach(() => {
  for (const name of VARIABLES) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
  rmSync(empty, { recursive: true, force: true });
});

const runner = createRunner({ runner: 'direct', progress: false });

test('a cross-language stage without Python is told, with what does without', async () => {
  const run = runner.run((root) =>
    root
      .apply(create([1], { schema: int64 }))
      .apply(RunInference.of('my.Handler', { example: int64, inference: int64 })),
  );
  await assert.rejects(run, (error: Error) => {
    assert.match(error.message, /no Python was found on the PATH/);
    assert.match(error.message, /in transform: RunInference\/.*python-missing\.test\.ts:\d+/);
    assert.match(error.message, /Install Python .* withTestModel\(.*beambridge\/testing.*map or/s);
    return true;
  });
});

test('a pipeline of TypeScript alone is told of the runner that needs no Python', async () => {
  await assert.rejects(
    runner.run((root) => root.apply(create([1]))),
    { code: 'PYTHON_NOT_FOUND', message: /this runner needs one.*runner: 'node'/s },
  );
});

test("the runner 'direct' refuses a test stream", async () => {
  await assert.rejects(
    runner.run((root) => root.apply(testStream(string).addElements('a'))),
    { code: 'UNSUPPORTED', message: /plays no test streams.*testStream\/TestStream.*'node'/s },
  );
});
