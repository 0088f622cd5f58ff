// SPDX-License-Identifier: Apache-2.0
// Messages in chunks, and their way: each chunk is of one shard, and numbered there. The number and who gave it
// are stored with the runner's state before anything of the chunk is written.

import { decodeValue, encodeValue, KVCoder, VarIntCoder } from '../../../coders/index.ts';
import {
  array,
  bytes,
  coderOf,
  type Infer,
  int32,
  int64,
  nullable,
  row,
  string,
} from '../../../schema/index.ts';
import type { Outgoing } from '../writer.ts';

const messageType = row({
  key: nullable(bytes),
  value: nullable(bytes),
  partition: nullable(int32),
  timestamp: nullable(int64),
  headers: nullable(array(row({ key: bytes, value: nullable(bytes) }))),
});
type StoredMessage = Infer<typeof messageType>;
const messagesCoder = coderOf(array(messageType));

/** What a shard's numbers are kept by. */
export const shardCoder = new VarIntCoder();
/** A chunk of messages of a shard. */
export const chunkCoder = new KVCoder(shardCoder, coderOf(bytes));

/** How far the numbers of a shard have come. */
export const numberingType = row({
  /** Who numbers: drawn once for a shard, and part of the runner's state from then on. */
  writer: string,
  last: int64,
  /** Of the last number. */
  generation: string,
});

const numberedType = row({
  writer: string,
  /** In which process, and since when it has not gone back: another chunk with this number has another. */
  generation: string,
  /** From 1 on, without gaps. */
  number: int64,
  messages: bytes,
});
/** A chunk with its number. */
export type NumberedChunk = Infer<typeof numberedType>;
export const numberedCoder = new KVCoder(shardCoder, coderOf(numberedType));

export function encodeMessages(messages: readonly Outgoing[]): Uint8Array {
  const stored = messages.map(
    ({ key, value, partition, timestamp, headers }): StoredMessage => ({
      key: key ?? null,
      value: value ?? null,
      partition: partition ?? null,
      timestamp: timestamp === undefined ? null : Number(timestamp),
      headers: headers
        ? [...headers].map(([name, content]) => ({ key: name, value: content }))
        : null,
    }),
  );
  return encodeValue(messagesCoder, stored);
}

export function decodeMessages(topic: string, encoded: Uint8Array): Outgoing[] {
  return [...decodeValue(messagesCoder, encoded)].map(
    ({ key, value, partition, timestamp, headers }) => ({
      topic,
      key: key ?? undefined,
      value: value ?? undefined,
      partition: partition ?? undefined,
      timestamp: timestamp === null ? undefined : BigInt(timestamp),
      headers: headers
        ? new Map(headers.map((one) => [Buffer.from(one.key), one.value && Buffer.from(one.value)]))
        : undefined,
    }),
  );
}
