// SPDX-License-Identifier: Apache-2.0
// Runs of the runner `node` that wait for what never comes: starts Node processes of its own.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { endsBesideOthers, source } from '../helpers/programs.ts';

const program = (ending: string) => `
import * as B from ${source('index.ts')};
import { modelHandler, RunInference } from ${source('ml/index.ts')};
import { int64 } from ${source('schema/index.ts')};
const { create, createRunner, filter, flatMap, groupBy, map, parDo, withName } = B;
const { run, runAsync } = ((runner) => ({
  run: (pipeline, options) => runner.run(pipeline, options),
  runAsync: (pipeline) => runner.runAsync(pipeline),
}))(createRunner({ progress: false }));
const never = () => new Promise(() => {});
const tell = (name) => [() => console.log(name, 'done'), ({ code }) => console.log(name, code)];
${ending}`;

const stuckIn: [string, string][] = [
  ['a filter', 'filter(never)'],
  ['a key function', 'groupBy(never)'],
  ['startBundle', 'parDo({ startBundle: never, process: (x) => [x] })'],
  ['finishBundle', 'parDo({ finishBundle: never, process: (x) => [x] })'],
  [
    'onTimer',
    `parDo({ process: (_, { timer }) => timer.setRelative(0), onTimer: never }, { timer: B.eventTimeTimer() })`,
  ],
];
suite('what is waited for is told with its transform', { concurrency: 2 }, () => {
  for (const [what, transform] of stuckIn) {
    test(what, async () => {
      const { stdout, stderr } = await endsBesideOthers(
        program(`await run((root) => {
  root.apply(create([{ key: 1, value: 2 }])).apply(withName('stuck', ${transform}));
}).catch(({ transform, appliedAt }) => console.log(transform, appliedAt !== undefined));`),
      );
      assert.match(stdout, /^stuck\S* true\n$/, stderr);
    });
  }
});

interface Ending {
  readonly code: string;
  readonly stdout: string;
  readonly status?: number;
  readonly stderr?: RegExp;
}

const NEVER = 'create([1])).map(never); }';
const gated: Record<string, Ending> = {
  'a run whose files have their names is done, whatever confirming that waits for': {
    code: `
import { writeToText } from ${source('io/index.ts')};
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
const folder = mkdtempSync(tmpdir() + '/beambridge-stuck-');
await run((root) => {
  root.apply(create([1])).map((n, { bundle }) => (bundle.register(never), String(n)), { bundle: B.bundleFinalizerParam() })
    .apply(writeToText(folder + '/out'));
}).then(...tell('a'));
console.log(readdirSync(folder).join());
rmSync(folder, { recursive: true });`,
    stdout: 'a done\nout-00000-of-00001\n',
    stderr: /not all of what is stored is confirmed, since a function does not come back/,
  },
  'a run goes on whose function waits for what the program does about the failure of a later one': {
    code: `
let open;
const gate = new Promise((resolve) => { open = resolve; });
const b = run((root) => { root.apply(create([1])).map(async () => console.log(await gate)); }).then(...tell('b'));
await run((root) => { root.apply(${NEVER}).catch(({ code }) => console.log('a', code));
open('opened');
await b;`,
    stdout: 'a USER_CODE_FAILED\nopened\nb done\n',
  },
  'a run goes on with a model of its own that waits for the call of a stuck one': {
    code: `
let calls = 0, begin;
const began = new Promise((resolve) => { begin = resolve; });
const model = modelHandler({
  name: 'm', example: int64, inference: int64, loadModel: () => 1,
  runInference: (batch) => (calls++ === 0 ? (begin(), never()) : batch),
});
const score = (root) => {
  root.apply(create([1])).apply(RunInference.of(model)).map(({ inference }) => console.log(inference));
};
const a = run(score).then(...tell('a'));
await began;
const b = run(score).then(...tell('b'));
await a;
await b;`,
    stdout: 'a USER_CODE_FAILED\n1\nb done\n',
    stderr: /a call of m does not come back, of a run that has ended: its model is loaded again/,
  },
  'a run goes on that handles the failure of one within': {
    code: `
const inner = () => run((root) => { root.apply(${NEVER}).then(...tell('inner'));
await run((root) => { root.apply(create([1])).map(inner); }).then(...tell('outer'));`,
    stdout: 'inner USER_CODE_FAILED\nouter done\n',
  },
  'all are given up in the end': {
    code: `
const one = (name) => run((root) => { root.apply(${NEVER}).then(...tell(name));
await Promise.all(['a', 'b', 'c'].map(one));`,
    stdout: 'c USER_CODE_FAILED\nb USER_CODE_FAILED\na USER_CODE_FAILED\n',
  },
  'a construction that never comes back fails the program': {
    code: 'await run(async () => { await never(); });',
    stdout: '',
    status: 1,
    stderr: /the function that constructs the pipeline does not come back/,
  },
  'a construction that never comes back may be handled': {
    code: `
await run(async () => { await never(); }).then(...tell('a'));
await run((root) => { root.apply(create([1])).map((x) => x); }).then(...tell('b'));`,
    stdout: 'a USER_CODE_FAILED\nb done\n',
    stderr: /the function that constructs the pipeline does not come back/,
  },
};
const failed =
  "await runAsync((root) => { root.apply(create([1])).apply(withName('Bad', map(fail))); })";
