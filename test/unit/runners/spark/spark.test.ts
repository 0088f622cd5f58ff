// SPDX-License-Identifier: Apache-2.0
// What the runner spark takes for a master, and what it does not run.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, createRunner, periodicImpulse } from '../../../../src/index.ts';
import { masterOf } from '../../../../src/runners/spark/options.ts';

test('sparkMaster is what Spark calls a master', () => {
  assert.equal(masterOf({}), 'local[*]');
  const masters = ['local', 'local[2]', 'local[*,3]', 'spark://a:7077', 'yarn', 'k8s://https://a'];
  for (const sparkMaster of masters) assert.equal(masterOf({ sparkMaster }), sparkMaster);
  for (const sparkMaster of ['', '[local]', 'localhost:7077', 'http://spark:7077', 'local[x]']) {
    assert.throws(() => masterOf({ sparkMaster }), {
      code: 'INVALID_ARGUMENT',
      hint: /spark:\/\//,
    });
  }
});

test('a stream is refused before anything is started', async () => {
  const runner = createRunner({ runner: 'spark', sparkJobServer: '/nowhere', progress: false });
  await assert.rejects(
    runner.run((root) => root.apply(periodicImpulse({ interval: 10 })).map((x) => x)),
    { code: 'UNSUPPORTED', hint: /flink/ },
  );
  await assert.rejects(
    runner.run((root) => root.apply(create([1])).map((x) => x)),
    { code: /JAVA_NOT_FOUND|ENGINE_NOT_FOUND/ },
  );
});
