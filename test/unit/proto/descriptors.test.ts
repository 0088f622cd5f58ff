// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { fileDesc, messageDesc } from '../../../src/proto/descriptors/index.ts';

const inner = fileDesc('inner', 'a.b', '{"messages":{"M":{"fields":[["n",1,5]]}},"enums":{}}');

test('a message of another file is found by its name there', () => {
  const table = '{"messages":{"Outer":{"fields":[["m",1,"a.b.M"]]},"M":{"fields":[]}},"enums":{}}';
  const outer = messageDesc(fileDesc('outer', 'c', table, [inner]), 'Outer');
  const bytes = toBinary(outer, create(outer, { m: { n: 7 } } as object));
  assert.deepEqual([...bytes], [10, 2, 8, 7]);
  const again = fromBinary(outer, bytes) as unknown as { m: { $typeName: string; n: number } };
  assert.deepEqual(again.m, { $typeName: 'a.b.M', n: 7 });
});

test('a type that no imported file has is an error when it is first needed', () => {
  const table = '{"messages":{"Outer":{"fields":[["m",1,"a.b.Gone"]]}},"enums":{}}';
  const outer = messageDesc(fileDesc('outer', 'c', table, [inner]), 'Outer');
  assert.throws(() => create(outer), { code: 'INTERNAL', message: /a\.b\.Gone .* outer imports/ });
});

test('there are no serialized descriptors', () => {
  assert.throws(() => messageDesc(inner, 'M').proto, { code: 'INTERNAL' });
  assert.throws(() => inner.proto, { code: 'INTERNAL' });
});
