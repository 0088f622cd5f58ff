// SPDX-License-Identifier: Apache-2.0
// Transactions of one producer: messages and the offsets of groups that count together, or not at all.
//
// The package has transactions of its own, which are not used: calls of it that overlap are taken for one, so
// that partitions would be missing in a transaction; it asks with versions that are for brokers alone and that
// clusters with access lists refuse; and it goes on asking a coordinator that has moved. So each call is made
// here, in a version that all brokers from Kafka 3.1 on know, and as Java's client makes it.
// Source: org.apache.kafka.clients.producer.internals.TransactionManager

import { BeamBridgeError, nap } from '../../base/index.ts';
import type { TopicPartition } from './client.ts';
import type { Cluster } from './connection.ts';
import { Connections } from './connections.ts';
import { hasApiCode, isTooLarge, patiently } from './failures.ts';
import {
  type KafkaPackage,
  kafkaPackage,
  type ProducedRecord,
  type ProducerClient,
  type ProducerIdentity,
} from './package.ts';
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
}

/** A producer whose messages count when {@link commit} has succeeded. */
export interface KafkaTransactions extends KafkaProducer {
  /** Takes over: who had the id before can write no more, and what he left open is aborted when this resolves. */
  begin(): Promise<void>;
  /** All that was sent since the last time counts from now on, and these offsets. */
  commit(offsets: readonly GroupOffset[]): Promise<void>;
  /** Nothing that was sent since the last time counts. */
  abort(): Promise<void>;
}

/** The least number of tries that an idempotent producer of the package takes. */
const RETRIES = 2;
/** How long a broker may wait for its replicas. Milliseconds. */
const REPLICAS_MS = 20_000;
const ALL_REPLICAS = -1;
/** Messages of a partition are numbered below this, and from 0 again. */
const SEQUENCES = 2 ** 31;
/** How often it is asked whether the end of the transaction before has reached all partitions. Milliseconds. */
const CONCURRENT_PAUSE_MS = 10;
const CONCURRENT_MS = 10_000;

/** Kinds of coordinators. */
const GROUP = 0;
const TRANSACTION = 1;
type Kind = typeof GROUP | typeof TRANSACTION;

/** Codes of Kafka's protocol. */
const CONCURRENT = [51];
const TIMEOUT_TOO_LONG = [50];
/** The transaction is not this producer's any more. */
const LOST = [45, 47, 48, 49, 59, 90, 120];

/** A group of which nobody is a member. */
const NO_GENERATION = -1;
const NO_MEMBER = '';
const UNKNOWN_LEADER_EPOCH = -1;

/** Transactions on the package. */
export async function openTransactions(
  cluster: Cluster,
  settings: TransactionSettings,
): Promise<KafkaTransactions> {
  return new PackageTransactions(await kafkaPackage(), cluster, settings);
}

class PackageTransactions implements KafkaTransactions {
  /** For what it knows of the cluster, and its connections. */
  private readonly client: ProducerClient;
  private readonly connections: Connections;
  private readonly coordinators = new Map<string, number>();
  private identity: ProducerIdentity | undefined;
  /** By partition, the number of its next message. */
  private readonly sequences = new Map<string, number>();
  /** The partitions of the transaction that is open. */
  private readonly partitionsIn = new Map<string, Promise<void>>();
  /** The last that asks for a partition: one after the other does. */
  private adding: Promise<unknown> = Promise.resolve();
  private hasOffsets = false;
  private isClosed = false;

  constructor(
    private readonly pkg: KafkaPackage,
    private readonly cluster: Cluster,
    private readonly settings: TransactionSettings,
  ) {
    this.client = new pkg.Producer({ ...cluster.options, idempotent: true, retries: RETRIES });
    this.connections = new Connections(this.client, () => this.client.close(true));
  }

