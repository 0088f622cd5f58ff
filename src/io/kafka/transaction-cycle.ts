// SPDX-License-Identifier: Apache-2.0
// Messages read, and what came of them written, in one transaction after the other: each holds what was
// written of some messages and the offsets behind them, so that a program that is killed goes on behind
// the last one that was committed, as if it had not begun the next.
//
// It is the usual way of consume, transform and produce. What makes it fit a pipeline is that bundles are
// finalized once all that came of them has gone to the end: when that is so of every message that was given,
// what was written is what came of them, no more and no less. For that the sources pause at the end of each
// transaction until the pipeline has nothing of theirs in work.

import { BeamBridgeError, within } from '../../base/index.ts';
import type { TopicPartition } from './client.ts';
import { nameOf } from './look.ts';
import type { GroupOffset, KafkaTransactions } from './transactional-producer.ts';
import { KafkaWriter } from './writer.ts';

/** So long sources give messages before they pause, from the first on. Milliseconds. */
const GIVING_MS = 500;
/** Messages of one transaction: the first has few, for nobody knows how long a message takes. */
const FIRST_LIMIT = 100;
const LEAST_LIMIT = 10;
const MOST_LIMIT = 200_000;
/** A pipeline that needs less, or more, to come to rest gets more messages at once, or fewer. Milliseconds. */
const SHORT_REST_MS = 500;
const LONG_REST_MS = 5_000;
/** How long a cluster may take to hear that the last transaction does not count. Milliseconds. */
const CLOSE_MS = 2_000;

/** What was given since the last transaction. */
interface Given {
  /** When the first message was; undefined where there was none. */
  since: number | undefined;
  messages: number;
  /** Calls that gave messages of which something is in work. */
  calls: number;
}

export class TransactionCycle {
  private opening: Promise<KafkaWriter> | undefined;
  private transactions: KafkaTransactions | undefined;
  private hasBegun = false;
  private isClosed = false;
  private readonly given: Given = { since: undefined, messages: 0, calls: 0 };
  /** What the next transaction holds, by group and partition. */
  private readonly offsets = new Map<string, GroupOffset>();
  private limit = FIRST_LIMIT;
  /** When the sources began to pause. */
  private pausedAt: number | undefined;
  private committing: Promise<void> | undefined;
  private failure: { error: unknown } | undefined;

  constructor(
    private readonly open: () => Promise<KafkaTransactions>,
    private readonly givingMillis = GIVING_MS,
  ) {}

  /**
   * Resolves when nobody else can commit with its id: what a group has committed by then is where this run
   * begins.
   */
  opened(): Promise<KafkaWriter> {
    this.opening ??= this.begin();
    return this.opening;
  }

  private async begin(): Promise<KafkaWriter> {
    const transactions = await this.open();
    if (this.isClosed) {
      await transactions.close();
      throw runIsOver();
    }
    this.transactions = transactions;
    await transactions.begin();
    this.hasBegun = true;
    return new KafkaWriter(transactions);
  }

  /**
   * Whether a source is to give nothing now. It is asked before each message, and while there is none.
   *
   * @throws BeamBridgeError why a transaction could not be committed
   */
  pauses(): boolean {
    if (this.failure) throw this.failure.error;
    if (this.committing) return true;
    if (!this.isDue) return false;
    this.pausedAt ??= performance.now();
    if (this.given.calls === 0) this.commit();
    return true;
  }

  private get isDue(): boolean {
    const { since, messages } = this.given;
    if (since === undefined) return false;
    return messages >= this.limit || performance.now() - since >= this.givingMillis;
  }

  /** A call of a source begins to give messages: {@link settled} is called for it. */
  begins(): void {
    this.given.calls += 1;
    this.given.since ??= performance.now();
  }

  /** A message is given. */
  gives(): void {
    this.given.messages += 1;
  }

  /** All that came of the messages of a call has gone to the end. */
  async settled(groupId: string, at: TopicPartition, offset: number): Promise<void> {
    this.given.calls -= 1;
    const name = `${groupId}:${nameOf(at)}`;
    const before = this.offsets.get(name)?.offset ?? 0;
    if (offset > before) {
      const { topic, partition } = at;
      this.offsets.set(name, { groupId, topic, partition, offset });
    }
    if (this.given.calls > 0 || !this.isDue) return;
    this.commit();
    await this.committing;
  }

  /** What was written and what was read count together. */
  private commit(): void {
    if (this.committing || this.failure) return;
    const restedAfter = performance.now() - (this.pausedAt ?? performance.now());
    if (restedAfter < SHORT_REST_MS && this.given.messages >= this.limit) {
      this.limit = Math.min(MOST_LIMIT, this.limit * 2);
    } else if (restedAfter > LONG_REST_MS) {
      this.limit = Math.max(LEAST_LIMIT, Math.floor(this.limit / 2));
    }
    const offsets = [...this.offsets.values()];
    this.offsets.clear();
    this.given.since = undefined;
    this.given.messages = 0;
    this.pausedAt = undefined;
    this.committing = this.store(offsets)
      .catch((error: unknown) => {
        this.failure = { error };
      })
      .finally(() => {
        this.committing = undefined;
      });
  }

  private async store(offsets: readonly GroupOffset[]): Promise<void> {
    const writer = await this.opened();
    await writer.flush();
    await this.transactions!.commit(offsets);
  }

  /**
   * Commits what is left, once a run has come to its end.
   *
   * @throws BeamBridgeError why it could not be committed: the run has failed then
   */
  async finish(): Promise<void> {
    await this.committing;
    if (!this.failure && this.given.calls > 0) {
      throw new BeamBridgeError('INTERNAL', 'a run has ended with messages in work');
    }
    if (this.given.since !== undefined) this.commit();
    await this.committing;
    if (this.failure) throw this.failure.error;
  }

  /** Lets go of the cluster; what was not committed does not count. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.failure ??= { error: runIsOver() };
    if (this.hasBegun) await within(CLOSE_MS, this.abort());
    await this.transactions?.close();
  }

  private async abort(): Promise<void> {
    await this.committing;
    // Where that fails, brokers end it: when its time is over, or another run begins.
    await this.transactions?.abort().catch(() => {});
  }
}

const runIsOver = () => new BeamBridgeError('ABORTED', 'the run is over');
