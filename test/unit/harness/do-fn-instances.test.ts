// SPDX-License-Identifier: Apache-2.0
// DoFn objects in several runs, one of which has ended in the middle of something.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setLogSink } from '../../../src/base/index.ts';
import { DoFnInstance } from '../../../src/harness/engine/do-fn-instances.ts';
import { time } from '../../helpers/time.ts';

const bundle = () => {
  let error: Error | undefined;
  const abort = () => {
    error = new Error('aborted');
  };
  return { aborted: () => error, abort };
};

test('a setup that never ends keeps nobody for ever: not its run, nor later ones', async (t) => {
  const pass = time(t);
  const warnings: string[] = [];
  t.after(setLogSink(({ message }) => warnings.push(message)));
  let setups = 0;
  class Stuck {
    setup() {
      setups += 1;
      return setups === 1 ? new Promise<void>(() => {}) : undefined;
    }
    process() {}
  }
  const instance = DoFnInstance.of(new Stuck());
  instance.hold();
  const gone = bundle();
  const use = await instance.acquire(gone);
  const began = assert.rejects(instance.setUp(gone), /aborted/);
  await pass(100);
  gone.abort();
  await pass(100);
  await began;
  instance.markBroken();
  use.end();
  void instance.recover();
  const next = instance.setUp(bundle());
  await pass(11_000);
  await next;
  assert.equal(setups, 2);
  assert.match(warnings.join(), /DoFn Stuck: a setup or teardown does not end/);
});

test('one that waits for a setup whose run has ended sets the object up itself in the end', async (t) => {
  const pass = time(t);
  let setups = 0;
  const instance = DoFnInstance.of({
    setup: () => (++setups === 1 ? new Promise<void>(() => {}) : undefined),
    process() {},
  });
  const gone = bundle();
  const began = assert.rejects(instance.setUp(gone), /aborted/);
  const other = instance.setUp(bundle());
  await pass(100);
  gone.abort();
  await pass(6000);
  await Promise.all([began, other]);
  assert.equal(setups, 2);
});

test('a broken object is set up again when its teardown has ended, and no earlier', async (t) => {
  const pass = time(t);
  const story: string[] = [];
  let goOn = () => {};
  const instance = DoFnInstance.of({
    setup: () => void story.push('setup'),
    teardown: async () => {
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      story.push('torn down');
    },
    process() {},
  });
  instance.hold();
  const failed = bundle();
  const use = await instance.acquire(failed);
  await instance.setUp(failed);
  instance.markBroken();
  use.end();
  void instance.recover();
  const again = bundle();
  const next = await instance.acquire(again);
  const ready = instance.setUp(again);
  await pass(3000);
  assert.deepEqual([story, instance.unfinished], [['setup'], 'teardown']);
  goOn();
  await pass(200);
  await ready;
  assert.deepEqual([story, instance.unfinished], [['setup', 'torn down', 'setup'], undefined]);
  next.end();
});

test('an object that works on one bundle at a time, and does not come back: told, once its run has ended', async (t) => {
  const pass = time(t);
  const instance = DoFnInstance.of({ beamName: 'counting', startBundle() {}, process() {} });
  const gone = bundle();
  const use = await instance.acquire(gone);
  const refused = assert.rejects(instance.acquire(bundle()), {
    code: 'TIMEOUT',
    message: /^the DoFn counting is still at work for a run that has ended[\s\S]*a new object/,
  });
  await pass(60_000);
  gone.abort();
  await pass(6000);
  await refused;
  use.end();
  (await instance.acquire(bundle())).end();
});
