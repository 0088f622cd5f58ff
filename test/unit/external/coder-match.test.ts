// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  coderFromSpec,
  KVCoder,
  LengthPrefixCoder,
  StrUtf8Coder,
} from '../../../src/coders/index.ts';
import { sameOnTheWire, whyUnreadable } from '../../../src/external/coder-match.ts';
import { create, pb, toBinary, urns } from '../../../src/proto/index.ts';
import { coderOf, decimal, float64, nullable, row } from '../../../src/schema/index.ts';

test('a row that cannot be read says which field is the reason', () => {
  const schema = create(pb.SchemaSchema, {
    fields: [{ name: 'date', type: { typeInfo: { case: 'logicalType', value: { urn: 'x:y' } } } }],
  });
  const rows = coderFromSpec({
    urn: urns.StandardCoders_Enum.ROW,
    payload: toBinary(pb.SchemaSchema, schema),
  });
  assert.match(whyUnreadable(new LengthPrefixCoder(rows))!, /date/);
  assert.match(whyUnreadable(new KVCoder(new StrUtf8Coder(), rows))!, /date/);
  assert.equal(whyUnreadable(new StrUtf8Coder()), undefined);
});

test('a NUMERIC column of a database, whose digits are limited, is a decimal', () => {
  const ofDecimal = {
    case: 'logicalType',
    value: {
      urn: 'beam:logical_type:decimal:v1',
      representation: { typeInfo: { case: 'atomicType', value: pb.AtomicType.BYTES } },
    },
  } as const;
  const ofNumeric = {
    case: 'logicalType',
    value: {
      urn: 'beam:logical_type:fixed_decimal:v1',
      representation: { typeInfo: ofDecimal },
    },
  } as const;
  const schema = create(pb.SchemaSchema, {
    fields: [{ name: 'price', type: { nullable: true, typeInfo: ofNumeric } }],
  });
  const found = coderFromSpec({
    urn: urns.StandardCoders_Enum.ROW,
    payload: toBinary(pb.SchemaSchema, schema),
  });
  assert.ok(sameOnTheWire(found, coderOf(row({ price: nullable(decimal) }))));
  assert.ok(!sameOnTheWire(found, coderOf(row({ price: nullable(float64) }))));
});