  async begin(): Promise<void> {
    const { transactionalId, timeout } = this.settings;
    const { producerId, producerEpoch } = await this.ask('cannot begin', TRANSACTION, (broker) =>
      this.pkg.initProducerIdV4.api.async(broker, transactionalId, timeout, -1n, -1),
    );
    this.identity = { producerId, producerEpoch };
  }

  async partitions(topic: string): Promise<number> {
    const what = `topic ${topic} cannot be written`;
    const { topics } = await patiently(what, this.cluster, () =>
      this.client.metadata({ topics: [topic], forceUpdate: true }),
    );
    return topics.get(topic)?.partitions.length ?? 0;
  }

  async send(records: ProducedRecord[]): Promise<boolean> {
    const { topic, partition } = records[0]!;
    await this.add(topic, partition);
    const key = `${topic}:${partition}`;
    const { transactionalId, compression } = this.settings;
    const sequences = { getWithDefault: () => this.sequences.get(key) ?? 0 };
    const options = { ...this.identity!, transactionalId, compression, sequences };
    const what = `messages cannot be written to partition ${partition} of ${topic}`;
    const isStored = await patiently(what, this.cluster, async () => {
      try {
        const { topics } = await this.client.metadata({ topics: [topic] });
        const leader = topics.get(topic)?.partitions[partition]?.leader ?? -1;
        const broker = await this.connection(leader);
        // The same records again have the same numbers, by which the broker knows them.
        await this.pkg.produceV9.api.async(broker, ALL_REPLICAS, REPLICAS_MS, records, options);
        return true;
      } catch (error) {
        this.client.clearMetadata();
        // Nothing was numbered: what is sent next takes these numbers.
        if (records.length > 1 && isTooLarge(error)) return false;
        throw this.judged(what, error);
      }
    });
    if (isStored) {
      this.sequences.set(key, ((this.sequences.get(key) ?? 0) + records.length) % SEQUENCES);
    }
    return isStored;
  }

  /** Makes a partition one of the transaction's. */
  private add(topic: string, partition: number): Promise<void> {
    const key = `${topic}:${partition}`;
    const known = this.partitionsIn.get(key);
    if (known) return known;
    const topics = [{ name: topic, partitions: [partition] }];
    const { transactionalId } = this.settings;
    const what = `cannot write to partition ${partition} of ${topic}`;
    const added = this.adding.then(async () => {
      await this.ask(what, TRANSACTION, (broker) =>
        this.pkg.addPartitionsToTxnV3.api.async(broker, [
          { transactionalId, ...this.identity!, topics },
        ]),
      );
    });
    this.partitionsIn.set(key, added);
    this.adding = added.catch(() => {});
    return added;
  }

  async commit(offsets: readonly GroupOffset[]): Promise<void> {
    for (const [groupId, its] of groupedBy(offsets, (one) => one.groupId)) {
      await this.addOffsets(groupId, its);
    }
    if (this.isOpen) await this.end(true);
  }

  private async addOffsets(groupId: string, offsets: readonly GroupOffset[]): Promise<void> {
    const { transactionalId } = this.settings;
    const { producerId, producerEpoch } = this.identity!;
    const what = `cannot commit offsets for the group ${groupId}`;
    this.hasOffsets = true;
    await this.ask(what, TRANSACTION, (broker) =>
      this.pkg.addOffsetsToTxnV3.api.async(
        broker,
        transactionalId,
        producerId,
        producerEpoch,
        groupId,
      ),
    );
    const topics = [...groupedBy(offsets, ({ topic }) => topic)].map(([name, its]) => ({
      name,
      partitions: its.map(({ partition, offset }) => ({
        partitionIndex: partition,
        committedOffset: BigInt(offset),
        committedLeaderEpoch: UNKNOWN_LEADER_EPOCH,
      })),
    }));
    await this.ask(
      what,
      GROUP,
      (broker) =>
        this.pkg.txnOffsetCommitV3.api.async(
          broker,
          transactionalId,
          groupId,
          producerId,
          producerEpoch,
          NO_GENERATION,
          NO_MEMBER,
          null,
          topics,
        ),
      groupId,
    );
  }

