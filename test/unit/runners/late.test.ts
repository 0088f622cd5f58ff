// SPDX-License-Identifier: Apache-2.0
// What is applied when the builder is over: nobody would run it, so it is refused, and a run that it is
// missing from ends.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeToText } from '../../../src/io/index.ts';
import type { PCollection, Root } from '../../../src/pipeline/index.ts';
import { constructPipeline, createRunner } from '../../../src/runners/index.ts';
import { startNodeRun } from '../../../src/runners/node/run.ts';
import { assertDeepEqual, assertThat, TestPipeline } from '../../../src/testing/index.ts';
import { create, fromAsyncIterable, withName } from '../../../src/transforms/index.ts';

const tooLate = (transform: string) => ({
  code: 'INVALID_ARGUMENT',
  transform,
  message:
    /has been submitted: what is applied now would not run.*late\.test\.ts:\d+.*await there/s,
});

function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

test('what is applied behind a run is refused, with its name and line', async () => {
  let numbers!: PCollection<number>;
  let root!: Root;
  await new TestPipeline().run((given) => {
    root = given;
    numbers = root.apply(create([1, 2]));
  });
  assert.throws(() => assertThat(numbers).containsInAnyOrder(999), tooLate('assertThat'));
  assert.throws(() => numbers.apply(assertDeepEqual([999])), tooLate('assertDeepEqual'));
  const texts = (n: number) => `${n}`;
  assert.throws(() => numbers.map(texts), tooLate('map(texts)'));
  assert.throws(
    () => (numbers as unknown as PCollection<string>).apply(writeToText('never')),
    tooLate('writeToText'),
  );
  assert.throws(() => root.apply(create(['more'])), tooLate('create'));
  await assert.rejects(root.applyAsync(withName('Slow', async () => {})), tooLate('Slow'));
});

test('a builder that does not wait hears of it, and its run fails', async () => {
  const list = gate();
  const end = gate();
  let added!: Promise<void>;
  const run = createRunner({ progress: false }).run((root) => {
    root.apply(create(['a'])).map(() => {
      list.open();
      return end.opened;
    });
    // As a forgotten await is, or a forEach(async …); the promise is kept for the test alone.
    added = list.opened.then(() => void root.apply(create(['b'])));
  });
  const failed = assert.rejects(run, tooLate('create'));
  await assert.rejects(() => list.opened.then(() => added), tooLate('create'));
  end.open();
  await failed;
});

test('a run that goes on ends for what is applied then', async () => {
  let numbers!: PCollection<number>;
  const result = await createRunner({ progress: false }).runAsync((root) => {
    numbers = root.apply(
      fromAsyncIterable(async function* () {
        yield 1;
        await new Promise(() => {});
      }),
    );
  });
  assert.throws(() => numbers.map(String), tooLate('map(String)'));
  await assert.rejects(result.waitUntilFinish(), tooLate('map(String)'));
  assert.equal(result.state, 'CANCELLED');
});

test('what was applied too late before a run began keeps it from beginning', async () => {
  const seen: number[] = [];
  let numbers!: PCollection<number>;
  const graph = await constructPipeline((root) => {
    numbers = root.apply(create([1]));
    numbers.map((n) => void seen.push(n));
  }, {});
  assert.throws(() => numbers.map(String), tooLate('map(String)'));
  await assert.rejects(startNodeRun(graph, { progress: false }), tooLate('map(String)'));
  assert.deepEqual(seen, []);
});

test('a builder makes a pipeline of its own for each run', async () => {
  const seen: number[] = [];
  class Twice {
    /** Kept from run to run, as a program may. */
    private readonly kept: PCollection<number>[] = [];
    expand(input: PCollection<number>) {
      this.kept.push(input);
      return input.map((n) => n * 2);
    }
    of = (input: PCollection<number>) => this.expand(input);
  }
  const twice = new Twice();
  const builder = (root: Root) => {
    root
      .apply(create([1]))
      .apply(twice.of)
      .map((n) => void seen.push(n));
  };
  const runner = createRunner({ progress: false });
  await runner.run(builder);
  await runner.run(builder);
  await Promise.all([runner.run(builder), constructPipeline(builder, {})]);
  assert.deepEqual(seen, [2, 2, 2]);
});
