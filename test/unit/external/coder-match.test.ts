// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  coderFromSpec,
  KVCoder,
  LengthPrefixCoder,
  StrUtf8Coder,
} from '../../../src/coders/index.ts';
import { whyUnreadable } from '../../../src/external/coder-match.ts';
import { create, pb, toBinary, urns } from '../../../src/proto/index.ts';

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
