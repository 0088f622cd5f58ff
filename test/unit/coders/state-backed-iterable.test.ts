// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../../src/base/index.ts';
import {
  decodeValue,
  encodeValue,
  IterableCoder,
  StateBackedIterable,
  StateBackedIterableCoder,
  type StateReader,
  StrUtf8Coder,
} from '../../../src/coders/index.ts';
import { texts } from './arbitraries.ts';
import { hasCode, isMalformed } from './properties.ts';

const element = new StrUtf8Coder();

/** A reader of these values, cut into chunks of `size` bytes; counts how often it is asked. */
function readerOf(values: readonly string[], size: number, drop = 0) {
  const out = new ByteWriter();
  for (const value of values) element.encode(value, out, true);
  const bytes = out.take();
  const whole = bytes.subarray(0, bytes.length - drop);
  const calls: string[] = [];
  const read: StateReader = async function* chunks(token) {
    calls.push(Buffer.from(token).toString());
    for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
  };
  return { read, calls };
}

function continued(inline: string[], read?: StateReader) {
  return new StateBackedIterable(inline, element, Buffer.from('token'), read);
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of values) list.push(value);
  return list;
}

test('values that came inline can be iterated with and without await', async () => {
  const coder = new StateBackedIterableCoder(element);
  const values = decodeValue(coder, encodeValue(new IterableCoder(element), ['a', 'b']));
  assert.deepEqual([...values], ['a', 'b']);
  assert.deepEqual(await all(values), ['a', 'b']);
});

test('values go on in state, however its chunks are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(texts),
      fc.array(texts),
      fc.integer({ min: 1, max: 9 }),
      async (inline, rest, size) => {
        const values = continued(inline, readerOf(rest, size).read);
        assert.deepEqual(await all(values), [...inline, ...rest]);
      },
    ),
  );
});

test('each iteration reads the state anew', async () => {
  const { read, calls } = readerOf(['b'], 100);
  const values = continued(['a'], read);
  await all(values);
  await all(values);
  assert.deepEqual(calls, ['token', 'token']);
});

test('a plain loop over values in state is refused and says to await', () => {
  const values = continued(['a'], readerOf(['b'], 1).read);
  assert.throws(() => [...values], hasCode('UNSUPPORTED', 'for await'));
});

test('after load a plain loop works and nothing is read again', async () => {
  const { read, calls } = readerOf(['b', 'c'], 2);
  const values = continued(['a'], read);
  await values.load();
  await values.load();
  assert.deepEqual([...values], ['a', 'b', 'c']);
  assert.equal(values.token, undefined);
  assert.equal(calls.length, 1);
});

test('state that ends inside a value is MALFORMED_DATA', async () => {
  const values = continued([], readerOf(['abc', 'def'], 3, 2).read);
  await assert.rejects(all(values), isMalformed);
});

test('leaving the loop early ends the reading', async () => {
  let ended = false;
  const values = continued([], async function* read() {
    try {
      for (;;) yield new Uint8Array([1, 0x61]);
    } finally {
      ended = true;
    }
  });
  for await (const value of values) {
    assert.equal(value, 'a');
    break;
  }
  assert.ok(ended);
});

test('without a reader, values in state cannot be read', async () => {
  await assert.rejects(all(continued([])), hasCode('HARNESS_PROTOCOL', 'readState'));
});

test('values in state are written back by their token, unread', () => {
  const coder = new StateBackedIterableCoder(element);
  for (const inline of [[], ['a', 'b']]) {
    const back = decodeValue(coder, encodeValue(coder, continued(inline)));
    assert.deepEqual(back.inline, inline);
    assert.deepEqual(Buffer.from(back.token!).toString(), 'token');
  }
});
