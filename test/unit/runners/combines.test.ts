// SPDX-License-Identifier: Apache-2.0
// Combines as they are submitted to a job service: made of steps that Java's runners know, which look
// at leaves alone, inside composites that others lift themselves.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FUNCTION_URNS, Pipeline, pipelineToProto, Root } from '../../../src/pipeline/index.ts';
import { fromBinary, pb, urns } from '../../../src/proto/index.ts';
import { rewriteCombines } from '../../../src/runners/portable/combines.ts';
import {
  afterCount,
  afterWatermark,
  combinePerKey,
  create,
  fixedWindows,
  mean,
  windowInto,
} from '../../../src/transforms/index.ts';

const P = urns.StandardPTransforms_Primitives;
const C = urns.StandardPTransforms_CombineComponents;

/**
 * Primitives of Java's runners.
 * Source: org.apache.beam.sdk.util.construction.graph.QueryablePipeline 2.70, PRIMITIVE_URNS.
 */
const KNOWN_TO_JAVA = new Set<string>([
  P.IMPULSE,
  P.PAR_DO,
  P.FLATTEN,
  P.GROUP_BY_KEY,
  P.ASSIGN_WINDOWS,
  C.COMBINE_PER_KEY_PRECOMBINE,
  C.COMBINE_PER_KEY_MERGE_ACCUMULATORS,
  C.COMBINE_PER_KEY_EXTRACT_OUTPUTS,
]);

function rewritten(isCounting: boolean) {
  const pipeline = new Pipeline();
  const trigger = afterWatermark().withLateFirings(afterCount(2));
  new Root(pipeline)
    .apply(create([{ key: 'a', value: 1 }]))
    .apply(
      windowInto(
        fixedWindows(1),
        isCounting ? { trigger, accumulationMode: 'discarding', allowedLateness: 5000 } : {},
      ),
    )
    .apply(combinePerKey(mean));
  const proto = pipelineToProto(pipeline, { urn: 'test' });
  rewriteCombines(proto);
  const { transforms, pcollections } = proto.components!;
  const [, combine] = Object.entries(transforms).find(
    ([, { spec }]) => spec?.urn === urns.StandardPTransforms_Composites.COMBINE_PER_KEY,
  )!;
  return { transforms, pcollections, combine, roots: proto.rootTransformIds };
}

/** Ids of all transforms that the roots lead to. */
function reached(transforms: Record<string, pb.PTransform>, ids: readonly string[]): string[] {
  return ids.flatMap((id) => [id, ...reached(transforms, transforms[id]!.subtransforms)]);
}

for (const isCounting of [false, true]) {
  const where = isCounting ? 'under a trigger that counts' : 'without a trigger';
  test(`${where} all leaves are known to Java's runners, and all is connected`, () => {
    const { transforms, pcollections, roots } = rewritten(isCounting);
    const ids = reached(transforms, roots);
    assert.deepEqual(ids.toSorted(), Object.keys(transforms).toSorted());
    const leaves = ids.map((id) => transforms[id]!).filter((t) => t.subtransforms.length === 0);
    for (const { spec } of leaves) assert.ok(KNOWN_TO_JAVA.has(spec!.urn), spec!.urn);
    const produced = leaves.flatMap(({ outputs }) => Object.values(outputs));
    assert.deepEqual(produced.toSorted(), Object.keys(pcollections).toSorted());
    const names = Object.values(transforms).map(({ uniqueName }) => uniqueName);
    assert.equal(new Set(names).size, names.length);
    for (const { spec, environmentId } of leaves) {
      if (spec!.urn === P.GROUP_BY_KEY) assert.equal(environmentId, '');
    }
  });
}

test('without a trigger a combine is lifted', () => {
  const { transforms, combine } = rewritten(false);
  assert.deepEqual(
    combine.subtransforms.map((id) => transforms[id]!.spec!.urn),
    [
      C.COMBINE_PER_KEY_PRECOMBINE,
      P.GROUP_BY_KEY,
      C.COMBINE_PER_KEY_MERGE_ACCUMULATORS,
      C.COMBINE_PER_KEY_EXTRACT_OUTPUTS,
    ],
  );
});

test('under a trigger that counts, what combines grouped values has a ParDo in it', () => {
  const { transforms, combine } = rewritten(true);
  const [grouping, values] = combine.subtransforms.map((id) => transforms[id]!);
  assert.equal(grouping!.spec!.urn, urns.StandardPTransforms_Primitives.GROUP_BY_KEY);
  assert.equal(values!.spec!.urn, C.COMBINE_GROUPED_VALUES);
  const parDo = transforms[values!.subtransforms[0]!]!;
  assert.deepEqual(parDo.outputs, values!.outputs);
  const { doFn } = fromBinary(pb.ParDoPayloadSchema, parDo.spec!.payload);
  assert.equal(doFn!.urn, FUNCTION_URNS.combineFn);
});
