// SPDX-License-Identifier: Apache-2.0
// Classes and logical types that a program declares: they travel like values of Beam's own types.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
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

class Table extends Map<string, number> {
  label = 'prices';
  #asked = 0;
  get double(): number {
    return this.size * 2;
  }
  override get(key: string): number | undefined {
    this.#asked += 1;
    return super.get(key);
  }
}
class Line extends Array<number> {
  unit = 'm';
  get first(): number | undefined {
    return this[0];
  }
}
class Failed extends RangeError {
  code = 7;
  constructor(readonly request: { url: string }) {
    super(`no ${request.url}`, { cause: 'network' });
    this.name = 'Failed';
  }
}
class Packet extends Uint8Array {
  port = 80;
}
class Image extends Buffer {}
requireForSerialization('own-classes', { Table, Line, Failed, Packet, Image });

for (const coder of [new JsCoder(), new JsCoder({ deterministic: true })]) {
  test(`instances of classes that extend JavaScript’s own keep contents and fields: ${coder.name}`, () => {
    const table = trip(coder, new Table([['a', 1]])) as Table;
    assert.ok(table instanceof Table);
    assert.deepEqual([[...table], table.label, table.double], [[['a', 1]], 'prices', 2]);
    const line = trip(coder, Object.assign(Line.from([3, 4]), { unit: 'km' })) as Line;
    assert.ok(line instanceof Line);
    assert.deepEqual([[...line], line.length, line.unit, line.first], [[3, 4], 2, 'km', 3]);
    const given = new Failed({ url: 'x' });
    const failed = trip(coder, given) as Failed;
    assert.ok(failed instanceof Failed);
    assert.deepEqual(
      [failed.message, failed.name, failed.code, failed.request, failed.cause, failed.stack],
      ['no x', 'Failed', 7, { url: 'x' }, 'network', given.stack],
    );
    assert.deepEqual(Object.keys(failed).sort(), ['code', 'name', 'request']);
    const packet = trip(coder, Object.assign(Packet.from([1, 2]), { port: 8080 })) as Packet;
    assert.ok(packet instanceof Packet);
    assert.deepEqual([[...packet], packet.port], [[1, 2], 8080]);
    const image = Object.setPrototypeOf(Buffer.from('ab'), Image.prototype) as Image;
    const back = trip(coder, image) as Image;
    assert.ok(back instanceof Image);
    assert.equal(back.toString(), 'ab');
  });
}

test('the bytes of an instance that extends a Map stay as they are', () => {
  const out = new ByteWriter();
  new JsCoder().encode(new Table([['a', 1]]), out);
  const name = Buffer.from('own-classes:Table').toString('hex');
  assert.equal(
    Buffer.from(out.take()).toString('hex'),
    `1c51${name}0e01416181` +
      `0c01${'45'}${Buffer.from('label').toString('hex')}46${Buffer.from('prices').toString('hex')}`,
  );
});

test('an instance whose contents are damaged is MALFORMED_DATA', () => {
  const out = new ByteWriter();
  new JsCoder().encode(new Table(), out);
  const bytes = out.take();
  // In place of the Map, the one global window of the process.
  const at = bytes.indexOf(0x0e);
  const damaged = Buffer.concat([
    bytes.subarray(0, at),
    Buffer.from([0x14]),
    bytes.subarray(at + 2),
  ]);
  assert.throws(() => new JsCoder().decode(new ByteReader(damaged)), { code: 'MALFORMED_DATA' });
});

test('a class of another realm may be registered', () => {
  const { Book, make } = runInNewContext(
    'class Book extends Map { pages() { return this.size; } }; ({ Book, make: () => new Book([[1, 2]]) })',
  ) as { Book: typeof Map; make: () => unknown };
  requireForSerialization('own-classes', { Book });
  const back = trip(new JsCoder(), make()) as Map<number, number> & { pages(): number };
  assert.ok(back instanceof Book);
  assert.deepEqual([back.get(1), back.pages()], [2, 1]);
});

class Keyed extends WeakMap<object, unknown> {}
for (const [name, value] of Object.entries({
  Pattern: class extends RegExp {},
  Later: class<T> extends Promise<T> {},
  Weak: class extends Keyed {},
  Many: class extends AggregateError {},
  Flag: class extends Boolean {},
})) {
  test(`a class whose contents cannot be written is refused where it is declared: ${name}`, () => {
    assert.throws(() => requireForSerialization('own-classes', { [name]: value }), {
      code: 'INVALID_ARGUMENT',
      message: new RegExp(`own-classes:${name} cannot travel`),
    });
  });
}

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
