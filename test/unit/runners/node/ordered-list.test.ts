// SPDX-License-Identifier: Apache-2.0
// Ordered lists of Python's DoFns, kept as bags.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader, ByteWriter } from '../../../../src/base/index.ts';
import type { UserState } from '../../../../src/harness/index.ts';
import { create, fn } from '../../../../src/proto/index.ts';
import { OrderedLists } from '../../../../src/runners/node/python/ordered-list.ts';

const LEAST = -(2n ** 63n);

/** One bag, and a list in it. */
function oneList() {
  let chunks: Uint8Array[] = [];
  const state: UserState = {
    async *read() {
      yield* chunks;
    },
    append: async (_, data) => void chunks.push(data),
    clear: async () => {
      chunks = [];
    },
  };
  const lists = new OrderedLists(state);
  const key = (start?: bigint, end?: bigint) =>
    create(fn.StateKey_OrderedListUserStateSchema, {
      transformId: 't',
      userStateId: 's',
      ...(start === undefined ? {} : { range: { start, end: end! } }),
    });
  return {
    add: (...entries: [bigint, string][]) => {
      const out = new ByteWriter();
      for (const [at, value] of entries) {
        out.varint64(at);
        out.varint(value.length);
        out.bytes(Buffer.from(value));
      }
      return lists.append(key(), out.take());
    },
    read: async (start?: bigint, end?: bigint) => {
      const found: string[] = [];
      for await (const chunk of lists.read(key(start, end))) {
        const input = new ByteReader(chunk);
        while (!input.done) {
          found.push(`${input.varint64()}:${Buffer.from(input.bytes(input.varint()))}`);
        }
      }
      return found.join(' ');
    },
    clear: (start?: bigint, end?: bigint) => lists.clear(key(start, end)),
  };
}

test('entries come in the order of their keys, those of one key as they were added', async () => {
  const list = oneList();
  await list.add([5n, 'e'], [-1n, 'm']);
  await list.add([5n, 'f'], [LEAST, 'first']);
  assert.equal(await list.read(), `${LEAST}:first -1:m 5:e 5:f`);
});

test('a range has its start and not its end', async () => {
  const list = oneList();
  await list.add([1n, 'a'], [2n, 'b'], [3n, 'c']);
  assert.equal(await list.read(1n, 3n), '1:a 2:b');
  assert.equal(await list.read(4n, 9n), '');
});

test('a range is removed, and everything without one', async () => {
  const list = oneList();
  await list.add([1n, 'a'], [2n, 'b'], [3n, 'c']);
  await list.clear(2n, 3n);
  assert.equal(await list.read(), '1:a 3:c');
  await list.clear();
  assert.equal(await list.read(), '');
});
