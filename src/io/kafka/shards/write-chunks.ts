// SPDX-License-Identifier: Apache-2.0
// Writes chunks that will not change any more: a runner gives them when their numbers are in its checkpoint.

import type { KV } from '../../../coders/index.ts';
import { type DoFn, stableInput } from '../../../pipeline/index.ts';
import type { NumberedChunk } from './chunks.ts';
import type { ShardWriter } from './shard-writer.ts';

/** So much of a bundle is in memory before it is written: it holds all that came between two checkpoints. */
const GATHERED_BYTES = 32 * 1024 * 1024;

export class WriteChunks implements DoFn<KV<number, Iterable<NumberedChunk>>, never> {
  readonly [stableInput] = true;
  private gathered = new Map<number, NumberedChunk[]>();
  private bytes = 0;

  /** @param writers - by shard, for as long as this process lives */
  constructor(
    private readonly open: (shard: number) => ShardWriter,
    private readonly writers = new Map<number, ShardWriter>(),
  ) {}

  forBundle(): WriteChunks {
    return new WriteChunks(this.open, this.writers);
  }

  startBundle(): void {
    this.gathered = new Map();
    this.bytes = 0;
  }

  process({ key, value }: KV<number, Iterable<NumberedChunk>>): Promise<void> | undefined {
    const chunks = this.gathered.get(key) ?? [];
    this.gathered.set(key, chunks);
    for (const chunk of value) {
      chunks.push(chunk);
      this.bytes += chunk.messages.length;
    }
    return this.bytes < GATHERED_BYTES ? undefined : this.write(false);
  }

  finishBundle(): Promise<void> {
    return this.write(true);
  }

  /** What waits for chunks of others stays, until the last. */
  private async write(isLast: boolean): Promise<void> {
    const { gathered } = this;
    this.startBundle();
    const all = [...gathered].map(async ([shard, chunks]) => {
      const left = await this.writer(shard).write(chunks, isLast);
      if (left.length > 0) this.gathered.set(shard, left);
    });
    const failed = (await Promise.allSettled(all)).find(({ status }) => status === 'rejected');
    if (failed) throw (failed as PromiseRejectedResult).reason;
  }

  private writer(shard: number): ShardWriter {
    const writer = this.writers.get(shard) ?? this.open(shard);
    this.writers.set(shard, writer);
    return writer;
  }
}
