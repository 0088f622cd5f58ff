// SPDX-License-Identifier: Apache-2.0
// Pipelines of tests on the runner `node`, in this process.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunInference } from '../../../src/ml/index.ts';
import type { PCollection, Root } from '../../../src/pipeline/index.ts';
import { pipeline } from '../../../src/runners/index.ts';
import { float64, string } from '../../../src/schema/index.ts';
import {
  assertContentsSatisfies,
  assertDeepEqual,
  assertThat,
  type Check,
  TestPipeline,
} from '../../../src/testing/index.ts';
import { create, reshuffle } from '../../../src/transforms/index.ts';

test('a pipeline with a model runs with a function in its place', async () => {
  const lengths = (texts: string[]) => texts.map((text) => text.length);
  const result = await new TestPipeline({ model: lengths }).run((root) => {
    const scores = root
      .apply(create(['a', 'bee']))
      .apply(RunInference.of('my.Handler', { example: string, inference: float64 }));
    assertThat(scores).containsInAnyOrder(
      { example: 'a', inference: 1 },
      { example: 'bee', inference: 3 },
    );
  });
  assert.equal(result.state, 'DONE');
});

test('an option that is undefined is as good as left out', async () => {
  class Unkept {
    x = 1;
  }
  const steps = (root: Root) => {
    root
      .apply(create([1]))
      .map(() => new Unkept())
      .map((kept) => kept.x);
  };
  const refused = { code: 'CODER_MISMATCH' };
  const none = { forceEncoding: undefined, runner: undefined, model: undefined };
  await assert.rejects(new TestPipeline(none).run(steps), refused);
  await assert.rejects(new TestPipeline().run(steps, none), refused);
  await new TestPipeline({ forceEncoding: false }).run(steps, none);
});

test('an assertion that does not hold names both sides and its line', async () => {
  const run = new TestPipeline().run((root) => {
    assertThat(root.apply(create(['ada']))).containsInAnyOrder('alan');
  });
  await assert.rejects(run, {
    code: 'ASSERTION_FAILED',
    message:
      /1 found, 1 expected.*assertThat\.containsInAnyOrder \(applied at .*test-pipeline\.test\.ts:\d+.*ada.*alan/s,
  });
});

test('what a check throws is the cause, and a check that is async is awaited', async () => {
  const cause = new RangeError('too few');
  const run = new TestPipeline().run((root) => {
    assertThat(root.apply(create([1]))).satisfies(async () => {
      throw cause;
    });
  });
  await assert.rejects(run, { code: 'ASSERTION_FAILED', shortMessage: 'too few', cause });
});

test('a check that says false does not hold, and one that says true does', async () => {
  const run = (check: Check<number>) =>
    new TestPipeline().run((root) => {
      const all = root.apply(create([1, 2]));
      assertThat(all).satisfies(check);
      all.apply(assertContentsSatisfies(check));
    });
  const refused = {
    code: 'ASSERTION_FAILED',
    message: /returned false \(2 found\).*test-pipeline\.test\.ts:\d+.*found: \[ [12], [12] \]/s,
  };
  await assert.rejects(
    run((all) => all.length > 2),
    refused,
  );
  await assert.rejects(
    run(async (all) => all.length > 2),
    refused,
  );
  await run((all) => all.length === 2);
  await run(async () => true);
  await run((() => undefined) as Check<number>);
});

test('an assertion that is given no check fails the run before it begins', async () => {
  const refused = {
    code: 'ASSERTION_FAILED',
    message: /never given a check.*test-pipeline\.test\.ts:\d+.*satisfies/s,
  };
  const seen: number[] = [];
  const run = (assertion: (all: PCollection<number>) => unknown) =>
    new TestPipeline().run(async (root) => {
      assertion(root.apply(create([1])).map((n) => seen.push(n)));
    });
  await assert.rejects(
    run((all) => assertThat(all)),
    refused,
  );
  await assert.rejects(
    run((all) => assertThat(all).inOnTimePane()),
    refused,
  );
  await assert.rejects(
    run((all) => assertThat(all).containsInAnyOrder(1).inFinalPane()),
    refused,
  );
  assert.deepEqual(seen, []);
  await run((all) => assertThat(all).inFinalPane().containsInAnyOrder(1).inLatePanes().empty());
});

test('assertions are checked of nothing too', async () => {
  const nothing = create<number>([]);
  await new TestPipeline().run((root) => {
    assertThat(root.apply(nothing)).empty();
  });
  const wrong = new TestPipeline().run((root) => {
    root.apply(nothing).apply(assertDeepEqual([1]));
  });
  await assert.rejects(wrong, { code: 'ASSERTION_FAILED' });
});

test('an exported pipeline runs too, and elements that do not survive encoding are found', async () => {
  const exported = pipeline(import.meta.url, (root) => {
    assertThat(root.apply(create([1])).map((n) => n + 1)).containsInAnyOrder(2);
  });
  await new TestPipeline().run(exported);
  const run = new TestPipeline().run((root) =>
    root
      .apply(create([1]))
      .map((n) => () => n)
      .apply(reshuffle())
      .map((fn) => fn()),
  );
  await assert.rejects(run, { code: 'CODER_MISMATCH' });
});
