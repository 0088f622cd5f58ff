// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  coderFromProto,
  coderToProto,
  decodeValue,
  encodeValue,
  IterableCoder,
  internCodersInto,
  JsCoder,
  KVCoder,
  registerCoder,
  type StateBackedIterable,
  StrUtf8Coder,
  UnknownCoder,
  VarIntCoder,
} from '../../../src/coders/index.ts';
import { create, pb, toBinary } from '../../../src/proto/index.ts';
import { hasCode } from './properties.ts';

function coders(specs: Record<string, [urn: string, ...components: string[]]>) {
  const entries = Object.entries(specs).map(([id, [urn, ...componentCoderIds]]) => {
    return [id, create(pb.CoderSchema, { spec: { urn }, componentCoderIds })] as const;
  });
  return Object.fromEntries(entries);
}

test('equal coders have one id, which is the same in every run', () => {
  const all: Record<string, pb.Coder> = {};
  const intern = internCodersInto(all);
  const id = coderToProto(new KVCoder(new StrUtf8Coder(), new StrUtf8Coder()), intern);
  assert.equal(coderToProto(new KVCoder(new StrUtf8Coder(), new StrUtf8Coder()), intern), id);
  assert.equal(id, 'kv_e11f492eae56');
  assert.equal(Object.keys(all).length, 2);
  assert.notEqual(
    coderToProto(new VarIntCoder({ bigint: true }), intern),
    coderToProto(new VarIntCoder(), intern),
  );
});

test('a coder that nobody knows carries bytes inside a length prefix, and is refused elsewhere', () => {
  const all = coders({
    odd: ['acme:coder:odd:v1'],
    prefixed: ['beam:coder:length_prefix:v1', 'odd'],
    many: ['beam:coder:iterable:v1', 'odd'],
  });
  const prefixed = coderFromProto('prefixed', all);
  const value = new Uint8Array([1, 2, 3]);
  assert.deepEqual(decodeValue(prefixed, encodeValue(prefixed, value, true), true), value);
  const many = coderFromProto('many', all);
  assert.throws(
    () => encodeValue(many, [value]),
    hasCode('UNKNOWN_CODER', 'acme:coder:odd:v1', 'registerCoder'),
  );
  assert.throws(
    () => decodeValue(many, new Uint8Array([0, 0, 0, 1, 5])),
    hasCode('UNKNOWN_CODER', 'acme:coder:odd:v1'),
  );
});

test('a row with a field that has no portable type can still be carried', () => {
  const schema = create(pb.SchemaSchema, {
    fields: [
      {
        name: 'any',
        type: {
          typeInfo: { case: 'logicalType', value: { urn: 'beam:logical:pythonsdk_any:v1' } },
        },
      },
    ],
  });
  const bytes = toBinary(pb.SchemaSchema, schema);
  const all = {
    row: create(pb.CoderSchema, { spec: { urn: 'beam:coder:row:v1', payload: bytes } }),
  };
  const coder = coderFromProto('row', all);
  assert.ok(coder instanceof UnknownCoder);
  assert.deepEqual(coder.spec().payload, bytes);
  assert.throws(
    () => encodeValue(coder, new Uint8Array(), true),
    hasCode('UNKNOWN_CODER', 'field any'),
  );
});

test('registered coders are found, and a URN cannot be taken twice', () => {
  registerCoder('acme:coder:list:v1', (_payload, [element]) => new IterableCoder(element!));
  const all = coders({ n: ['beam:coder:varint:v1'], list: ['acme:coder:list:v1', 'n'] });
  assert.equal(coderFromProto('list', all).name, 'iterable<varint>');
  assert.throws(
    () => registerCoder('acme:coder:list:v1', () => new JsCoder()),
    hasCode('INVALID_ARGUMENT'),
  );
  assert.throws(
    () => registerCoder('beam:coder:kv:v1', () => new JsCoder()),
    hasCode('INVALID_ARGUMENT'),
  );
});

test('missing ids, missing components and coders that contain themselves are MALFORMED_DATA', () => {
  const all = coders({
    ring: ['beam:coder:iterable:v1', 'ring'],
    half: ['beam:coder:kv:v1', 'half2'],
    half2: ['beam:coder:varint:v1'],
    lost: ['beam:coder:iterable:v1', 'nowhere'],
  });
  for (const id of ['ring', 'half', 'lost', 'nowhere', 'toString']) {
    assert.throws(() => coderFromProto(id, all), hasCode('MALFORMED_DATA'));
  }
});

test('the context gives state backed iterables their reader', async () => {
  const all = coders({
    n: ['beam:coder:varint:v1'],
    many: ['beam:coder:state_backed_iterable:v1', 'n'],
  });
  const readState = async function* read() {
    yield new Uint8Array([7]);
  };
  const coder = coderFromProto('many', all, { readState });
  const bytes = Buffer.from(`ffffffff${'ff'.repeat(9)}010161`, 'hex');
  const values = decodeValue(coder, bytes) as StateBackedIterable<number>;
  const list: number[] = [];
  for await (const value of values) list.push(value);
  assert.deepEqual(list, [7]);
});
