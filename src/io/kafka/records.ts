// SPDX-License-Identifier: Apache-2.0
// The records of an answer: without those of aborted transactions, without Kafka's own, and without
// those in front of the offset that was asked for.

import { BeamBridgeError } from '../../base/index.ts';
import type { TopicPartition } from './client.ts';
import type { FetchedBatch, FetchedPartition } from './package.ts';

/** A record as it was read. */
export interface ReadRecord {
  readonly offset: number;
  /** In milliseconds since 1970. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly (readonly [Uint8Array, Uint8Array | null])[];
}

/** Bits of a batch's attributes. */
const LOG_APPEND_TIME = 1 << 3;
const TRANSACTIONAL = 1 << 4;
const CONTROL = 1 << 5;
const MAGIC = 2;
/** Type of a control record that ends a transaction whose records do not count. */
const ABORT = 0;

/** The records from `offset` on, and the offset to go on from. */
export function recordsOf(
  at: TopicPartition,
  offset: number,
  { records: batches = [], abortedTransactions }: FetchedPartition,
  committedOnly: boolean,
): { records: ReadRecord[]; next: number } {
  const records: ReadRecord[] = [];
  let next = offset;
  const aborted = committedOnly ? new AbortedProducers(abortedTransactions ?? []) : undefined;
  for (const batch of batches) {
    checkMagic(at, batch);
    const first = Number(batch.firstOffset);
    const last = first + batch.lastOffsetDelta;
    if (!Number.isSafeInteger(last)) throw tooFar(at, last);
    const isAborted = aborted?.isAborted(batch) ?? false;
    if ((batch.attributes & CONTROL) === 0 && !isAborted) addAll(records, batch, offset);
    next = Math.max(next, last + 1);
  }
  return { records, next };
}

function addAll(records: ReadRecord[], batch: FetchedBatch, from: number): void {
  const { attributes, maxTimestamp, firstTimestamp } = batch;
  const first = Number(batch.firstOffset);
  const base = Number(firstTimestamp);
  const appended = attributes & LOG_APPEND_TIME ? Number(maxTimestamp) : undefined;
  for (const { offsetDelta, timestampDelta, key, value, headers } of batch.records) {
    const offset = first + offsetDelta;
    // Whole batches are sent: the first may begin before what was asked for.
    if (offset < from) continue;
    const timestamp = appended ?? base + Number(timestampDelta);
    records.push({ offset, timestamp, key, value, headers });
  }
}

/**
 * Producers whose transaction at this point of the log was aborted.
 * Source: org.apache.kafka.clients.consumer.internals.CompletedFetch
 */
class AbortedProducers {
  private readonly coming: FetchedPartition['abortedTransactions'][number][];
  private readonly producers = new Set<bigint>();

  constructor(transactions: FetchedPartition['abortedTransactions']) {
    this.coming = [...transactions].sort((a, b) => Number(a.firstOffset - b.firstOffset));
  }

  /** To be asked for each batch, in the order of the log. */
  isAborted({ firstOffset, lastOffsetDelta, producerId, attributes, records }: FetchedBatch) {
    const last = firstOffset + BigInt(lastOffsetDelta);
    while (this.coming[0] && this.coming[0].firstOffset <= last) {
      this.producers.add(this.coming.shift()!.producerId);
    }
    if (attributes & CONTROL) {
      const key = records[0]?.key;
      if (key && key.byteLength >= 4 && key.readInt16BE(2) === ABORT) {
        this.producers.delete(producerId);
      }
      return false;
    }
    return (attributes & TRANSACTIONAL) !== 0 && this.producers.has(producerId);
  }
}

function checkMagic({ topic, partition }: TopicPartition, { magic, firstOffset }: FetchedBatch) {
  if (magic === MAGIC) return;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    `partition ${partition} of ${topic} has records in format ${magic} at offset ${firstOffset}`,
    { hint: 'Records of Kafka 0.11 or later can be read.' },
  );
}

function tooFar({ topic, partition }: TopicPartition, offset: number): BeamBridgeError {
  return new BeamBridgeError(
    'UNSUPPORTED',
    `partition ${partition} of ${topic} has the offset ${offset}`,
    { hint: 'Offsets up to 2^53 can be read.' },
  );
}
