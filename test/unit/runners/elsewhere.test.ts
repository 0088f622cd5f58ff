// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BeamBridgeError } from '../../../src/base/index.ts';
import { onnxLocal, RunInference } from '../../../src/ml/index.ts';
import {
  constructPipeline,
  createRunner,
  type PipelineDefinition,
} from '../../../src/runners/index.ts';
import { prepareElsewhere } from '../../../src/runners/portable/elsewhere.ts';
import { array, float32, int64 } from '../../../src/schema/index.ts';
import { create } from '../../../src/transforms/index.ts';
import { first } from '../../fixtures/worker/exports.ts';

const OPTIONS = { environmentType: 'PROCESS', environmentConfig: '/bin/true' };

test('a pipeline with a model in native code is refused, unless the program lies where workers are', async () => {
  const modelUri = fileURLToPath(new URL('../../fixtures/onnx/classifier.onnx', import.meta.url));
  const digits = onnxLocal({ modelUri, example: array(float32), inference: int64 });
  const graph = await constructPipeline(
    (root) => root.apply(create([[1]])).apply(RunInference.of(digits)),
    OPTIONS,
  );
  await assert.rejects(prepareElsewhere(graph, OPTIONS, first), (error: BeamBridgeError) => {
    assert.equal(error.code, 'NATIVE_PACKAGE');
    assert.match(error.message, /onnxruntime-node/);
    assert.match(error.hint!, /workerProgram: 'module'/);
    return true;
  });
  await prepareElsewhere(graph, { ...OPTIONS, workerProgram: 'module' }, first);
});

test('a way to workers that there is not is refused', async () => {
  const graph = await constructPipeline(first as PipelineDefinition, {});
  await assert.rejects(
    prepareElsewhere(graph, { ...OPTIONS, workerProgram: 'tarball' as 'bundle' }, first),
    { code: 'INVALID_ARGUMENT' },
  );
});

test('runners whose functions run in this process refuse workers elsewhere', async () => {
  for (const runner of ['node', 'direct'] as const) {
    await assert.rejects(createRunner({ runner, ...OPTIONS }).run(first), { code: 'UNSUPPORTED' });
  }
});

test('a pipeline that is written inline is refused', async () => {
  await assert.rejects(
    prepareElsewhere(await constructPipeline(first, {}), OPTIONS, (root) =>
      root.apply(create([1])),
    ),
    { code: 'PIPELINE_NOT_EXPORTED' },
  );
});
