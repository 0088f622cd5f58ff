// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spreadUnbounded } from '../../../src/external/unbounded.ts';
import { create, pb, toBinary, urns } from '../../../src/proto/index.ts';

const { BOUNDED, UNBOUNDED } = pb.IsBounded_Enum;

function parDo(inputs: Record<string, string>, output: string, sides: string[] = []) {
  const payload = create(pb.ParDoPayloadSchema, {
    sideInputs: Object.fromEntries(sides.map((tag) => [tag, {}])),
  });
  return {
    spec: {
      urn: urns.StandardPTransforms_Primitives.PAR_DO,
      payload: toBinary(pb.ParDoPayloadSchema, payload),
    },
    inputs,
    outputs: { out: output },
  };
}

test('what comes of an unbounded PCollection is unbounded, what only looks at it is not', () => {
  const components = create(pb.ComponentsSchema, {
    pcollections: Object.fromEntries(
      ['theirs', 'mapped', 'grouped', 'batch', 'looked', 'flat', 'inner'].map((id) => [
        id,
        { isBounded: id === 'theirs' ? UNBOUNDED : BOUNDED },
      ]),
    ),
    transforms: {
      // In any order, and behind a composite whose own outputs are those of its parts.
      group: {
        spec: { urn: urns.StandardPTransforms_Primitives.GROUP_BY_KEY },
        inputs: { in: 'mapped' },
        outputs: { out: 'grouped' },
      },
      map: parDo({ in: 'theirs' }, 'mapped'),
      look: parDo({ in: 'batch', side: 'theirs' }, 'looked', ['side']),
      flatten: {
        spec: { urn: urns.StandardPTransforms_Primitives.FLATTEN },
        inputs: { a: 'looked', b: 'grouped' },
        outputs: { out: 'flat' },
      },
      composite: { subtransforms: ['look'], inputs: { in: 'theirs' }, outputs: { out: 'inner' } },
    },
  });
  spreadUnbounded(components);
  const unbounded = Object.entries(components.pcollections).flatMap(([id, { isBounded }]) =>
    isBounded === UNBOUNDED ? [id] : [],
  );
  assert.deepEqual(unbounded.sort(), ['flat', 'grouped', 'mapped', 'theirs']);
});
