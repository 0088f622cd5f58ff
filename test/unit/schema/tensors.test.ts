// SPDX-License-Identifier: Apache-2.0
// Tensors as values and in rows: which JavaScript values are taken, what is refused by name.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeValue, encodeValue } from '../../../src/coders/index.ts';
import {
  array,
  bigint64,
  boolean,
  byte,
  bytes,
  float32,
  float64,
  inferSchema,
  int16,
  int32,
  int64,
  nullable,
  row,
  rowCoder,
  type SchemaType,
  sameType,
  schemaFromProto,
  schemaToProto,
  string,
  Tensor,
  type TensorElementType,
  tensor,
  typeName,
  uint8,
} from '../../../src/schema/index.ts';

const coder = (type: SchemaType) => rowCoder(row({ v: type }));
const encode = (type: SchemaType, v: unknown) => encodeValue(coder(type), { v });
const roundTrip = (type: SchemaType, v: unknown) => decodeValue(coder(type), encode(type, v)).v;

test('nested arrays, flat typed arrays, tensors and their like are one value', () => {
  const expected = new Tensor('float32', [2, 2], Float32Array.of(1, 2, 3, 4));
  const taken = [
    expected,
    { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
    [
      [1, 2],
      [3, 4],
    ],
    [Float32Array.of(1, 2), Float64Array.of(3, 4)],
    Float32Array.of(1, 2, 3, 4),
    Float64Array.of(1, 2, 3, 4),
    Int8Array.of(1, 2, 3, 4),
  ];
  for (const value of taken) assert.deepEqual(roundTrip(tensor(float32, [2, 2]), value), expected);
});

test('every element type has its typed array', () => {
  const cases: [TensorElementType, unknown, ArrayBufferView][] = [
    [float64, [0.1, Number.NaN], Float64Array.of(0.1, Number.NaN)],
    [byte, [-128, 127], Int8Array.of(-128, 127)],
    [int16, [-5, 5], Int16Array.of(-5, 5)],
    [int32, [2 ** 31 - 1, 0], Int32Array.of(2 ** 31 - 1, 0)],
    [int64, [2 ** 53 - 1, -3n], Float64Array.of(2 ** 53 - 1, -3)],
    [bigint64, [2n ** 63n - 1n, 3], BigInt64Array.of(2n ** 63n - 1n, 3n)],
    [uint8, Buffer.from([0, 255]), Uint8Array.of(0, 255)],
    [uint8, new Uint8ClampedArray([7, 300]), Uint8Array.of(7, 255)],
    [boolean, [true, false], Uint8Array.of(1, 0)],
    [boolean, Uint8Array.of(1, 0), Uint8Array.of(1, 0)],
  ];
  for (const [element, value, data] of cases) {
    const read = roundTrip(tensor(element, [2]), value) as Tensor;
    assert.equal(read.dtype, element.kind);
    assert.deepEqual(read.data, data);
  }
});

test('an open dimension follows from the value', () => {
  const type = tensor(float32, [null, 2]);
  assert.deepEqual((roundTrip(type, [[1, 2]]) as Tensor).shape, [1, 2]);
  assert.deepEqual((roundTrip(type, new Float32Array(6)) as Tensor).shape, [3, 2]);
  assert.deepEqual((roundTrip(type, new Float32Array(0)) as Tensor).shape, [0, 2]);
  const open = tensor(float32, [null, null]);
  assert.deepEqual((roundTrip(open, Tensor.from('float32', [[1], [2]])) as Tensor).shape, [2, 1]);
  assert.deepEqual((roundTrip(tensor(float64, []), 5) as Tensor).toArray(), 5);
});

describe('refused with both shapes or the place of the element', () => {
  const grid = tensor(float32, [2, 3]);
  const cases: [SchemaType, unknown, RegExp][] = [
    [grid, [[1, 2]], /field v is declared tensor<float32, \[2, 3\]> but has the shape \[1, 2\]/],
    [grid, [1, 2, 3, 4, 5, 6], /has the shape \[6\]/],
    [grid, [[[1]]], /has the shape \[1, 1, 1\]/],
    [grid, new Float32Array(5), /Float32Array of 5 elements, not 6/],
    [grid, new Tensor('float32', [3, 2], new Float32Array(6)), /has the shape \[3, 2\]/],
    [grid, { shape: [2, 3], data: new Float32Array(5) }, /declared tensor/],
    [grid, [[1, 2, 3], [1]], /1 elements beside 3 in dimension 1/],
    [grid, [[1, 2, 3], 4], /number 4 beside 3 in dimension 1/],
    [
      grid,
      [
        [1, 2, 3],
        [4, 'x', 6],
      ],
      /field v\[1\]\[1\] is declared float32 but holds string "x"/,
    ],
    [
      grid,
      [
        [1, 2, 3],
        [4, 5, 1e39],
      ],
      /v\[1\]\[2\]/,
    ],
    [grid, 'text', /declared tensor.* but holds string/],
    [grid, null, /holds null/],
    [grid, undefined, /is missing/],
    [tensor(float32, [null, 4]), new Float32Array(6), /Float32Array of 6 elements/],
    [tensor(float32, [null, null]), new Float32Array(6), /does not tell the shape/],
    [tensor(uint8, [2]), [0, 256], /v\[1\] is declared uint8 but holds number 256/],
    [tensor(int32, [2]), Float32Array.of(1, 1.5), /v\[1\] is declared int32/],
    [tensor(boolean, [2]), [true, 1], /v\[1\] is declared boolean/],
    [tensor(boolean, [1]), Tensor.from('float32', [1]), /holds a Tensor of float32/],
    [tensor(float32, [1]), Tensor.from('boolean', [true]), /holds a Tensor of boolean/],
  ];
  for (const [type, value, message] of cases) {
    test(String(message), () => {
      assert.throws(() => encode(type, value), { code: 'ROW_MISMATCH', message });
    });
  }
  test('an integer that a number cannot hold', () => {
    assert.throws(() => encode(tensor(int64, [1, 1]), [[2 ** 53]]), {
      code: 'INT64_OUT_OF_RANGE',
      message: /field v\[0\]\[0\]/,
    });
  });
});

test('to other SDKs it is an array, bytes, or a row with the shape', () => {
  const wires: [SchemaType, SchemaType][] = [
    [tensor(float32, [28, 28]), array(float32)],
    [tensor(bigint64, [2]), array(int64)],
    [tensor(uint8, [2]), bytes],
    [tensor(boolean, [2]), bytes],
    [tensor(float64, [null]), row({ shape: array(int32), values: array(float64) })],
    [tensor(byte, [null]), row({ shape: array(int32), values: bytes })],
  ];
  for (const [type, wire] of wires) assert.ok(sameType(type, wire), typeName(type));
  assert.equal(typeName(tensor(float32, [null, 384])), 'tensor<float32, [null, 384]>');
});

test('a schema message keeps element type and shape, wherever the tensor stands', () => {
  const type = row({
    image: tensor(uint8, [28, 28]),
    tokens: nullable(tensor(int64, [null])),
    many: array(tensor(bigint64, [2])),
    inner: row({ mask: tensor(boolean, [2, 2]) }),
  });
  assert.equal(typeName(schemaFromProto(schemaToProto(type))), typeName(type));
});

test('a tensor as a value', () => {
  const it = Tensor.from('int64', [
    [1, 2, 3],
    [4, 5, 6],
  ]);
  assert.deepEqual([it.shape, it.size, it.at(1, 0)], [[2, 3], 6, 4]);
  assert.deepEqual(it.toArray(), [
    [1, 2, 3],
    [4, 5, 6],
  ]);
  assert.equal(Tensor.from('boolean', [true, false]).at(0), true);
  assert.deepEqual(Tensor.from('boolean', [true, false]).toArray(), [true, false]);
  assert.equal(Tensor.from('float64', 5).toArray(), 5);
  const bad = { code: 'INVALID_ARGUMENT' };
  assert.throws(() => it.at(2, 0), bad);
  assert.throws(() => it.at(0), bad);
  assert.throws(() => Tensor.from('float32', [[1], [1, 2]]), bad);
  assert.throws(() => Tensor.from('float32', [1, [2]] as never), bad);
  assert.throws(() => Tensor.from('float16' as 'float32', [1]), bad);
  assert.throws(() => new Tensor('float32', [2], new Float32Array(3)), bad);
  assert.throws(() => new Tensor('float32', [2], new Float64Array(2) as never), bad);
  assert.throws(() => new Tensor('float32', [-2], new Float32Array(2)), bad);
});

test('types that there are not', () => {
  const bad = { code: 'INVALID_SCHEMA' };
  assert.throws(() => tensor(string as never, [1]), bad);
  assert.throws(() => tensor(float32, [1.5]), bad);
  assert.throws(() => tensor(float32, [-1]), bad);
  assert.throws(() => tensor(undefined as never, [1]), bad);
  assert.throws(() => tensor(float32, undefined as never), bad);
  // It is an element, and no field.
  assert.throws(() => row({ v: uint8 as never }), bad);
});

test('a tensor as an example tells its type', () => {
  const type = inferSchema({ v: Tensor.from('uint8', [[1], [2]]) });
  assert.equal(typeName(type), 'row{v: tensor<uint8, [2, 1]>}');
});
