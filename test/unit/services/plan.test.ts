// SPDX-License-Identifier: Apache-2.0
// The ways to install an environment beside a user's own version of something that is pinned.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { installPlans } from '../../../src/services/python/plan.ts';
import { collectRequirements } from '../../../src/services/python/requirements.ts';

async function plansOf(extras: readonly string[], packages: readonly string[]) {
  const plans = await installPlans(await collectRequirements(extras, packages));
  return plans.map(({ files, names, constraints }) => ({
    files: files.map((file) => path.basename(file, '.txt')),
    names: [...names],
    pins: new Set(constraints.split('\n').map((line) => line.split('==')[0]!)),
  }));
}

for (const packages of [[], ['tqdm==4.67.1'], ['a @ https://example.org/a-1.0.tar.gz']]) {
  test(`beside [${packages}] everything is as it is pinned`, async () => {
    const plans = await plansOf(['sklearn', 'torch'], packages);
    assert.equal(plans.length, 1);
    assert.deepEqual(plans[0]!.files, ['base', 'sklearn', 'torch']);
    assert.deepEqual(plans[0]!.names, []);
  });
}

for (const spec of [
  'scikit-learn==1.5.2',
  'Scikit_Learn>=1.5,<1.6',
  'scikit-learn @ https://example.org/scikit_learn-1.5.2-cp311-cp311-linux_x86_64.whl',
]) {
  test(`${spec} goes first as pinned, then with pandas as pinned, then with any that fits`, async () => {
    const [pinned, fitting, loose, ...more] = await plansOf(['sklearn', 'torch'], [spec]);
    assert.deepEqual(more, []);
    assert.deepEqual(pinned!.files, ['base', 'sklearn', 'torch']);
    assert.ok(pinned!.pins.has('scikit-learn'));
    for (const plan of [fitting!, loose!]) {
      assert.deepEqual(plan.files, ['base', 'torch']);
      assert.deepEqual(plan.names, ['apache-beam==2.77.0', 'pandas']);
      assert.ok(!plan.pins.has('scikit-learn'));
      assert.ok(plan.pins.has('torch') && plan.pins.has('numpy'));
    }
    assert.ok(fitting!.pins.has('pandas') && fitting!.pins.has('scipy'));
    assert.ok(!loose!.pins.has('pandas') && !loose!.pins.has('scipy'));
  });
}

test('every extra that holds the package gives way, and no other', async () => {
  const [, fitting] = await plansOf(['sklearn', 'xgboost', 'torch'], ['pandas==2.2.3']);
  assert.deepEqual(fitting!.files, ['base', 'torch']);
  assert.deepEqual(fitting!.names.sort(), [
    'apache-beam==2.77.0',
    "datatable; python_version < '3.13'",
    'scikit-learn',
    'xgboost',
  ]);
});

test('a package of the base gives way to one that Beam takes, and Beam to none', async () => {
  const [, fitting] = await plansOf([], ['numpy==1.26.4']);
  assert.deepEqual(fitting!.files, []);
  assert.deepEqual(fitting!.names, ['apache-beam==2.77.0']);
  assert.ok(fitting!.pins.has('apache-beam') && !fitting!.pins.has('numpy'));
  assert.equal((await plansOf([], ['apache-beam==2.70.0'])).length, 1);
});

test('what stands in for one of ours is never beside it', async () => {
  const plans = await plansOf(['onnx'], ['onnxruntime-gpu']);
  assert.equal(plans.length, 2);
  for (const { files, names, pins } of plans) {
    assert.deepEqual(files, ['base']);
    assert.deepEqual(names, ['apache-beam==2.77.0', 'onnx']);
    assert.ok(!pins.has('onnxruntime'));
  }
});
