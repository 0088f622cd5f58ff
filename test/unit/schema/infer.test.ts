// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Decimal,
  inferSchema,
  MicrosInstant,
  string,
  typeName,
} from '../../../src/schema/index.ts';
import { hasCode } from '../coders/properties.ts';

describe('a type is inferred', () => {
  const cases: [unknown, string][] = [
    [7, 'int64'],
    [0.5, 'float64'],
    [-0, 'float64'],
    [Number.NaN, 'float64'],
    [2 ** 53, 'float64'],
    [7n, 'bigint64'],
    ['x', 'string'],
    [true, 'boolean'],
    [new Uint8Array(2), 'bytes'],
    [Buffer.from('x'), 'bytes'],
    [new Float32Array(2), 'typedArray<float32>'],
    [new Int16Array(2), 'typedArray<int16>'],
    [new BigInt64Array(2), 'typedArray<bigint64>'],
    [new Uint32Array(2), 'array<int64>'],
    [new Date(0), 'millis_instant'],
    [new MicrosInstant(0n), 'micros_instant'],
    [Decimal.from('1.5'), 'decimal'],
    [[1, 2], 'array<int64>'],
    [[1, 0.5], 'array<float64>'],
    [[1, 2n], 'array<bigint64>'],
    [[[1], [], [0.5]], 'array<array<float64>>'],
    [['a', null], 'array<nullable<string>>'],
    [new Map([['a', 1]]), 'map<string, int64>'],
    [{ a: 1, b: { c: ['x'] } }, 'row{a: int64, b: row{c: array<string>}}'],
    [[{ a: 1 }, { a: 0.5, b: 'x' }], 'array<row{a: float64, b: nullable<string>}>'],
    [[{ a: null }, { a: 1 }], 'array<row{a: nullable<int64>}>'],
    [{}, 'row{}'],
  ];
  for (const [example, name] of cases) {
    test(name, () => assert.equal(typeName(inferSchema(example)), name));
  }
});

test('null and empty arrays are refused, by their path, unless their type is told', () => {
  assert.throws(() => inferSchema({ a: { b: null } }), hasCode('INVALID_SCHEMA', 'a.b', 'unknown'));
  assert.throws(() => inferSchema({ a: [] }), hasCode('INVALID_SCHEMA', 'a[]'));
  const told = inferSchema({ a: null, b: [], c: undefined }, { unknown: string });
  assert.equal(typeName(told), 'row{a: nullable<string>, b: array<string>, c: nullable<string>}');
});

test('what has no type, or two, is refused by its path', () => {
  const ring: Record<string, unknown> = {};
  ring.self = ring;
  const cases: [unknown, string][] = [
    [{ f: () => 1 }, 'at f'],
    [{ s: new Set([1]) }, 'at s'],
    [{ mixed: [1, 'x'] }, 'mixed[1]'],
    [{ mixed: [[1], { a: 1 }] }, 'mixed[1]'],
    [{ u: new BigUint64Array(1) }, 'at u'],
    [ring, 'refers to itself'],
  ];
  for (const [example, words] of cases) {
    assert.throws(() => inferSchema(example), hasCode('INVALID_SCHEMA', words));
  }
});
