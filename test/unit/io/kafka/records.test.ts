// SPDX-License-Identifier: Apache-2.0
// What an answer's batches come to.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fetchedOf } from '../../../../src/io/kafka/client.ts';
import type { FetchedBatch } from '../../../../src/io/kafka/package.ts';
import { recordsOf } from '../../../../src/io/kafka/records.ts';

const at = { topic: 'a', partition: 0 };
const TRANSACTIONAL = 16;
const CONTROL = 32 | TRANSACTIONAL;

function batch(
  first: number,
  offsetDeltas: number[],
  rest: Partial<FetchedBatch> = {},
): FetchedBatch {
  const lastOffsetDelta = offsetDeltas.at(-1) ?? 0;
  return {
    firstOffset: BigInt(first),
    lastOffsetDelta,
    magic: 2,
    attributes: 0,
    firstTimestamp: 1000n,
    maxTimestamp: 1000n + BigInt(lastOffsetDelta),
    producerId: -1n,
    records: offsetDeltas.map((offsetDelta) => ({
      offsetDelta,
      timestampDelta: BigInt(offsetDelta),
      key: null,
      value: Buffer.from(String(first + offsetDelta)),
      headers: [],
    })),
    ...rest,
  };
}

/** A record of Kafka's own that ends a transaction. */
function ending(first: number, producerId: bigint, type: 0 | 1): FetchedBatch {
  const key = Buffer.from([0, 0, 0, type]);
  const record = { offsetDelta: 0, timestampDelta: 0n, key, value: Buffer.alloc(6), headers: [] };
  return batch(first, [0], { attributes: CONTROL, producerId, records: [record] });
}

function read(
  records: FetchedBatch[],
  offset: number,
  abortedTransactions: { producerId: bigint; firstOffset: bigint }[] = [],
  committed = true,
) {
  const answer = { partitionIndex: 0, errorCode: 0, highWatermark: 99n, lastStableOffset: 99n };
  const { records: found, next } = recordsOf(
    at,
    offset,
    { ...answer, abortedTransactions, records },
    committed,
  );
  return { offsets: found.map((one) => one.offset), next, found };
}

test('a batch that begins before the offset is cut', () => {
  const { offsets, next } = read([batch(3, [0, 1, 2]), batch(6, [0])], 4);
  assert.deepEqual(offsets, [4, 5, 6]);
  assert.equal(next, 7);
});

test('offsets that were removed are passed over, at the end of a batch too', () => {
  const { offsets, next } = read([batch(0, [1, 4], { lastOffsetDelta: 9 })], 0);
  assert.deepEqual(offsets, [1, 4]);
  assert.equal(next, 10);
});

test('times are those of the records, or that at which the log took the batch', () => {
  const times = (attributes: number) =>
    read([batch(0, [0, 2], { attributes })], 0).found.map(({ timestamp }) => timestamp);
  assert.deepEqual(times(0), [1000, 1002]);
  assert.deepEqual(times(8), [1002, 1002]);
});

test('records of aborted transactions do not come, those of others do', () => {
  const of = (producerId: bigint) => ({ attributes: TRANSACTIONAL, producerId });
  const log = [
    batch(0, [0], of(7n)),
    batch(1, [0], of(8n)),
    batch(2, [0]),
    ending(3, 7n, 0),
    batch(4, [0], of(7n)),
    ending(5, 7n, 1),
    ending(6, 8n, 1),
    batch(7, [0], of(7n)),
  ];
  const aborted = [
    { producerId: 7n, firstOffset: 7n },
    { producerId: 7n, firstOffset: 0n },
  ];
  assert.deepEqual(read(log, 0, aborted).offsets, [1, 2, 4]);
  assert.deepEqual(read(log, 0, [], false).offsets, [0, 1, 2, 4, 7]);
  assert.equal(read(log, 0, aborted).next, 8);
});

test('an abort whose end is not in the answer counts, one of a stranger does no harm', () => {
  const of = (producerId: bigint) => ({ attributes: TRANSACTIONAL, producerId });
  const log = [ending(0, 9n, 0), batch(1, [0], of(7n)), batch(2, [0], of(9n))];
  assert.deepEqual(read(log, 0, [{ producerId: 7n, firstOffset: 1n }]).offsets, [2]);
});

test('records in a format before 2 are refused', () => {
  assert.throws(() => read([batch(0, [0], { magic: 1 })], 0), { code: 'UNSUPPORTED' });
});

test('an answer without records goes on where it was', () => {
  assert.deepEqual(read([], 5).next, 5);
});

test('an answer ends where the partition does, not where an open transaction begins', () => {
  const found = {
    partitionIndex: 0,
    errorCode: 0,
    highWatermark: 5n,
    lastStableOffset: 3n,
    abortedTransactions: [],
    records: [batch(1, [0, 1])],
  };
  const { next, end } = fetchedOf(at, 1, found, true);
  assert.deepEqual([next, end], [3, 5]);
});
