// SPDX-License-Identifier: Apache-2.0
// Deals messages out to shards: those of a key, or of one partition, to one, so that their order holds. All go by
// what they are, those without a key too: what is read again from an older state comes to the shard that wrote it,
// whose mark is ahead of that state, which is how that is noticed.

import { BeamBridgeError } from '../../../base/index.ts';
import {
  GlobalWindow,
  type KV,
  MIN_TIMESTAMP,
  NO_FIRING,
  type WindowedValue,
} from '../../../coders/index.ts';
import type { DoFn } from '../../../pipeline/index.ts';
import type { MessageOf } from '../message-of.ts';
import { partitionOf } from '../murmur2.ts';
import type { Outgoing } from '../writer.ts';
import { encodeMessages } from './chunks.ts';

/** A chunk is as large as is written to a partition at once. */
const CHUNK_BYTES = 512 * 1024;
const CHUNK_MESSAGES = 5_000;
/** What a message, and each of its headers, costs beside its bytes, about. */
const MESSAGE_BYTES = 16;

const NOTHING = new Uint8Array();

type Chunk = KV<number, Uint8Array>;

interface Gathered {
  messages: Outgoing[];
  bytes: number;
}

export class ShardMessages<T> implements DoFn<T, Chunk> {
  private readonly gathered = new Map<number, Gathered>();

  constructor(
    private readonly messages: Pick<MessageOf<T, unknown, unknown>, 'prepare' | 'of'>,
    private readonly shards: number,
  ) {}

  forBundle(): ShardMessages<T> {
    return new ShardMessages(this.messages, this.shards);
  }

  async startBundle(): Promise<void> {
    this.gathered.clear();
    await this.messages.prepare();
  }

  process(element: T): Chunk[] | undefined {
    const message = this.messages.of(element);
    const shard = this.shardOf(message);
    const to = this.gathered.get(shard) ?? { messages: [], bytes: 0 };
    this.gathered.set(shard, to);
    to.messages.push(message);
    to.bytes += sizeOf(message);
    if (to.bytes < CHUNK_BYTES && to.messages.length < CHUNK_MESSAGES) return undefined;
    this.gathered.delete(shard);
    return [{ key: shard, value: encodeMessages(to.messages) }];
  }

  private shardOf({ topic, key, value, partition }: Outgoing): number {
    if (partition === undefined) return partitionOf(key ?? value ?? NOTHING, this.shards);
    if (Number.isSafeInteger(partition) && partition >= 0) return partition % this.shards;
    // Later it would be part of the runner's state, and come again and again.
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `a message is for partition ${partition} of ${topic}`,
    );
  }

  finishBundle(): WindowedValue<Chunk>[] {
    const rest = [...this.gathered].map(([key, { messages }]) => ({
      value: { key, value: encodeMessages(messages) },
      timestamp: MIN_TIMESTAMP,
      windows: [new GlobalWindow()],
      pane: NO_FIRING,
    }));
    this.gathered.clear();
    return rest;
  }
}

function sizeOf({ key, value, headers }: Outgoing): number {
  let bytes = MESSAGE_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, content] of headers ?? []) {
    bytes += MESSAGE_BYTES + name.length + (content?.length ?? 0);
  }
  return bytes;
}