  private get isOpen(): boolean {
    return this.partitionsIn.size > 0 || this.hasOffsets;
  }

  private async end(isCommitted: boolean): Promise<void> {
    const { transactionalId } = this.settings;
    const { producerId, producerEpoch } = this.identity!;
    await this.ask(
      isCommitted ? 'cannot be committed' : 'cannot be aborted',
      TRANSACTION,
      (broker) =>
        this.pkg.endTxnV3.api.async(
          broker,
          transactionalId,
          producerId,
          producerEpoch,
          isCommitted,
        ),
    );
    this.partitionsIn.clear();
    this.hasOffsets = false;
  }

  async abort(): Promise<void> {
    if (this.identity && this.isOpen) await this.end(false);
  }

  /**
   * Asks a coordinator until it answers, for as long as a cluster may be away.
   *
   * @param key - of a group; otherwise the transaction's
   */
  private ask<T>(
    what: string,
    kind: Kind,
    work: (broker: unknown) => Promise<T>,
    key = this.settings.transactionalId,
  ): Promise<T> {
    const whole = `the transaction ${this.settings.transactionalId} ${what}`;
    return patiently(whole, this.cluster, async () => {
      try {
        const node = await this.coordinator(kind, key);
        const broker = await this.connection(node);
        return await whenBeforeHasEnded(() => work(broker));
      } catch (error) {
        this.coordinators.delete(`${kind}:${key}`);
        this.client.clearMetadata();
        throw this.judged(whole, error);
      }
    });
  }

  private async coordinator(kind: Kind, key: string): Promise<number> {
    const name = `${kind}:${key}`;
    const known = this.coordinators.get(name);
    if (known !== undefined) return known;
    const { brokers } = await this.client.metadata({ topics: [] });
    let failure: unknown = new Error('the cluster names no broker');
    for (const node of brokers.keys()) {
      try {
        const broker = await this.connection(node);
        const { coordinators } = await this.pkg.findCoordinatorV4.api.async(broker, kind, [key]);
        const found = coordinators[0]!.nodeId;
        this.coordinators.set(name, found);
        return found;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  private async connection(node: number): Promise<unknown> {
    const broker = (await this.client.connectToBrokers([node])).get(node);
    if (broker !== undefined) return broker;
    throw Object.assign(new Error(`broker ${node} is not there`), { code: 'PLT_KFK_NETWORK' });
  }

  /** What no patience mends, with what to do; anything else as it is. */
  private judged(what: string, error: unknown): unknown {
    const { transactionalId, timeout } = this.settings;
    if (this.isClosed) return new BeamBridgeError('ABORTED', `${what}: the run is over`);
    if (hasApiCode(error, LOST)) {
      return new BeamBridgeError('IO_FAILED', `${what}: it is not this run's any more`, {
        hint: `Another run with the transactionalId ${transactionalId} has taken over, or a transaction took longer than ${timeout} ms. Run it again: it goes on where the last transaction ended; give a longer exactlyOnce.timeout if it was that.`,
        cause: error,
      });
    }
    if (hasApiCode(error, TIMEOUT_TOO_LONG)) {
      return new BeamBridgeError('INVALID_ARGUMENT', `${what}: brokers allow no ${timeout} ms`, {
        hint: "exactlyOnce.timeout may be as long as the brokers' transaction.max.timeout.ms.",
      });
    }
    return error;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.connections.close();
  }
}

/** The end of the transaction before may not have reached all its partitions yet. */
async function whenBeforeHasEnded<T>(work: () => Promise<T>): Promise<T> {
  const until = performance.now() + CONCURRENT_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!hasApiCode(error, CONCURRENT) || performance.now() > until) throw error;
      await nap(CONCURRENT_PAUSE_MS);
    }
  }
}

function groupedBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}
