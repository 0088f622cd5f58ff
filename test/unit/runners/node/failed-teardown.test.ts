// SPDX-License-Identifier: Apache-2.0
// What a failed bundle has torn down keeps nobody from hearing why it failed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setLogSink } from '../../../../src/base/index.ts';
import { create, flatMap, parDo, type Root, withName } from '../../../../src/index.ts';
import { modelHandler, RunInference } from '../../../../src/ml/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import { int64 } from '../../../../src/schema/index.ts';
import { time } from '../../../helpers/time.ts';

const never = () => new Promise<never>(() => {});
const fail = () => {
  throw new Error('the real reason');
};
const { run } = ((runner) => ({ run: (pipeline: (root: Root) => void) => runner.run(pipeline) }))(
  createRunner({ runner: 'node', progress: false }),
);
const reason = { code: 'USER_CODE_FAILED', message: /the real reason/ };

const model = modelHandler({
  name: 'm',
  example: int64,
  inference: int64,
  loadModel: () => 1,
  runInference: fail,
  closeModel: never,
});
const scores = withName('Score', RunInference.of(model));

const leaving: [string, (root: Root) => void, RegExp][] = [
  [
    'teardown',
    (root) => {
      root.apply(create([1])).apply(withName('Left', parDo({ process: fail, teardown: never })));
    },
    /^the teardown of Left \(applied at .*\) does not end, and is left behind$/,
  ],
  [
    'closeModel',
    (root) => {
      root.apply(create([1])).apply(scores);
    },
    /^the teardown of Score\/Predict \(applied at .*\) does not end, and is left behind$/,
  ],
  [
    'iterator',
    (root) => {
      const outputs = async function* () {
        try {
          yield 1;
        } finally {
          await never();
        }
      };
      root
        .apply(create([1]))
        .apply(withName('Outputs', flatMap(outputs)))
        .map(fail);
    },
    /the iterator of outputs in Outputs does not come to its end: it is left behind$/,
  ],
];
for (const [what, pipeline, said] of leaving) {
  test(`a ${what} that never ends is left behind, and told`, async (t) => {
    const pass = time(t);
    const warnings: string[] = [];
    t.after(setLogSink(({ message }) => warnings.push(message)));
    const rejected = assert.rejects(run(pipeline), reason);
    await pass(13_000);
    await rejected;
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, said);
  });
}

test('a slow teardown is waited for, and others than that begin beside it', async (t) => {
  const pass = time(t);
  let goOn = () => {};
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const story: string[] = [];
  const slow = parDo({
    process: (x: number) => [x],
    teardown: () => gate.then(() => tell('slow')),
  });
  const quick = parDo({ process: fail, teardown: () => tell('quick') });
  const tell = (what: string) => void story.push(what);
  const ended = run((root) => {
    root
      .apply(create([1]))
      .apply(slow)
      .apply(quick);
  }).catch(({ message }: Error) => tell(message.includes('the real reason') ? 'told' : message));
  await pass(5000);
  assert.deepEqual(story, ['quick']);
  goOn();
  await ended;
  assert.deepEqual(story, ['quick', 'slow', 'told']);
});
