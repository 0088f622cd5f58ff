// SPDX-License-Identifier: Apache-2.0
// What is no transform is refused where it is applied, with what to apply.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StrUtf8Coder } from '../../../src/coders/index.ts';
import { modelHandler, RunInference } from '../../../src/ml/index.ts';
import { P, PTransformClass } from '../../../src/pipeline/index.ts';
import { row, string } from '../../../src/schema/index.ts';
import {
  count,
  countPerElement,
  create,
  fixedWindows,
  flatten,
  groupByKey,
  map,
} from '../../../src/transforms/index.ts';
import { newRoot } from '../transforms/graph.ts';

const handler = modelHandler({
  name: 'upper',
  example: string,
  inference: string,
  loadModel: () => null,
  runInference: (batch: string[]) => batch.map((one) => one.toUpperCase()),
});

class Own extends PTransformClass<never, void> {}
class Doubled {
  process() {
    return [];
  }
}

const GIVEN: [string, unknown, string, string][] = [
  ['RunInference', RunInference, 'the class RunInference', 'RunInference.of(handler)'],
  ['a handler', handler, 'the model handler upper', 'RunInference.of(handler)'],
  ['an object', {}, 'Object {}', 'Pass what a function such as groupByKey()'],
  ['undefined', undefined, 'undefined', 'its module does not export'],
  ['null', null, 'null', 'its module does not export'],
  ['text', 'RunInference', 'string "RunInference"', 'Pass what a function'],
  ['a promise', Promise.resolve(), 'a Promise', 'Await it first'],
  ['a class of transforms', Own, 'the class Own', 'new Own(…)'],
  ['a class of DoFns', Doubled, 'the class Doubled', 'parDo(new Doubled())'],
  ['a DoFn', new Doubled(), 'the DoFn Doubled {}', 'parDo(doFn)'],
  ['a combiner', count, 'Object {beamName, createAccumulator', 'combinePerKey(combiner)'],
  ['a window function', fixedWindows(1), 'Object {beamName, assignWindows', 'windowInto(windowFn)'],
  ['a type', row({ a: string }), 'Object {kind, fields}', 'withSchema(type)'],
  ['a coder', new StrUtf8Coder(), 'StrUtf8Coder', 'withCoder(coder)'],
  ['an array', [flatten()], 'array of 1', 'Pass what a function'],
];

for (const [what, given, said, hint] of GIVEN) {
  test(`${what} in the place of a transform is refused with what to give`, async () => {
    const refused = (error: { code?: string; message: string; hint?: string }) => {
      assert.equal(error.code, 'INVALID_ARGUMENT', error.message);
      assert.ok(error.message.includes(`apply was given ${said}`), error.message);
      assert.match(error.message, /no-transform\.test\.ts:\d+/);
      assert.ok(error.hint?.includes(hint), error.hint);
      return true;
    };
    const root = newRoot();
    const numbers = root.apply(create([1]));
    const before = root.pipeline.transforms.length;
    assert.throws(() => numbers.apply(given as never), refused);
    assert.throws(() => root.apply(given as never), refused);
    assert.throws(() => P([numbers]).apply(given as never), refused);
    await assert.rejects(() => numbers.applyAsync(given as never), refused);
    assert.equal(root.pipeline.transforms.length, before, 'nothing of it is in the pipeline');
  });
}

for (const maker of [groupByKey, countPerElement, map]) {
  test(`${maker.name} that is not called is refused with the call`, async () => {
    const numbers = () => newRoot().apply(create([1]));
    const refused = {
      code: 'INVALID_ARGUMENT',
      transform: maker.name,
      shortMessage: `${maker.name} gave a transform and no PCollection`,
      hint: `A function that makes transforms is called where it is applied: .apply(${maker.name}(…)).`,
    };
    assert.throws(() => numbers().apply(maker as never), refused);
    await assert.rejects(numbers().applyAsync(maker as never), refused);
  });
}
