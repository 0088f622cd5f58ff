// SPDX-License-Identifier: Apache-2.0
// Splittable DoFns as they are submitted to Spark: those of this SDK say that their workers go on with what is left.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FUNCTION_URNS, Pipeline, pipelineToProto, Root } from '../../../../src/pipeline/index.ts';
import { fromBinary, pb, toBinary } from '../../../../src/proto/index.ts';
import { keepWhole } from '../../../../src/runners/spark/whole-parts.ts';
import { isSplittable } from '../../../../src/runners/splittable-steps.ts';
import { create, periodicImpulse } from '../../../../src/transforms/index.ts';

const doFnOf = ({ spec }: pb.PTransform) => fromBinary(pb.ParDoPayloadSchema, spec!.payload).doFn!;

function proto(): pb.Pipeline {
  const pipeline = new Pipeline();
  const root = new Root(pipeline);
  root.apply(periodicImpulse({ start: 0, stop: 10, interval: 1 }));
  root.apply(create([1], false)).map((n) => n);
  return pipelineToProto(pipeline, { urn: 'test' });
}

test('splittable DoFns of this SDK are marked, and no other step', () => {
  const given = proto();
  const before = structuredClone(given.components!.transforms);
  keepWhole(given);
  const { transforms } = given.components!;
  const changed = Object.keys(transforms).filter(
    (id) =>
      !Buffer.from(transforms[id]!.spec?.payload ?? []).equals(
        before[id]!.spec?.payload ?? new Uint8Array(),
      ),
  );
  assert.deepEqual(
    changed,
    Object.keys(transforms).filter((id) => isSplittable(transforms[id]!)),
  );
  assert.equal(changed.length, 1);
  const [id] = changed;
  const { urn, payload } = doFnOf(transforms[id!]!);
  assert.equal(urn, FUNCTION_URNS.wholeDoFn);
  assert.deepEqual(payload, doFnOf(before[id!]!).payload);
});

test('one of another SDK stays as it is', () => {
  const given = proto();
  const [splittable] = Object.values(given.components!.transforms).filter(isSplittable);
  const payload = fromBinary(pb.ParDoPayloadSchema, splittable!.spec!.payload);
  payload.doFn!.urn = 'beam:dofn:pickled_python_info:v1';
  splittable!.spec!.payload = toBinary(pb.ParDoPayloadSchema, payload);
  keepWhole(given);
  assert.equal(doFnOf(splittable!).urn, 'beam:dofn:pickled_python_info:v1');
});
