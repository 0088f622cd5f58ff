// SPDX-License-Identifier: Apache-2.0
// Runs of the runner `node` that wait for what never comes: starts Node processes of its own.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { endsBesideOthers, source } from '../helpers/programs.ts';

const program = (ending: string) => `
import * as B from ${source('index.ts')};
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
