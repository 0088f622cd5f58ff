// SPDX-License-Identifier: Apache-2.0
// A program that ends in the middle of a run, by itself: starts a Node process of its own.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { ends, endsBesideOthers, source } from '../helpers/programs.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-exit-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

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
    const { status, stderr } = ends(program(ending));
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
  assert.match(
    stderr,
    /the teardown of RunInference\/Predict \(applied at .*\) does not end, and is left behind/,
  );
  assert.deepEqual(stdout.split('\n'), ['1', '2', 'done', '']);
  assert.equal(status, 0, stderr);
});

const never = (ending: string) => `
import { create, createRunner } from ${source('index.ts')};
const runner = createRunner({ progress: false });
const never = (root) => { root.apply(create([1])).map(() => new Promise(() => {})); };
${ending}
console.log('end');`;

// As Node has it: a failure that is handled ends no program, and one that nobody handles does.
const endings: [string, string, number][] = [
  [
    'catches the failure and goes on',
    `await runner.run(never).catch(({ code }) => console.log(code));
    await runner.run((root) => { root.apply(create([1])).map((x) => x); });`,
    0,
  ],
  [
    'gives up waiting, and handles the failure so',
    `await Promise.race([runner.run(never), new Promise((r) => setTimeout(r, 100))]);`,
    0,
  ],
  [
    'has an exit code of 0 and handles the failure',
    'process.exitCode = 0; runner.run(never).catch(() => {});',
    0,
  ],
  [
    'asks late what became of a run',
    `const result = await runner.runAsync(never);
    await runner.run(never).catch(() => {});
    await result.waitUntilFinish().catch(() => {});`,
    0,
  ],
  ['drops the promise of a run', 'runner.run(never);', 1],
  ['drops the promise of the wait', '(await runner.runAsync(never)).waitUntilFinish();', 1],
  [
    'waits for a time and no longer',
    'await (await runner.runAsync(never)).waitUntilFinish(100);',
    1,
  ],
  [
    'has an exit code of 0 and asks nothing',
    'process.exitCode = 0; await runner.runAsync(never);',
    1,
  ],
  ['has an exit code of its own', 'process.exitCode = 7; await runner.runAsync(never);', 7],
];
suite('where a run cannot go on', { concurrency: 3 }, () => {
  for (const [what, ending, rc] of endings) {
    test(`a program that ${what} ends with ${rc}`, async () => {
      const { status, stderr, stdout } = await endsBesideOthers(never(ending));
      assert.match(stderr, /a run cannot go on: a function does not come back/);
      assert.match(stdout, /end/);
      assert.equal(status, rc, stderr);
    });
  }
});

for (const [how, resume] of [
  ['in a while', 'setTimeout(go, 20)'],
  ['at once', 'go()'],
]) {
  test(`a run goes on that a listener of beforeExit resumes ${how}, as often as it takes`, () => {
    const { status, stderr, stdout } = ends(`
import { create, createRunner } from ${source('index.ts')};
let go;
const waits = () => new Promise((resolve) => { go = resolve; });
const resume = () => { const now = go; go = undefined; if (now) { const go = now; ${resume}; } };
createRunner({ progress: false }).run((root) => {
  root.apply(create([1, 2, 3, 4])).map(async (x) => (await waits(), x)).map((x) => console.log(x));
}).then(() => console.log('done'));
process.on('beforeExit', resume);`);
    assert.deepEqual(stdout.split('\n'), ['1', '2', '3', '4', 'done', ''], stderr);
    assert.equal(status, 0, stderr);
    assert.equal(stderr, '');
  });
}
