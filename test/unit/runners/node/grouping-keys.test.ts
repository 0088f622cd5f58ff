// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Coder,
  DoubleCoder,
  encodeValue,
  JsCoder,
  KVCoder,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  NullableCoder,
  StrUtf8Coder,
  VarIntCoder,
} from '../../../../src/coders/index.ts';
import { globalWindows } from '../../../../src/transforms/index.ts';
import { element, fired, groupingOf } from './grouping-helpers.ts';

/** How many groups the keys make. */
async function groupsOf(coder: Coder<never>, keys: readonly unknown[], bounded: boolean) {
  const keyCoder = coder as unknown as Coder<unknown>;
  const windowFn = globalWindows();
  const grouping = groupingOf(windowFn, {}, { keyCoder, bounded });
  const block = keys.map((key, i) => element(windowFn, key, i, 0));
  await grouping.add(block, MIN_TIMESTAMP, 0);
  return fired(grouping, MAX_TIMESTAMP);
}

const JS_KEYS = fc.oneof(
  fc.constantFrom<unknown>(0, -0, 0n, 1, 1n, -1, -1n, '0', '1', Number.NaN, null, undefined, true),
  fc.constantFrom<unknown>('', '\ud800', '\ufffd', 2 ** 53, 2n ** 53n, Number.POSITIVE_INFINITY),
  fc.double(),
  fc.integer(),
  fc.string(),
  fc.array(fc.integer({ max: 2, min: 0 }), { maxLength: 2 }),
  fc.record({ a: fc.constantFrom(0, -0, 1) }),
);

const CASES: [string, Coder<never>, fc.Arbitrary<unknown>][] = [
  ['JavaScript values', new JsCoder({ deterministic: true }), JS_KEYS],
  ['JavaScript values as they are', new JsCoder(), JS_KEYS],
  ['doubles', new DoubleCoder(), fc.oneof(fc.constantFrom(0, -0, Number.NaN), fc.double())],
  ['integers', new VarIntCoder(), fc.constantFrom(0, -0, 1, -1, 2 ** 53 - 1)],
  ['bigints', new VarIntCoder({ bigint: true }), fc.constantFrom<unknown>(0, -0, 0n, 1, 1n, -1n)],
  ['text', new StrUtf8Coder(), fc.constantFrom('', 'a', 'é', 'e\u0301', '\ufffd', 's', 'sa')],
  ['nullable', new NullableCoder(new VarIntCoder()), fc.constantFrom(null, 0, 1)],
  [
    'pairs',
    new KVCoder(new StrUtf8Coder(), new VarIntCoder()),
    fc.record({ key: fc.constantFrom('a', 'b'), value: fc.constantFrom(0, 1) }),
  ],
] as unknown as [string, Coder<never>, fc.Arbitrary<unknown>][];

describe('a group is made of the keys with equal bytes', () => {
  for (const [name, coder, keys] of CASES) {
    for (const bounded of [true, false]) {
      it(`${name}, ${bounded ? 'bounded' : 'unbounded'}`, async () => {
        const bytesOf = (key: unknown) =>
          Buffer.from(encodeValue(coder, key as never, true)).toString('hex');
        await fc.assert(
          fc.asyncProperty(fc.array(keys, { maxLength: 30 }), async (given) => {
            const expected = new Map<string, number[]>();
            given.forEach((key, i) => {
              const bytes = bytesOf(key);
              expected.set(bytes, [...(expected.get(bytes) ?? []), i]);
            });
            const panes = await groupsOf(coder, given, bounded);
            assert.deepEqual(
              new Map(panes.map(({ key, values }) => [bytesOf(key), values])),
              expected,
            );
            assert.equal(panes.length, expected.size);
          }),
        );
      });
    }
  }

  it('a key that its coder refuses fails when it comes', async () => {
    for (const [coder, key] of [
      [new StrUtf8Coder(), '\ud800'],
      [new StrUtf8Coder(), 1],
      [new VarIntCoder(), 1n],
      [new DoubleCoder(), '1'],
    ] as [Coder<never>, unknown][]) {
      for (const bounded of [true, false]) {
        await assert.rejects(() => groupsOf(coder, [key], bounded), { code: 'CODER_MISMATCH' });
      }
    }
  });
});
