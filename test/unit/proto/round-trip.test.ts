// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { create, fromBinary, pb, toBinary, urns } from '../../../src/proto/index.ts';

/** A field that no version of Beam's messages has: number 9000, length-delimited. */
const UNKNOWN_FIELD = Buffer.from([0xc2, 0xb2, 0x04, 3, 1, 2, 3]);

test('a field unknown to this SDK survives decoding and encoding', () => {
  const transform = toBinary(
    pb.PTransformSchema,
    create(pb.PTransformSchema, { uniqueName: 'score', spec: { urn: 'u' } }),
  );
  const bytes = Buffer.concat([transform, UNKNOWN_FIELD]);
  const again = toBinary(pb.PTransformSchema, fromBinary(pb.PTransformSchema, bytes));
  assert.ok(Buffer.from(again).includes(UNKNOWN_FIELD));
});

test('an unknown field deep inside a pipeline survives too', () => {
  const spec = Buffer.concat([
    toBinary(pb.FunctionSpecSchema, create(pb.FunctionSpecSchema, { urn: 'u' })),
    UNKNOWN_FIELD,
  ]);
  const pipeline = create(pb.PipelineSchema, {
    components: create(pb.ComponentsSchema, {
      coders: { c: create(pb.CoderSchema, { spec: fromBinary(pb.FunctionSpecSchema, spec) }) },
    }),
  });
  const again = toBinary(
    pb.PipelineSchema,
    fromBinary(pb.PipelineSchema, toBinary(pb.PipelineSchema, pipeline)),
  );
  assert.ok(Buffer.from(again).includes(UNKNOWN_FIELD));
});

test('any payload and any 64-bit number survive', () => {
  fc.assert(
    fc.property(
      fc.uint8Array(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      (payload, n) => {
        const strategy = create(pb.WindowingStrategySchema, {
          windowFn: { urn: 'u', payload },
          allowedLateness: n,
        });
        const again = fromBinary(
          pb.WindowingStrategySchema,
          toBinary(pb.WindowingStrategySchema, strategy),
        );
        assert.deepEqual(Buffer.from(again.windowFn!.payload), Buffer.from(payload));
        assert.equal(again.allowedLateness, n);
      },
    ),
  );
});

test('URN constants come from the options in the wheel', () => {
  assert.equal(urns.StandardPTransforms_Primitives.PAR_DO, 'beam:transform:pardo:v1');
  assert.equal(urns.StandardCoders_Enum.KV, 'beam:coder:kv:v1');
});
