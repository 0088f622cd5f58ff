// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeValue, typeName } from '../../../src/coders/index.ts';
import { pythonCallable, pythonTransform, typed } from '../../../src/external/index.ts';
import { fromBinary, pb } from '../../../src/proto/index.ts';
import {
  array,
  Decimal,
  float32,
  int32,
  nullable,
  rowCoder,
  schemaFromProto,
  string,
} from '../../../src/schema/index.ts';

/** What Python reads out of a transform's payload, and its type. */
function sent(...args: Parameters<typeof pythonTransform>) {
  const { payload } = pythonTransform(args[0], args[1], args[2]);
  const message = fromBinary(pb.ExternalConfigurationPayloadSchema, payload);
  const type = schemaFromProto<Record<string, unknown>>(message.schema!);
  return { type: typeName(type), value: decodeValue(rowCoder(type), message.payload) };
}

test('positional and keyword arguments are rows beside the name', () => {
  assert.deepEqual(sent('a.b', [1, 'x'], { flag: true }), {
    type: 'row{constructor: string, args: row{arg0: int64, arg1: string}, kwargs: row{flag: boolean}}',
    value: { constructor: 'a.b', args: { arg0: 1, arg1: 'x' }, kwargs: { flag: true } },
  });
  assert.deepEqual(sent('a.b', { flag: true }).value, {
    constructor: 'a.b',
    args: {},
    kwargs: { flag: true },
  });
  assert.deepEqual(sent('a.b').value, { constructor: 'a.b', args: {}, kwargs: {} });
});

test('an argument named __proto__ is refused as other names are, and not left out', () => {
  assert.throws(() => sent('f', JSON.parse('{"__proto__": 1}')), {
    code: 'INVALID_ARGUMENT',
    message: /"__proto__", which is no name in Python/,
  });
  const inner = new Map([['__proto__', 1]]);
  assert.deepEqual((sent('f', { inner }).value as { kwargs: object }).kwargs, { inner });
});

test('types are inferred from values, at any depth', () => {
  const { type, value } = sent('f', {
    fraction: 1.5,
    big: 10n,
    bytes: new Uint8Array([1]),
    list: [1, 2.5],
    map: new Map([['k', 1]]),
    nested: { inner: { deep: 'x' } },
    exact: Decimal.from('1.50'),
    at: new Date(5),
    floats: new Float32Array([0.5]),
    missing: undefined,
  });
  assert.match(
    type,
    /kwargs: row\{fraction: float64, big: bigint64, bytes: bytes, list: array<float64>, map: map<string, int64>, nested: row\{inner: row\{deep: string\}\}, exact: decimal, at: millis_instant, floats: (typedA|a)rray<float32>\}/,
  );
  const { kwargs } = value as { kwargs: Record<string, unknown> };
  assert.deepEqual(kwargs.nested, { inner: { deep: 'x' } });
  assert.ok(!('missing' in kwargs));
});

test('a type can be given, and a Python callable stands wherever a value can', () => {
  const { type, value } = sent('f', {
    small: typed(int32, 5),
    none: typed(nullable(string), null),
    empty: typed(array(string), []),
    list: [typed(float32, 1), typed(float32, 2)],
    map: new Map([['k', typed(int32, 1)]]),
    fn: pythonCallable('math.sin'),
    inside: { fn: pythonCallable('math.cos') },
    fns: [pythonCallable('a'), pythonCallable('b')],
  });
  assert.match(
    type,
    /kwargs: row\{small: int32, none: nullable<string>, empty: array<string>, list: array<float32>, map: map<string, int32>, fn: python_callable, inside: row\{fn: python_callable\}, fns: array<python_callable>\}/,
  );
  const { kwargs } = value as { kwargs: Record<string, unknown> };
  assert.deepEqual(kwargs.fns, [{ expr: 'a' }, { expr: 'b' }]);
  assert.deepEqual(kwargs.list, [1, 2]);
});

test('what has no type is refused by its name', () => {
  assert.throws(() => sent('f', { a: { b: null } }), {
    code: 'INVALID_SCHEMA',
    message: /argument kwargs\.a\.b.*|kwargs\.a\.b/s,
  });
  assert.throws(() => sent('f', { fn: () => 1 }), {
    code: 'INVALID_ARGUMENT',
    message: /kwargs\.fn is a JavaScript function.*pythonCallable/s,
  });
  assert.throws(() => sent('f', { n: typed(int32, 2 ** 40) }), { code: 'ROW_MISMATCH' });
});

test('keyword arguments are given once', () => {
  assert.throws(() => pythonTransform('f', { a: 1 }, { b: 2 }), { code: 'INVALID_ARGUMENT' });
});
