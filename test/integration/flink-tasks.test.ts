// SPDX-License-Identifier: Apache-2.0
// How elements are shared by the tasks of Flink, where the jars of its job server are on this machine. In a
// batch each task has one bundle, so that bundles tell tasks apart.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  create,
  createRunner,
  type DoFn,
  type OffsetRange,
  OffsetRangeTracker,
  offsetRange,
  type PCollection,
  parDo,
  type Root,
  splitOffsetRange,
  splittableDoFn,
} from '../../src/index.ts';
import { readFromText } from '../../src/io/index.ts';
import { stopJobServers } from '../../src/services/index.ts';
import { flinkHere } from '../helpers/engines.ts';

const TASKS = 4;
const here = await flinkHere();
const skip = 'skip' in here && here.skip;
const folder = mkdtempSync(join(tmpdir(), 'beambridge-tasks-'));
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await stopJobServers();
});

/** Counts what each task has, and how many tasks are at work at once. */
class PerTask<T> implements DoFn<T, never> {
  private count = 0;

  constructor(
    private readonly waitMs = 0,
    readonly all: PerTask<T>[] = [],
    readonly seen = { atWork: 0, most: 0 },
  ) {}

  forBundle() {
    const own = new PerTask<T>(this.waitMs, this.all, this.seen);
    this.all.push(own);
    return own;
  }
  startBundle() {}
  async process() {
    this.count += 1;
    if (this.waitMs === 0) return;
    this.seen.most = Math.max(this.seen.most, ++this.seen.atWork);
    await delay(this.waitMs);
    this.seen.atWork -= 1;
  }
  get counts() {
    return this.all.map(({ count }) => count).filter((count) => count > 0);
  }
}

async function tasksOf<T>(source: (root: Root) => PCollection<T>, waitMs?: number) {
  const perTask = new PerTask<T>(waitMs);
  await createRunner({
    ...{ runner: 'flink', flinkMaster: '[local]', parallelism: TASKS, progress: false },
    flinkJobServer: 'jars' in here ? here.jars : '',
  }).run((root) => source(root).apply(parDo(perTask)));
  return perTask;
}

test('values of a program are shared by all tasks, which wait at the same time', {
  skip,
}, async () => {
  const values = Array.from({ length: 40 }, (_, n) => n);
  const { counts, seen } = await tasksOf((root) => root.apply(create(values)), 200);
  assert.deepEqual(counts, [10, 10, 10, 10]);
  assert.equal(seen.most, TASKS);
});

test('so are the lines of a file that is not large', { skip }, async () => {
  const file = join(folder, 'prompts.txt');
  writeFileSync(file, 'What is the capital of France?\n'.repeat(4000));
  const { counts } = await tasksOf((root) => root.apply(readFromText(file)));
  assert.equal(counts.length, TASKS, String(counts));
  assert.equal(
    counts.reduce((sum, count) => sum + count),
    4000,
  );
});

test('so are the first parts of what can be split', { skip }, async () => {
  const countTo = splittableDoFn({
    initialRestriction: (n: number) => offsetRange(0, n),
    splitRestriction: (_: number, range: OffsetRange) => splitOffsetRange(range, 10),
    newTracker: (range: OffsetRange) => new OffsetRangeTracker(range),
    *process(_: number, tracker) {
      for (let i = tracker.currentRestriction().start; tracker.tryClaim(i); i++) yield i;
    },
  });
  const { counts } = await tasksOf((root) => root.apply(create([80])).apply(parDo(countTo)));
  assert.deepEqual(counts, [20, 20, 20, 20]);
});
