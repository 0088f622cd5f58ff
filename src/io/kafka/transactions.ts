// SPDX-License-Identifier: Apache-2.0
// Transactions of one producer: messages and the offsets of groups that count together, or not at all.
//
// The package has transactions of its own, which are not used: calls of it that overlap are taken for one, so
// that partitions would be missing in a transaction; it asks with versions that are for brokers alone and that
// clusters with access lists refuse; and it goes on asking a coordinator that has moved. So each call is made
// here, in a version that all brokers from Kafka 3.1 on know, and as Java's client makes it.
// Source: org.apache.kafka.clients.producer.internals.TransactionManager

import { BeamBridgeError } from '../../base/index.ts';
import type { Cluster } from './connection.ts';
import { Connections } from './connections.ts';
import { Coordinators } from './coordinators.ts';
import { hasApiCode, isAnswer, isTooLarge, patiently } from './failures.ts';
import { byGroup, committedTopics, storedOffsets } from './group-offsets.ts';
import {
  type KafkaPackage,
  kafkaPackage,
  type ProducedRecord,
  type ProducerClient,
  type ProducerIdentity,
} from './package.ts';
import type {
  GroupOffset,
  KafkaTransactions,
  TransactionSettings,
} from './transactional-producer.ts';

/** The least number of tries that an idempotent producer of the package takes. */
const RETRIES = 2;
/** How long a broker may wait for its replicas. Milliseconds. */
const REPLICAS_MS = 20_000;
const ALL_REPLICAS = -1;
/** Messages of a partition are numbered below this, and from 0 again. */
const SEQUENCES = 2 ** 31;

/** Codes of Kafka's protocol. */
const TIMEOUT_TOO_LONG = [50];
/** The coordinator knows another producer with this id, or none: nothing was written for a week, by default. */
const FORGOTTEN = [49];
/** The transaction is not this producer's any more. */
const LOST = [45, 47, 48, 49, 59, 90, 120];

/** A group of which nobody is a member. */
const NO_GENERATION = -1;
const NO_MEMBER = '';

/** Transactions on the package. */
export async function openTransactions(
  cluster: Cluster,
  settings: TransactionSettings,
): Promise<KafkaTransactions> {
  return new PackageTransactions(await kafkaPackage(), cluster, settings);
}

/** @internal */
export class PackageTransactions implements KafkaTransactions {
  /** For what it knows of the cluster, and its connections. */
  private readonly client: ProducerClient;
  private readonly connections: Connections;
  private readonly coordinators: Coordinators;
  private identity: ProducerIdentity | undefined;
  /** By partition, the number of its next message. */
  private readonly sequences = new Map<string, number>();
  /** The partitions of the transaction that is open. */
  private readonly partitionsIn = new Map<string, Promise<void>>();
  /** The last that asks for a partition: one after the other does. */
  private adding: Promise<unknown> = Promise.resolve();
  private readonly underWay = new Set<Promise<unknown>>();
  /** Partitions with a batch that may still be stored: no broker has said what became of it. */
  private readonly unsure = new Set<string>();
  private isAborted = false;
  private hasOffsets = false;
  /** Whether the coordinator knows of the transaction that is open. */
  private isKnown = false;
  private isClosed = false;

  constructor(
    private readonly pkg: KafkaPackage,
    private readonly cluster: Cluster,
    private readonly settings: TransactionSettings,
  ) {
    this.client = new pkg.Producer({ ...cluster.options, idempotent: true, retries: RETRIES });
    this.connections = new Connections(this.client, () => this.client.close(true));
    this.coordinators = new Coordinators(pkg, this.client, cluster, (what, error) =>
      this.judged(what, error),
    );
  }

