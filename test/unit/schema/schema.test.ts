// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeValue, encodeValue, type KV } from '../../../src/coders/index.ts';
import { create, pb } from '../../../src/proto/index.ts';
import {
  array,
  bigint64,
  boolean,
  byte,
  bytes,
  coderOf,
  type Decimal,
  decimal,
  enumeration,
  fixedBytes,
  float,
  float32,
  type Infer,
  int32,
  int64,
  isPortable,
  isSchemaType,
  iterable,
  type MicrosInstant,
  map,
  microsInstant,
  millisInstant,
  nullable,
  requireRow,
  row,
  rowCoder,
  type SchemaType,
  sameType,
  schemaFromProto,
  schemaToProto,
  string,
  typedArray,
  typeName,
} from '../../../src/schema/index.ts';
import { hasCode } from '../coders/properties.ts';

const digit = row({
  id: int64,
  pixels: array(float32),
  label: nullable(string),
  color: enumeration(['red', 'green']),
  at: millisInstant,
  exact: microsInstant,
  price: decimal,
  tags: map(string, bigint64),
  raw: bytes,
  fast: typedArray('float32'),
  many: iterable(boolean),
  inner: row({ x: int32 }),
});

interface Digit {
  id: number;
  pixels: number[];
  label: string | null;
  color: 'red' | 'green';
  at: Date;
  exact: MicrosInstant;
  price: Decimal;
  tags: Map<string, bigint>;
  raw: Uint8Array;
  fast: Float32Array;
  many: Iterable<boolean>;
  inner: { x: number };
}

