// SPDX-License-Identifier: Apache-2.0
// A producer of transactions, as the rest of this folder knows it: what is sent and how far groups are count together, or not
// at all. Tests have their own; transactions.ts is that of brokers.

import type { TopicPartition } from './client.ts';
import type { KafkaCompression, KafkaProducer } from './producer.ts';

export interface TransactionSettings {
  readonly transactionalId: string;
  /** How long brokers keep one open of which they hear nothing. Milliseconds. */
  readonly timeout: number;
  readonly compression: KafkaCompression;
}

/** Where a group goes on in a partition. */
export interface GroupOffset extends TopicPartition {
  readonly groupId: string;
  readonly offset: number;
  /** What is kept beside it. */
  readonly metadata?: string;
}

/** A producer whose messages count when {@link commit} has succeeded. */
export interface KafkaTransactions extends KafkaProducer {
  /** Takes over: who had the id before can write no more, and what he left open is aborted when this resolves. */
  begin(): Promise<void>;
  /**
   * What a group has committed of a topic, by partition, none where it has nothing.
   *
   * @param isStable - whether it waits for transactions under way, that of somebody who is gone among them
   */
  stored(
    groupId: string,
    topic: string,
    partitions: readonly number[],
    isStable: boolean,
  ): Promise<ReadonlyMap<number, GroupOffset>>;
  /** All that was sent since the last time counts from now on, and these offsets. */
  commit(offsets: readonly GroupOffset[]): Promise<void>;
  /**
   * Nothing that was sent since the last time counts, and nothing can be sent any more. What is under way is waited for:
   * what comes to a broker behind the end of its transaction is part of the next one there. Where brokers do not say what
   * became of it, or this is closed meanwhile, the transaction stays open for {@link begin}, which fences what is late.
   */
  abort(): Promise<void>;
}

/** @param patienceMillis - how long the cluster may be away, where that is not as everywhere */
export type OpenTransactions = (
  transactionalId: string,
  patienceMillis?: number,
) => Promise<KafkaTransactions>;
