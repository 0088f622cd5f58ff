// SPDX-License-Identifier: Apache-2.0
// Splittable DoFns as they are submitted to Flink: taken apart, with their parts spread before they are processed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pipeline, pipelineToProto, Root } from '../../../../src/pipeline/index.ts';
import { urns } from '../../../../src/proto/index.ts';
import { spreadParts } from '../../../../src/runners/flink/spread-parts.ts';
import {
  create,
  iterableSideInput,
  OffsetRangeTracker,
  offsetRange,
  parDo,
  splitOffsetRange,
  splittableDoFn,
} from '../../../../src/transforms/index.ts';

const S = urns.StandardPTransforms_SplittableParDoComponents;

test('parts are cut, spread over the tasks, and processed; side inputs and outputs are as before', () => {
  const pipeline = new Pipeline();
  const root = new Root(pipeline);
  const factors = root.apply(create([2], false));
  const count = splittableDoFn({
    initialRestriction: (n: number) => offsetRange(0, n),
    splitRestriction: (_: number, range) => splitOffsetRange(range, 10),
    newTracker: (range) => new OffsetRangeTracker(range),
    *process(_: number, tracker, { factor }: { factor: Iterable<number> }) {
      for (let i = tracker.currentRestriction().start; tracker.tryClaim(i); i++)
        for (const by of factor) yield i * by;
    },
  });
  root
    .apply(create([80], false))
    .apply(parDo(count, { factor: iterableSideInput(factors) } as never))
    .map((n) => n);
  const proto = pipelineToProto(pipeline, { urn: 'test' });
  const before = structuredClone(Object.keys(proto.components!.transforms));
  const [id] = Object.entries(proto.components!.transforms).find(
    ([, { inputs }]) => Object.keys(inputs).length === 2,
  )!;
  const { inputs, outputs } = proto.components!.transforms[id]!;
  spreadParts(proto);

  const { transforms, pcollections } = proto.components!;
  assert.deepEqual(
    Object.keys(transforms).filter((each) => !before.includes(each)),
    ['pair', 'split', 'process', 'spread'].map((step) => `${id}/${step}`),
  );
  const whole = transforms[id]!;
  assert.equal(whole.spec, undefined);
  const [pair, split, spread, process] = whole.subtransforms.map((step) => transforms[step]!);
  assert.deepEqual(
    [pair, split, spread, process].map((step) => step!.spec!.urn),
    [
      S.PAIR_WITH_RESTRICTION,
      S.SPLIT_AND_SIZE_RESTRICTIONS,
      urns.StandardPTransforms_Composites.RESHUFFLE,
      S.PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS,
    ],
  );
  const made = [pair, split, spread].map((step) => Object.values(step!.outputs)[0]!);
  assert.deepEqual(pair!.inputs, inputs);
  assert.ok(Object.values(split!.inputs).includes(made[0]!));
  assert.deepEqual(Object.values(spread!.inputs), [made[1]]);
  assert.equal(pcollections[made[2]!]!.coderId, pcollections[made[1]!]!.coderId);
  const [mainTag] = Object.entries(inputs).find(([tag]) => process!.inputs[tag] !== inputs[tag])!;
  assert.deepEqual(process!.inputs, { ...inputs, [mainTag]: made[2] });
  assert.deepEqual(process!.outputs, outputs);
});

test('what cannot be split stays as it is', () => {
  const pipeline = new Pipeline();
  new Root(pipeline).apply(create([1, 2, 3])).map((n) => n + 1);
  const proto = pipelineToProto(pipeline, { urn: 'test' });
  const before = JSON.stringify(Object.keys(proto.components!.transforms));
  spreadParts(proto);
  assert.equal(JSON.stringify(Object.keys(proto.components!.transforms)), before);
});
