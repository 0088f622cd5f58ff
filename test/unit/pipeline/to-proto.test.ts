// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equals } from '@bufbuild/protobuf';
import {
  Pipeline,
  pipelineToProto,
  Root,
  TYPESCRIPT_ENVIRONMENT,
} from '../../../src/pipeline/index.ts';
import { fromBinary, pb, toBinary } from '../../../src/proto/index.ts';
import { create, iterableSideInput } from '../../../src/transforms/index.ts';

function build(): Pipeline {
  const pipeline = new Pipeline();
  const root = new Root(pipeline);
  const words = root.apply(create(['a', 'b']));
  const stop = root.apply(create(['b']));
  words.filter((w, { stop }) => ![...stop.lookup()].includes(w), { stop: iterableSideInput(stop) });
  return pipeline;
}

const environment = { urn: 'beam:env:external:v1' };

test('the same program gives the same message, byte for byte', () => {
  const [one, two] = [build(), build()].map((p) => pipelineToProto(p, environment));
  assert.ok(equals(pb.PipelineSchema, one!, two!));
});

test('an empty pipeline is an error with a hint', () => {
  assert.throws(() => pipelineToProto(new Pipeline(), environment), { code: 'EMPTY_PIPELINE' });
});

test('every id that the message names exists in it, and equal coders are one', () => {
  const { components } = pipelineToProto(build(), environment);
  const { transforms, pcollections, coders, windowingStrategies } = components!;
  for (const transform of Object.values(transforms)) {
    for (const id of [...Object.values(transform.inputs), ...Object.values(transform.outputs)]) {
      assert.ok(pcollections[id], `${transform.uniqueName}: ${id}`);
    }
    for (const id of transform.subtransforms) assert.ok(transforms[id]);
    if (transform.environmentId) assert.equal(transform.environmentId, TYPESCRIPT_ENVIRONMENT);
  }
  for (const pc of Object.values(pcollections)) {
    assert.ok(coders[pc.coderId]);
    assert.ok(windowingStrategies[pc.windowingStrategyId]);
  }
  for (const coder of Object.values(coders)) {
    for (const id of coder.componentCoderIds) assert.ok(coders[id]);
  }
  const texts = Object.values(coders).map((c) =>
    Buffer.from(toBinary(pb.CoderSchema, c)).toString('hex'),
  );
  assert.equal(new Set(texts).size, texts.length);
});

test('a side input is an input of its ParDo and is described in the payload', () => {
  const { components } = pipelineToProto(build(), environment);
  const filter = Object.values(components!.transforms).find((t) => t.uniqueName === 'filter')!;
  const payload = fromBinary(pb.ParDoPayloadSchema, filter.spec!.payload);
  const [id] = Object.keys(payload.sideInputs);
  assert.ok(id && filter.inputs[id]);
});
