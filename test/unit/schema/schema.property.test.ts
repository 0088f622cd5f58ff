// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BeamBridgeError, ByteReader } from '../../../src/base/index.ts';
import {
  coderFromProto,
  coderToProto,
  decodeValue,
  encodeValue,
  internCodersInto,
  SchemaValueCoder,
} from '../../../src/coders/index.ts';
import { fromBinary, pb, toBinary } from '../../../src/proto/index.ts';
import {
  coderOf,
  inferSchema,
  row,
  rowCoder,
  type SchemaType,
  sameType,
  schemaFromProto,
  schemaToProto,
  typeName,
} from '../../../src/schema/index.ts';
import { testCoder } from '../coders/properties.ts';
import { SIMPLE, typesWithValues } from './arbitraries.ts';

for (const { type, values } of SIMPLE) {
  const rows = values.map((value) => ({ v: value }));
  testCoder({ coder: rowCoder(row({ v: type })), values: rows }, 50);
  testCoder({ coder: new SchemaValueCoder(type), values }, 30);
}

/** Values of a row around any type, and through the type's own coder. */
function forAnyType(check: (type: SchemaType, values: unknown[]) => void): void {
  fc.assert(
    fc.property(typesWithValues, ({ type, values }) => check(type, values)),
    { numRuns: 300 },
  );
}

test('rows with fields of any type come back, and truncated ones are MALFORMED_DATA', () => {
  forAnyType((type, values) => {
    const coder = rowCoder(row({ before: type, it: type, after: type }));
    for (const value of values) {
      const whole = { before: value, it: value, after: value };
      const bytes = encodeValue(coder, whole, true);
      assert.deepEqual(decodeValue(coder, bytes, true), whole);
      assert.throws(
        () => coder.decode(new ByteReader(bytes.subarray(0, bytes.length - 1)), true),
        (error) => error instanceof BeamBridgeError && error.code === 'MALFORMED_DATA',
      );
    }
  });
});

test('a PCollection of any type has a coder whose values come back, after a trip through proto too', () => {
  forAnyType((type, values) => {
    const coders: Record<string, pb.Coder> = {};
    const coder = coderOf(type);
    const copy = coderFromProto(coderToProto(coder, internCodersInto(coders)), coders);
    for (const value of values) {
      const bytes = encodeValue(coder, value, true);
      assert.deepEqual(decodeValue(copy, bytes, true), value);
    }
  });
});

test('any row type comes back from its schema message, with the same id', () => {
  forAnyType((type) => {
    const whole = row({ it: type });
    const message = schemaToProto(whole);
    const copy = schemaFromProto(fromBinary(pb.SchemaSchema, toBinary(pb.SchemaSchema, message)));
    assert.equal(typeName(copy), typeName(whole));
    assert.ok(sameType(copy, whole));
    assert.deepEqual(schemaToProto(copy), message);
    assert.match(
      message.id,
      /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });
});

test('a schema inferred from any JSON object encodes it', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), (json) => {
      let type: SchemaType<typeof json>;
      try {
        type = inferSchema(json, { unknown: row({}) });
      } catch (error) {
        assert.ok(error instanceof BeamBridgeError && error.code === 'INVALID_SCHEMA');
        return;
      }
      const coder = coderOf(type);
      const bytes = encodeValue(coder, json);
      assert.deepEqual(encodeValue(coder, decodeValue(coder, bytes)), bytes);
    }),
  );
});
