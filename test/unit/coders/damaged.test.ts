// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter } from '../../../src/base/index.ts';
import {
  BytesCoder,
  decodeValue,
  GlobalWindowCoder,
  IterableCoder,
  WindowedValueCoder,
} from '../../../src/coders/index.ts';

test('values without bytes have one limit, however they are nested', () => {
  const out = new ByteWriter();
  out.int32(400);
  for (let i = 0; i < 400; i++) out.int32(900_000);
  const coder = new IterableCoder(new IterableCoder(new GlobalWindowCoder()));
  assert.throws(() => decodeValue(coder, out.take()), { code: 'MALFORMED_DATA' });
});

test('a few bytes are not in a million windows', () => {
  const out = new ByteWriter();
  out.bytes(new Uint8Array(8));
  out.int32(1_000_000);
  out.bytes(new Uint8Array(4));
  const coder = new WindowedValueCoder(new BytesCoder(), new GlobalWindowCoder());
  assert.throws(() => decodeValue(coder, out.take()), { code: 'MALFORMED_DATA' });
});
