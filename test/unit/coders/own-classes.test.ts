// SPDX-License-Identifier: Apache-2.0
// Classes and logical types that a program declares: they travel like values of Beam's own types.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader, ByteWriter } from '../../../src/base/index.ts';
import {
  type Coder,
  create,
  createRunner,
  groupBy,
  InstantCoder,
  JsCoder,
  RowCoder,
  registerLogicalType,
  requireForSerialization,
  withRowCoder,
} from '../../../src/index.ts';
import { inferSchema, string } from '../../../src/schema/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
  get size(): number {
    return Math.hypot(this.x, this.y);
  }
}
requireForSerialization('own-classes', { Point, helper: () => 1 });

function trip<T>(coder: Coder<T>, value: T): T {
  const out = new ByteWriter();
  coder.encode(value, out, true);
  return coder.decode(new ByteReader(out.take()), true);
}

test('an instance of a declared class comes back as one', () => {
  const back = trip(new JsCoder(), new Point(3, 4)) as Point;
  assert.ok(back instanceof Point);
  assert.equal(back.size, 5);
});

test('a class that nobody declared is refused, with the way to declare it', () => {
  class Other {}
  assert.throws(() => trip(new JsCoder(), new Other()), {
    code: 'CODER_MISMATCH',
    message: /requireForSerialization/,
  });
});

test('two classes of one name are refused, the same one again is not', () => {
  requireForSerialization('own-classes', { Point });
  const Imposter = class {
    other = true;
  };
  assert.throws(() => requireForSerialization('own-classes', { Point: Imposter }), {
    code: 'INVALID_ARGUMENT',
  });
});

for (const forceEncoding of [false, true]) {
  test(`instances go through a grouping${forceEncoding ? ', encoded' : ''}`, async () => {
    await createRunner({ forceEncoding }).run((root) => {
      root
        .apply(create([new Point(3, 4), new Point(6, 8)]))
        .apply(groupBy((point: Point) => point.x))
        .map(({ value }) => [...value].map((point) => point.size))
        .apply(assertDeepEqual([[5], [10]]));
    });
  });
}

test('a logical type of the program’s own has its representation’s bytes', async () => {
  registerLogicalType({
    urn: 'test:logical_type:point:v1',
    reprType: string,
    toRepr: (point: Point) => `${point.x},${point.y}`,
    fromRepr: (text: string) => {
      const [x = 0, y = 0] = text.split(',').map(Number);
      return new Point(x, y);
    },
  });
  const type = { at: { beamLogicalType: 'test:logical_type:point:v1' } };
  assert.equal(inferSchema(type).kind, 'row');
  const coder = RowCoder.fromJSON(type) as unknown as RowCoder<{ at: Point }>;
  const out = new ByteWriter();
  coder.encode({ at: new Point(1, 2) }, out);
  assert.match(Buffer.from(out.take()).toString('latin1'), /1,2/);
  assert.equal(trip(coder, { at: new Point(3, 4) }).at.size, 5);
  await createRunner({ forceEncoding: true }).run((root) => {
    root
      .apply(create([{ at: new Point(3, 4) }]))
      .apply(withRowCoder(type as unknown as { at: Point }))
      .map(({ at }) => at.size)
      .apply(assertDeepEqual([5]));
  });
});

test('types and coders of examples, by the official names', () => {
  assert.deepEqual(RowCoder.inferTypeFromJSON('', false), { kind: 'string' });
  assert.equal(RowCoder.fromJSON({ a: 1 }).name, 'row{a: int64}');
  assert.equal(trip(new InstantCoder(), -5), -5);
});
