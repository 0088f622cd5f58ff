// SPDX-License-Identifier: Apache-2.0
// What `explain` tells of a pipeline, without Python and without a run.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  combinePerKey,
  create,
  createRunner,
  pipeline,
  type Root,
  sum,
} from '../../../../src/index.ts';
import { writeToText } from '../../../../src/io/index.ts';
import { RunInference, sklearn } from '../../../../src/ml/index.ts';
import { array, float64, int64 } from '../../../../src/schema/index.ts';

const model = () => sklearn({ modelUri: 'model.pkl', example: array(float64), inference: int64 });

export const scored = pipeline(import.meta.url, (root) =>
  root
    .apply(create([[1, 2]]))
    .map((features) => features.map((value) => 2 * value))
    .apply(RunInference.of(model()))
    .map(({ inference }) => ({ key: inference, value: 1 }))
    .apply(combinePerKey(sum)),
);

test('explain names the steps, who does them, and starts nothing', async () => {
  let calls = 0;
  const plan = await createRunner().explain((root: Root) =>
    root.apply(create(['a'])).map((letter) => {
      calls += 1;
      return letter;
    }),
  );
  assert.equal(calls, 0);
  assert.equal(plan.steps[0]!.where, 'runner');
  assert.deepEqual(
    new Set(plan.steps.map(({ where }) => where)),
    new Set(['runner', 'main thread']),
  );
  assert.ok(plan.steps.at(-1)!.transforms.includes('map'));
});

test('a model of Python is a step of Python between two of this program', async () => {
  const { steps } = await createRunner().explain(scored);
  const python = steps.findIndex(({ where }) => where === 'Python');
  assert.ok(python > 0);
  assert.match(steps[python]!.transforms[0]!, /^RunInference\/Python/);
  assert.ok(steps[python - 1]!.transforms.includes('RunInference/Pack'));
  assert.ok(steps[python + 1]!.transforms.includes('RunInference/Unpack'));
  assert.ok(
    steps.some(({ where, transforms }) => where === 'runner' && /group/.test(transforms[0]!)),
  );
});

test('with threads it says what they take, and why the rest stays', async () => {
  const { steps } = await createRunner({ nodeWorkers: 2 }).explain(scored);
  const threaded = steps.filter(({ where }) => where === 'threads');
  assert.ok(threaded.some(({ transforms }) => transforms.includes('RunInference/Unpack')));
  const inline = await createRunner({ nodeWorkers: 2 }).explain((root: Root) =>
    root.apply(create([1])).map((n) => n),
  );
  const notes = inline.steps.flatMap((step) => step.notes);
  assert.ok(notes.some((note) => /a function written inline/.test(note)));
});

test('as a text, each step is a paragraph that begins with who does it', async () => {
  const plan = await createRunner().explain(scored);
  const text = `${plan}`;
  assert.match(text, /^Python {7}RunInference\/Python/m);
  assert.match(text, /^main thread {2}RunInference\/Unpack\n {13}map_2$/m);
  assert.equal(text.match(/^\S/gm)?.length, plan.steps.length);
});

test('an output that is only explained is neither made nor begun', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'beambridge-explain-'));
  try {
    await createRunner().explain((root: Root) =>
      root.apply(create(['a'])).apply(writeToText(join(folder, 'deep', 'out'))),
    );
    assert.deepEqual(readdirSync(folder), []);
    assert.ok(!existsSync(join(folder, 'deep')));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what a run refuses is refused, and so are runners that do not plan', async () => {
  await assert.rejects(createRunner({ runner: 'direct' }).explain(scored), {
    code: 'UNSUPPORTED',
    message: /does not tell its plan/,
  });
  await assert.rejects(
    createRunner().explain(() => {
      throw new Error('of the builder');
    }),
    /of the builder/,
  );
});

test('a pipeline without transforms has a plan without steps', async () => {
  const plan = await createRunner().explain(() => undefined as never);
  assert.deepEqual(plan.steps, []);
  assert.equal(`${plan}`, '');
});
