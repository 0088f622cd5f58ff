// SPDX-License-Identifier: Apache-2.0
// Writes chunks that will not change any more: a runner gives them when their numbers are in its checkpoint.

import type { KV } from '../../../coders/index.ts';
import { type DoFn, stableInput } from '../../../pipeline/index.ts';
import type { NumberedChunk } from './chunks.ts';
import type { ShardWriter } from './shard-writer.ts';

/** So much of a bundle is in memory before it is written: it holds all that came between two checkpoints. */
const GATHERED_BYTES = 32 * 1024 * 1024;

/** What all copies of a step have in this process. */
interface Shared {
  /** By shard. */
  readonly writers: Map<number, ShardWriter>;
  /** How many copies are set up. */
  users: number;
}

export class WriteChunks implements DoFn<KV<number, Iterable<NumberedChunk>>, never> {
  readonly [stableInput] = true;
  private gathered = new Map<number, NumberedChunk[]>();
  private bytes = 0;

  constructor(
    private readonly open: (shard: number) => ShardWriter,
    private readonly shared: Shared = { writers: new Map(), users: 0 },
  ) {}

  forBundle(): WriteChunks {
    return new WriteChunks(this.open, this.shared);
  }

  setup(): void {
    this.shared.users += 1;
  }

  /** The last of those that share the writers closes them: nothing would end the program before that. */
  async teardown(): Promise<void> {
    const { shared } = this;
    shared.users -= 1;
    if (shared.users > 0) return;
    const writers = [...shared.writers.values()];
    shared.writers.clear();
    await Promise.all(writers.map((writer) => writer.close()));
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

  /**
   * What waits for chunks of others stays, until the last. All are looked at before any is written: what a run writes
   * that began with too old a state, in shards that had nothing to refuse, would be in the way of the right one.
   */
  private async write(isLast: boolean): Promise<void> {
    const { gathered } = this;
    this.startBundle();
    // A runner promises no order, and a shard takes them by their numbers.
    for (const chunks of gathered.values()) chunks.sort((a, b) => a.number - b.number);
    // Once, so that what a teardown meanwhile closed is not opened again.
    const writers = new Map([...gathered.keys()].map((shard) => [shard, this.writer(shard)]));
    await ofAll(gathered, (shard, chunks) => writers.get(shard)!.check(chunks));
    await ofAll(gathered, async (shard, chunks) => {
      const left = await writers.get(shard)!.write(chunks, isLast);
      if (left.length > 0) this.gathered.set(shard, left);
    });
  }

  private writer(shard: number): ShardWriter {
    const { writers } = this.shared;
    const writer = writers.get(shard) ?? this.open(shard);
    writers.set(shard, writer);
    return writer;
  }
}

/** Does it for all at the same time, and fails when all are over. */
async function ofAll<T>(
  byShard: ReadonlyMap<number, T>,
  work: (shard: number, its: T) => Promise<void>,
): Promise<void> {
  const all = await Promise.allSettled([...byShard].map(([shard, its]) => work(shard, its)));
  const failed = all.find(({ status }) => status === 'rejected');
  if (failed) throw (failed as PromiseRejectedResult).reason;
}