const fail = "const fail = () => { throw new Error('the reason'); };";
const wait = 'await new Promise((resolve) => setTimeout(resolve, 500));';
const unasked: Record<string, Ending> = {
  'a failure that nobody asks for is logged, and fails the program': {
    code: `${fail} ${failed};`,
    stdout: '',
    status: 1,
    stderr:
      /\[error\] runner: a run has failed whose end nobody has asked for: .*the reason[\s\S]*Bad/,
  },
  'a failure that nobody asks for fails a program that ends by process.exit()': {
    code: `${fail} ${failed}; ${wait} process.exit();`,
    stdout: '',
    status: 1,
    stderr: /nobody has asked for/,
  },
  'a program may give a code of 0 to process.exit()': {
    code: `${fail} ${failed}; ${wait} process.exit(0);`,
    stdout: '',
    stderr: /nobody has asked for/,
  },
  'a program that has heard of a failure may end by process.exit()': {
    code: `${fail} const result = ${failed}; ${wait} result.state; process.exit();`,
    stdout: '',
  },
  'a failure that a program asks for late is handled': {
    code: `${fail} const result = ${failed}; ${wait} await result.waitUntilFinish().then(...tell('a'));`,
    stdout: 'a USER_CODE_FAILED\n',
  },
  'a failure that a program asks for after another run was given up is handled': {
    code: `${fail} const result = ${failed};
await run((root) => { root.apply(${NEVER}).catch(() => {});
await result.waitUntilFinish().then(...tell('a'));`,
    stdout: 'a USER_CODE_FAILED\n',
  },
  'a program that sees that a run has failed knows it': {
    code: `${fail} const result = ${failed}; ${wait} console.log(result.state);`,
    stdout: 'FAILED\n',
  },
  'a program that waits for a time, and is told so that a run has failed, knows it': {
    code: `
const result = await createRunner({ progress: false }).runAsync((root) => {
  root.apply(create([1])).apply(parDo({
    process() { throw new Error('the reason'); },
    teardown: () => new Promise((resolve) => setTimeout(resolve, 700)),
  }));
});
let state;
do state = await result.waitUntilFinish(50); while (state === 'RUNNING');
console.log(state);`,
    stdout: 'FAILED\n',
    stderr: /^(?![\s\S]*nobody has asked for)/,
  },
  'a run that the program aborts itself has not failed': {
    code: `
const wish = new AbortController();
const options = { signal: wish.signal, progress: false };
await createRunner().runAsync((root) => { root.apply(${NEVER}, options);
wish.abort();`,
    stdout: '',
    stderr: /^$/,
  },
};
suite('where nothing is left to do', { concurrency: 2 }, () => {
  for (const [what, ending] of Object.entries({ ...gated, ...unasked })) {
    test(what, async () => {
      const { stdout, stderr, status } = await endsBesideOthers(program(ending.code));
      assert.equal(stdout, ending.stdout, stderr);
      assert.equal(status, ending.status ?? 0, stderr);
      assert.match(stderr, ending.stderr ?? /^/);
    });
  }
});
