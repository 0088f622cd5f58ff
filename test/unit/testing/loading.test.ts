// SPDX-License-Identifier: Apache-2.0
// What a test of a user's pipeline need not wait for. A test file has a process of its own.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { RunInference } from '../../../src/ml/index.ts';
import { LoopbackServer } from '../../../src/proto/index.ts';
import { float64, string } from '../../../src/schema/index.ts';
import { assertThat, TestPipeline } from '../../../src/testing/index.ts';
import { create } from '../../../src/transforms/index.ts';

const { cache } = createRequire(import.meta.url);
const isGrpcLoaded = () => Object.keys(cache).some((path) => path.includes('/@grpc/grpc-js/'));

test('a pipeline that stays in this process loads no gRPC', async () => {
  await new TestPipeline({ model: (texts: string[]) => texts.map(() => 1) }).run((root) => {
    const scores = root
      .apply(create(['a']))
      .apply(RunInference.of('my.Handler', { example: string, inference: float64 }));
    assertThat(scores).containsInAnyOrder({ example: 'a', inference: 1 });
  });
  assert.equal(isGrpcLoaded(), false);
  new LoopbackServer().close();
  assert.equal(isGrpcLoaded(), true);
});