/** Compiles only when both types are the same. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Flat<T> = { [K in keyof T]: T[K] };

test('TypeScript types follow from schema types', () => {
  const same: Same<Flat<Infer<typeof digit>>, Flat<Digit>> = true;
  const number: Same<Infer<typeof int64>, number> = true;
  const nested: Same<Infer<SchemaType<KV<string, number>>>, KV<string, number>> = true;
  assert.ok(same && number && nested);
});

test('types print as they were declared', () => {
  assert.equal(
    typeName(row({ example: array(int64), inference: int64 })),
    'row{example: array<int64>, inference: int64}',
  );
  assert.equal(
    typeName(digit),
    'row{id: int64, pixels: array<float32>, label: nullable<string>, color: enumeration("red", "green"), ' +
      'at: millis_instant, exact: micros_instant, price: decimal, tags: map<string, bigint64>, raw: bytes, ' +
      'fast: typedArray<float32>, many: iterable<boolean>, inner: row{x: int32}}',
  );
  assert.equal(typeName(row({ 'a b': fixedBytes(3) })), 'row{"a b": fixed_bytes(3)}');
});

test('sameType compares bytes and meaning, not the JavaScript values chosen for them', () => {
  assert.ok(sameType(array(bigint64), array(int64)));
  assert.ok(sameType(typedArray('float32'), array(float)));
  assert.ok(sameType(row({ a: int64 }), schemaFromProto(schemaToProto(row({ a: int64 })))));
  assert.ok(!sameType(int64, int32));
  assert.ok(!sameType(array(int64), iterable(int64)));
  assert.ok(!sameType(row({ a: int64 }), row({ b: int64 })));
  assert.ok(!sameType(nullable(int64), int64));
  assert.ok(!sameType(millisInstant, int64));
});

test('schema ids follow from the content and stay the same', () => {
  const { id } = schemaToProto(row({ example: array(int64), inference: int64 }));
  assert.equal(id, '94c7630e-c474-8789-a149-9e4af0ee4fa0');
  assert.equal(schemaToProto(row({ example: array(int64), inference: int64 })).id, id);
  assert.notEqual(schemaToProto(row({ example: array(int64), inference: bigint64 })).id, id);
});

test('bigint, typed array and enumeration survive the proto inside lists, maps and nullables', () => {
  const type = row({
    a: array(nullable(bigint64)),
    m: map(bigint64, typedArray('float32')),
    e: nullable(enumeration(['x'])),
    r: row({ b: bigint64 }),
  });
  const copy = schemaFromProto<Infer<typeof type>>(schemaToProto(type));
  assert.equal(typeName(copy), typeName(type));
  const value = {
    a: [1n, null],
    m: new Map([[2n, new Float32Array([1])]]),
    e: 'x' as const,
    r: { b: 3n },
  };
  assert.deepEqual(decodeValue(rowCoder(copy), encodeValue(rowCoder(type), value)), value);
});

test('an unknown logical type has the values of its representation and keeps its message', () => {
  const schema = create(pb.SchemaSchema, {
    id: 'x',
    fields: [
      {
        name: 'day',
        type: {
          typeInfo: {
            case: 'logicalType',
            value: {
              urn: 'acme:logical_type:day:v7',
              payload: new Uint8Array([1, 2]),
              representation: { typeInfo: { case: 'atomicType', value: pb.AtomicType.INT64 } },
            },
          },
        },
      },
    ],
  });
  const type = schemaFromProto<{ day: number }>(schema);
  assert.equal(typeName(type), 'row{day: "acme:logical_type:day:v7"<int64>}');
  assert.deepEqual(schemaToProto(type), schema);
  assert.deepEqual(decodeValue(rowCoder(type), encodeValue(rowCoder(type), { day: 5 })), {
    day: 5,
  });
  const within = row({ days: array(type.fields[0]!.type) });
  const [field] = schemaToProto(within).fields;
  const element =
    field!.type!.typeInfo.case === 'arrayType'
      ? field!.type!.typeInfo.value.elementType
      : undefined;
  assert.deepEqual(element, schema.fields[0]!.type);
});

test('fields decode in the order of the schema, whatever the order of their bytes', () => {
  const schema = schemaToProto(row({ a: int64, b: string, c: nullable(int64) }));
  schema.encodingPositionsSet = true;
  for (const [index, position] of [2, 0, 1].entries())
    schema.fields[index]!.encodingPosition = position;
  const coder = rowCoder(schemaFromProto(schema));
  const bytes = encodeValue(coder, { a: 5, b: 'x', c: null });
  assert.equal(Buffer.from(bytes).toString('hex'), '030104017805');
  const back = decodeValue(coder, bytes);
  assert.deepEqual(back, { a: 5, b: 'x', c: null });
  assert.deepEqual(Object.keys(back), ['a', 'b', 'c']);
});

test('what every object inherits is no field of a row', () => {
  const names = ['toString', 'constructor', 'valueOf', '__proto__'];
  for (const name of names) {
    const coder = rowCoder(
      row(
        Object.fromEntries([
          ['a', int64],
          [name, nullable(string)],
        ]),
      ),
    );
    const empty = Object.fromEntries([
      ['a', 1],
      [name, null],
    ]);
    assert.deepEqual(decodeValue(coder, encodeValue(coder, { a: 1 })), empty, name);
    const full = Object.fromEntries([
      ['a', 1],
      [name, 'x'],
    ]);
    assert.deepEqual(decodeValue(coder, encodeValue(coder, full)), full, name);
    const needed = rowCoder(row(Object.fromEntries([[name, string]])));
    assert.throws(() => encodeValue(needed, {}), hasCode('ROW_MISMATCH', 'is missing'), name);
  }
});

test('schemas that make no sense are INVALID_SCHEMA', () => {
  const twice = schemaToProto(row({ a: int64, b: int64 }));
  twice.encodingPositionsSet = true;
  assert.throws(() => schemaFromProto(twice), hasCode('INVALID_SCHEMA', 'encoding positions'));
  assert.throws(
    () => schemaFromProto(create(pb.SchemaSchema, { fields: [{ name: 'a' }] })),
    hasCode('INVALID_SCHEMA', 'field a'),
  );
  assert.throws(() => row({ a: 'int64' as never }), hasCode('INVALID_SCHEMA', 'field a'));
  assert.throws(() => row({ a: { b: int64 } as never }), hasCode('INVALID_SCHEMA', 'field a'));
  assert.throws(() => enumeration([]), hasCode('INVALID_SCHEMA'));
  assert.throws(() => enumeration(['a', 'a']), hasCode('INVALID_SCHEMA'));
  assert.throws(() => map(nullable(string), int64), hasCode('INVALID_SCHEMA'));
  assert.throws(() => typedArray('string' as never), hasCode('INVALID_SCHEMA'));
  assert.throws(() => fixedBytes(0), hasCode('INVALID_SCHEMA'));
  assert.throws(() => requireRow(int64), hasCode('INVALID_SCHEMA', 'not int64'));
});

test('isSchemaType tells a type from an object of fields', () => {
  assert.ok(isSchemaType(int64) && isSchemaType(digit));
  for (const other of [{ example: int64 }, { kind: int64 }, null, 'int64', undefined])
    assert.ok(!isSchemaType(other));
});

describe('the coder of a PCollection', () => {
  const cases: [SchemaType, string, boolean][] = [
    [int64, 'varint', true],
    [bigint64, 'varint(bigint)', true],
    [byte, 'varint', true],
    [float32, 'double', true],
    [string, 'string_utf8', true],
    [array(float32), 'iterable<double>', true],
    [typedArray('float32'), 'iterable<double> as Float32Array', true],
    [nullable(array(string)), 'nullable<iterable<string_utf8>>', true],
    [row({ m: map(string, int64) }), 'row{m: map<string, int64>}', true],
    [enumeration(['a']), 'string_utf8', true],
    [map(string, int64), 'map<string, int64>', false],
    [array(millisInstant), 'iterable<millis_instant>', false],
  ];
  for (const [type, name, portable] of cases) {
    test(`of ${typeName(type)} is ${name}, ${portable ? 'known' : 'unknown'} to other SDKs`, () => {
      assert.equal(coderOf(type).name, name);
      assert.equal(isPortable(coderOf(type)), portable);
    });
  }
});
