// SPDX-License-Identifier: Apache-2.0
// A program that ends in the middle of a run, by itself: starts a Node process of its own.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-exit-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const source = (path: string) =>
  JSON.stringify(fileURLToPath(new URL(`../../src/${path}`, import.meta.url)));
const program = (ending: string) => `
import { create, createRunner } from ${source('index.ts')};
import { writeToText } from ${source('io/index.ts')};
await createRunner({ progress: false }).run((root) =>
  root
    .apply(create(['a', 'b']))
    .map((x) => (setTimeout(() => { ${ending} }, 200), x))
    .map(async (x) => (await new Promise((r) => setTimeout(r, 60_000)), x))
    .apply(writeToText(${JSON.stringify(join(scratch, 'out'))})),
);`;

for (const ending of ['process.exit(3)', "throw new Error('nobody catches this')"]) {
  test(`${ending} leaves no temporary folder of an output`, () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', program(ending)],
      { encoding: 'utf8' },
    );
    assert.ok(status, stderr);
    assert.doesNotMatch(stderr, /SyntaxError|TypeError/);
    assert.deepEqual(readdirSync(scratch), []);
  });
}

const left = (handler: string, ending: string) => `
import { create, createRunner, map } from ${source('index.ts')};
import { modelHandler, RunInference } from ${source('ml/index.ts')};
import { int64 } from ${source('schema/index.ts')};
const never = () => new Promise(() => {});
const digits = modelHandler({
  name: 'digits', example: int64, inference: int64, loadModel: () => 1, runInference: (batch) => batch, ${handler}
});
const score = (root) => {
  root.apply(create([1, 2])).apply(RunInference.of(digits)).map(({ inference }) => console.log(inference));
};
${ending}`;
const awaited = `createRunner({ progress: false }).run(score).then(() => console.log('done'));`;

const unfinished: [string, string, RegExp, number][] = [
  ['a call', 'runInference: never', /RunInference\/Predict/, 1],
  ['a loadModel', 'loadModel: never', /RunInference\/Predict/, 1],
];
for (const [what, handler, said, rc] of unfinished) {
  test(`${what} that nothing can end any more fails the run, and the program`, () => {
    const { status, stderr, stdout } = ends(left(handler, awaited));
    assert.match(stderr, /a function does not come back/);
    assert.match(stderr, said);
    assert.equal(status, rc, stderr);
    assert.equal(stdout, '');
  });
}

test('the program fails also where it does not ask what became of the run', () => {
  const { status, stderr } = ends(
    left('runInference: never', 'await createRunner({ progress: false }).runAsync(score);'),
  );
  assert.match(stderr, /a run cannot go on: a function does not come back/);
  assert.equal(status, 1, stderr);
});

test('a teardown that nothing can end any more is told of, and the run is done', () => {
  const { status, stderr, stdout } = ends(left('closeModel: never', awaited));
  assert.match(stderr, /the teardown of a DoFn or model does not end/);
  assert.deepEqual(stdout.split('\n'), ['1', '2', 'done', '']);
  assert.equal(status, 0, stderr);
});

function ends(code: string) {
  return spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code], {
    encoding: 'utf8',
  });
}