  async begin(): Promise<void> {
    const { transactionalId, timeout } = this.settings;
    const { producerId, producerEpoch } = await this.ask('cannot begin', (broker) =>
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
    const sending = this.sendBatch(records);
    this.underWay.add(sending);
    try {
      return await sending;
    } finally {
      this.underWay.delete(sending);
    }
  }

  private async sendBatch(records: ProducedRecord[]): Promise<boolean> {
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
        const broker = await this.coordinators.connection(leader);
        if (this.isAborted) throw runIsOver(what);
        // The same records again have the same numbers, by which the broker knows them.
        await this.answered(key, () =>
          this.pkg.produceV9.api.async(broker, ALL_REPLICAS, REPLICAS_MS, records, options),
        );
        return true;
      } catch (error) {
        this.client.clearMetadata();
        // Nothing was numbered: what is sent next takes these numbers.
        if (records.length > 1 && isTooLarge(error)) return false;
        throw this.isAborted ? runIsOver(what) : this.judged(what, error);
      }
    });
    if (isStored) {
      this.sequences.set(key, ((this.sequences.get(key) ?? 0) + records.length) % SEQUENCES);
    }
    return isStored;
  }

  /** Keeps in mind that a batch has gone off, until what became of it is known. */
  private async answered(key: string, work: () => Promise<unknown>): Promise<void> {
    const wasUnsure = this.unsure.has(key);
    this.unsure.add(key);
    try {
      await work();
      // A try before it, should it still come, is known for the same batch.
      this.unsure.delete(key);
    } catch (error) {
      if (!wasUnsure && isAnswer(error)) this.unsure.delete(key);
      throw error;
    }
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
      await this.ask(what, (broker) =>
        this.knownAgain(broker, () =>
          this.pkg.addPartitionsToTxnV3.api.async(broker, [
            { transactionalId, ...this.identity!, topics },
          ]),
        ),
      );
    });
    this.partitionsIn.set(key, added);
    this.adding = added.catch(() => {});
    return added;
  }

  async stored(
    groupId: string,
    topic: string,
    partitions: readonly number[],
    isStable: boolean,
  ): Promise<ReadonlyMap<number, GroupOffset>> {
    const asked = [{ groupId, topics: [{ name: topic, partitionIndexes: [...partitions] }] }];
    const { groups } = await this.askGroup(
      groupId,
      `cannot tell what ${groupId} has committed`,
      (broker) => this.pkg.offsetFetchV8.api.async(broker, asked, isStable),
    );
    return storedOffsets(groupId, topic, groups);
  }

  /**
   * What a transaction begins with. An id that its coordinator has forgotten is given to this producer again, unless
   * another has it: the coordinator compares who asks with whom it knows, and fences all but the last.
   */
  private async knownAgain<T>(broker: unknown, work: () => Promise<T>): Promise<T> {
    const known = await work().catch(async (error: unknown) => {
      if (this.isKnown || !hasApiCode(error, FORGOTTEN)) throw error;
      const { transactionalId, timeout } = this.settings;
      const { producerId, producerEpoch } = await this.pkg.initProducerIdV4.api.async(
        broker,
        transactionalId,
        timeout,
        this.identity!.producerId,
        this.identity!.producerEpoch,
      );
      this.identity = { producerId, producerEpoch };
      this.sequences.clear();
      return work();
    });
    this.isKnown = true;
    return known;
  }

  async commit(offsets: readonly GroupOffset[]): Promise<void> {
    for (const [groupId, its] of byGroup(offsets)) {
      await this.addOffsets(groupId, its);
    }
    if (this.isOpen) await this.end(true);
  }

  private async addOffsets(groupId: string, offsets: readonly GroupOffset[]): Promise<void> {
    const { transactionalId } = this.settings;
    const what = `cannot commit offsets for the group ${groupId}`;
    this.hasOffsets = true;
    await this.ask(what, (broker) =>
      this.knownAgain(broker, () => {
        const { producerId, producerEpoch } = this.identity!;
        return this.pkg.addOffsetsToTxnV3.api.async(
          broker,
          transactionalId,
          producerId,
          producerEpoch,
          groupId,
        );
      }),
    );
    const { producerId, producerEpoch } = this.identity!;
    await this.askGroup(groupId, what, (broker) =>
      this.pkg.txnOffsetCommitV3.api.async(
        broker,
        transactionalId,
        groupId,
        producerId,
        producerEpoch,
        NO_GENERATION,
        NO_MEMBER,
        null,
        committedTopics(offsets),
      ),
    );
  }

  private get isOpen(): boolean {
    return this.partitionsIn.size > 0 || this.hasOffsets;
  }

  private async end(isCommitted: boolean): Promise<void> {
    const { transactionalId } = this.settings;
    const { producerId, producerEpoch } = this.identity!;
    await this.ask(isCommitted ? 'cannot be committed' : 'cannot be aborted', (broker) =>
      this.pkg.endTxnV3.api.async(broker, transactionalId, producerId, producerEpoch, isCommitted),
    );
    this.partitionsIn.clear();
    this.hasOffsets = false;
    this.isKnown = false;
  }

  async abort(): Promise<void> {
    this.isAborted = true;
    await Promise.allSettled(this.underWay);
    if (this.unsure.size > 0 || this.isClosed) return;
    if (this.identity && this.isOpen) await this.end(false);
  }

  private ask<T>(what: string, work: (broker: unknown) => Promise<T>): Promise<T> {
    const { transactionalId } = this.settings;
    return this.coordinators.ask(this.called(what), 'transaction', transactionalId, work);
  }

  private askGroup<T>(
    groupId: string,
    what: string,
    work: (broker: unknown) => Promise<T>,
  ): Promise<T> {
    return this.coordinators.ask(this.called(what), 'group', groupId, work);
  }

  private called(what: string): string {
    return `the transaction ${this.settings.transactionalId} ${what}`;
  }

  /** What no patience mends, with what to do; anything else as it is. */
  private judged(what: string, error: unknown): unknown {
    const { transactionalId, timeout } = this.settings;
    if (this.isClosed) return runIsOver(what);
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

const runIsOver = (what: string) => new BeamBridgeError('ABORTED', `${what}: the run is over`);
