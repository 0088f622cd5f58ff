// SPDX-License-Identifier: Apache-2.0
// Writes the chunks of one shard in the order of their numbers, each once: messages, and the number of the last
// chunk, count in one transaction.
//
// Two may have a shard at the same time: one whose machine the runner has given up, and the one in its place; or, when
// a job goes on with another parallelism, two that have some of its chunks each. So nobody takes a shard over before the
// chunk is next that he has, and who takes it over looks again what is written: whoever was before can commit nothing
// from then on.

import { BeamBridgeError, nap, within } from '../../../base/index.ts';
import type { GroupOffset, KafkaTransactions } from '../transactional-producer.ts';
import { KafkaWriter } from '../writer.ts';
import { decodeMessages, type NumberedChunk } from './chunks.ts';
import {
  advanced,
  groupOf,
  isSameMark,
  MARKED_PARTITION,
  type Mark,
  markOf,
  metadataOf,
  type ShardNames,
  turnOf,
} from './mark.ts';

/** How long chunks may take that others have, and that come before: those wait for brokers. Milliseconds. */
const EARLY_MS = 330_000;
const EARLY_PAUSE_MS = 100;
/** How long brokers may take to let go of a shard. Milliseconds. */
const LEAVE_MS = 3_000;

export class ShardWriter {
  private transactions: KafkaTransactions | undefined;
  /** While it has the shard. */
  private writer: KafkaWriter | undefined;
  /** What is committed, and what was sent since. */
  private mark: Mark | undefined;
  private isDirty = false;
  private isClosed = false;
  private busy: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly names: ShardNames,
    private readonly shard: number,
    private readonly open: () => Promise<KafkaTransactions>,
    private readonly earlyMillis = EARLY_MS,
    private readonly leaveMillis = LEAVE_MS,
  ) {}

  /**
   * Writes nothing.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT` for chunks of a run that does not go on from what is written
   */
  check(chunks: readonly NumberedChunk[]): Promise<void> {
    return this.next(async () => {
      await this.look(this.writer !== undefined);
      for (const chunk of chunks) turnOf(chunk, this.mark, this.names);
    });
  }

  /**
   * Writes chunks, whose numbers rise, and commits.
   *
   * @param waits - whether to wait for chunks of others that come before: they may be given to this one meanwhile
   * @returns those that are early still
   */
  async write(chunks: readonly NumberedChunk[], waits: boolean): Promise<NumberedChunk[]> {
    let left = await this.next(() => this.writeAll(chunks));
    let since = performance.now();
    while (waits && left.length > 0) {
      if (performance.now() - since > this.earlyMillis) throw this.missing(left[0]!);
      await nap(EARLY_PAUSE_MS);
      const before = left;
      left = await this.next(() => this.writeAll(before));
      if (left.length < before.length) since = performance.now();
    }
    return left;
  }

  /** One after the other; what fails lets go of the shard. */
  private next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.busy.then(async () => {
      try {
        return await work();
      } catch (error) {
        await this.drop();
        throw error;
      }
    });
    this.busy = done.catch(() => {});
    return done;
  }

  private async writeAll(chunks: readonly NumberedChunk[]): Promise<NumberedChunk[]> {
    // What it has committed itself may not have reached the group yet.
    await this.look(this.writer !== undefined);
    let done = 0;
    while (done < chunks.length) {
      const chunk = chunks[done]!;
      const turn = turnOf(chunk, this.mark, this.names);
      if (turn === 'early') break;
      if (turn === 'next' && !this.writer) {
        await this.takeOver();
        continue;
      }
      if (turn === 'next') await this.send(chunk);
      done += 1;
    }
    await this.commit();
    return chunks.slice(done);
  }

  /** What is committed by now: if it is not what this one has committed, somebody else has had the shard. */
  private async look(isStable: boolean): Promise<void> {
    this.transactions ??= await this.opened();
    const { topic } = this.names;
    const group = groupOf(this.names, this.shard);
    const found = await this.transactions.stored(group, topic, [MARKED_PARTITION], isStable);
    const stored = found.get(MARKED_PARTITION);
    const where = `the offset of the group ${group} in ${topic}`;
    const mark = stored && markOf(stored.offset, stored.metadata ?? '', where);
    if (!isSameMark(mark, this.mark) && this.writer) {
      await this.drop();
      this.transactions = await this.opened();
    }
    this.mark = mark;
  }

  private async opened(): Promise<KafkaTransactions> {
    const transactions = await this.open();
    if (!this.isClosed) return transactions;
    await transactions.close();
    const { topic } = this.names;
    throw new BeamBridgeError('ABORTED', `shard ${this.shard} of ${topic}: the run is over`);
  }

  private async takeOver(): Promise<void> {
    const transactions = this.transactions!;
    await transactions.begin();
    await this.look(true);
    this.writer = new KafkaWriter(transactions);
  }

  private async send(chunk: NumberedChunk): Promise<void> {
    this.isDirty = true;
    for (const message of decodeMessages(this.names.topic, chunk.messages)) {
      await this.writer!.add(message);
    }
    this.mark = advanced(chunk, this.mark);
  }

  private async commit(): Promise<void> {
    if (!this.isDirty) return;
    await this.writer!.flush();
    const mark: GroupOffset = {
      groupId: groupOf(this.names, this.shard),
      topic: this.names.topic,
      partition: MARKED_PARTITION,
      offset: this.mark!.last,
      metadata: metadataOf(this.mark!),
    };
    await this.transactions!.commit([mark]);
    this.isDirty = false;
  }

  private missing({ number }: NumberedChunk): BeamBridgeError {
    const { transactionalId, topic } = this.names;
    return new BeamBridgeError(
      'IO_FAILED',
      `exactlyOnce as ${transactionalId} has chunk ${number} of shard ${this.shard} of ${topic}, and ${this.mark?.last ?? 0} is the last that Kafka knows to be written`,
      {
        hint: `What Kafka knows is what the group ${groupOf(this.names, this.shard)} has committed: is this the same cluster and topic, and has nothing been written for longer than offsets.retention.minutes, or the group been deleted? Then begin without a savepoint, with another transactionalId.`,
      },
    );
  }

  /** Lets go of the shard: what was sent and not committed does not count. */
  private async drop(): Promise<void> {
    const { transactions, writer } = this;
    this.transactions = undefined;
    this.writer = undefined;
    this.mark = undefined;
    this.isDirty = false;
    // Where that fails or takes longer, whoever takes the shard over ends it.
    const aborted = writer && transactions?.abort().catch(() => {});
    if (aborted) await within(this.leaveMillis, aborted);
    await transactions?.close();
  }

  /** Brokers that are away do not keep it: what was not committed comes again. */
  async close(): Promise<void> {
    let isIdle = false;
    const idle = this.busy.then(() => {
      isIdle = true;
    });
    await within(this.leaveMillis, idle);
    this.isClosed = true;
    if (!isIdle) {
      // What waits for them ends with that.
      await this.transactions?.close();
      await within(this.leaveMillis, idle);
    }
    await this.drop();
  }
}
