// SPDX-License-Identifier: Apache-2.0
// What assertions say while a pipeline is built, and of a run that never checked them. The job
// service is a fake in this process, which executes nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GlobalWindow, IntervalWindow } from '../../../src/coders/index.ts';
import { uncheckedAssertions } from '../../../src/testing/assertion.ts';
import {
  assertContentsSatisfies,
  assertDeepEqual,
  assertThat,
  TestPipeline,
} from '../../../src/testing/index.ts';
import { create, fixedWindows, windowInto } from '../../../src/transforms/index.ts';
import { FakeJobService } from '../../helpers/fake-job-service.ts';
import { build, newRoot } from '../transforms/graph.ts';

test('an assertion that a run never checked fails it', async () => {
  await using fake = await FakeJobService.start({});
  const pipeline = new TestPipeline({ runner: 'portable', jobEndpoint: fake.address });
  const run = pipeline.run((root) => {
    assertThat(root.apply(create([1]))).containsInAnyOrder(1);
  });
  await assert.rejects(run, {
    code: 'ASSERTION_FAILED',
    message:
      /never checked.*assertThat\.containsInAnyOrder.*assertions\.test\.ts:\d+.*testStream\(\)/s,
  });
});

test('a run without assertions passes', async () => {
  await using fake = await FakeJobService.start({});
  const result = await new TestPipeline({ jobEndpoint: fake.address, runner: 'portable' }).run(
    (root) => root.apply(create([1])),
  );
  assert.equal(result.state, 'DONE');
});

test('every assertion waits to be checked, and is named for what it says', () => {
  const { pipeline } = build((root) => {
    const all = root.apply(create([1])).apply(windowInto(fixedWindows(1)));
    all.apply(assertDeepEqual([1]));
    all.apply(assertContentsSatisfies(() => {}));
    assertThat(all).inLatePanes(new IntervalWindow(0, 1000)).empty().inFinalPane().empty();
  });
  assert.deepEqual(
    uncheckedAssertions(pipeline).map(({ name }) => name),
    [
      'assertDeepEqual',
      'assertContentsSatisfies',
      'assertThat(the late panes of window [0, 1000)).empty',
      'assertThat(the final pane).empty',
    ],
  );
});

test('a window of another kind, and a check that is no function, are refused at once', () => {
  const global = newRoot().apply(create([1]));
  assert.throws(() => assertThat(global).inWindow(new IntervalWindow(0, 1)), {
    code: 'INVALID_ARGUMENT',
    message: /\[0, 1\) is no window of a PCollection in/,
  });
  assertThat(global).inWindow(GlobalWindow.INSTANCE).empty();
  assert.throws(() => assertThat(global).satisfies(1 as never), { code: 'INVALID_ARGUMENT' });
});
