// SPDX-License-Identifier: Apache-2.0
// What reading asks of a cluster. No consumer group is joined: a partition is read where its
// restriction is processed, and the runner decides where that is. Each call is tried once.

import { BeamBridgeError } from '../../base/index.ts';
import type { Cluster } from './connection.ts';
import { Connections } from './connections.ts';
import {
  type AdminClient,
  type ConsumerClient,
  type FetchApi,
  type FetchedPartition,
  type FetchTopic,
  type KafkaPackage,
  kafkaPackage,
} from './package.ts';
import { type ReadRecord, recordsOf } from './records.ts';

/** One partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** One partition of one topic, of which there may have been others of that name. */
export interface PartitionOf extends TopicPartition {
  /** Undefined where it was found by a version that did not ask. */
  readonly topicId?: string | undefined;
}

/** From where a partition is read. */
export interface FetchFrom extends PartitionOf {
  readonly offset: number;
}

/** What came of a partition. */
export interface Fetched extends TopicPartition {
  readonly records: readonly ReadRecord[];
  /** Where to go on: behind all that was looked at, control records and gaps included. */
  readonly next: number;
  /**
   * Behind the last record that there is, which may be more than may be read now: messages wait behind the
   * first of an open transaction, so that what lies in front of it is not all of the partition.
   */
  readonly end: number;
  /** Code of Kafka's protocol; 0 for none. */
  readonly errorCode: number;
}

/** What reading asks of a cluster. */
export interface KafkaClient {
  /** All topics but Kafka's own. */
  topics(): Promise<readonly string[]>;
  /** How many partitions topics have. */
  partitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** The id of a topic, by what was last heard: one that is deleted and made anew has another. */
  topicId(topic: string): string | undefined;
  /** Which broker has a partition, by what was last heard; undefined where nothing was. */
  leader(at: TopicPartition): number | undefined;
  /**
   * Offsets of partitions of one topic by their number: the first, the one behind the last, or the first
   * whose message is of a time (milliseconds) or later, undefined where there is none.
   */
  offsets(
    topic: string,
    partitions: readonly number[],
    at: 'earliest' | 'latest' | number,
  ): Promise<ReadonlyMap<number, number | undefined>>;
  /**
   * What a group has committed of a topic's partitions, by their number. It fails while a transaction that
   * commits some is under way.
   */
  committed(
    groupId: string,
    topic: string,
    partitions: readonly number[],
  ): Promise<ReadonlyMap<number, number>>;
  /** What a broker has from these offsets on; it answers when there is something, or after a while. */
  fetch(node: number, from: readonly FetchFrom[]): Promise<readonly Fetched[]>;
  commit(groupId: string, at: FetchFrom): Promise<void>;
  close(): Promise<void>;
}

export interface ReadSettings {
  readonly isolation: 'read_committed' | 'read_uncommitted';
}

/** How long a broker waits for something to answer. Milliseconds. */
const WAIT_MS = 250;
const MOST_BYTES = 16 * 1024 * 1024;
const MOST_BYTES_OF_PARTITION = 1024 * 1024;
/** Versions of the protocol in which topics go by their ids. */
const FETCH_VERSIONS = [17, 16, 15, 14, 13] as const;

/** A client on the package. */
export async function openClient(cluster: Cluster, settings: ReadSettings): Promise<KafkaClient> {
  return new PackageClient(await kafkaPackage(), cluster, settings);
}

class PackageClient implements KafkaClient {
  private readonly admin: AdminClient;
  /** A connection of its own: a broker answers one request of a connection after the other. */
  private readonly consumer: ConsumerClient;
  private readonly connections: readonly Connections[];
  private readonly isolationLevel: number;
  private api: FetchApi | undefined;
  private known = new Map<string, { id: string; leaders: readonly number[] }>();

  constructor(
    private readonly pkg: KafkaPackage,
    { options }: Cluster,
    { isolation }: ReadSettings,
  ) {
    this.isolationLevel = isolation === 'read_committed' ? 1 : 0;
    this.admin = new pkg.Admin({ ...options });
    this.consumer = new pkg.Consumer({
      ...options,
      groupId: 'beambridge',
      isolationLevel: this.isolationLevel,
    });
    this.connections = [
      new Connections(this.admin, () => this.admin.close()),
      new Connections(this.consumer, () => this.consumer.close(true)),
    ];
  }

  topics(): Promise<readonly string[]> {
    return this.admin.listTopics();
  }

  async partitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const found = await this.consumer.metadata({ topics: [...topics], forceUpdate: true });
    const counts = new Map<string, number>();
    for (const [topic, metadata] of found.topics) {
      if (!metadata) continue;
      const leaders = Array.from(metadata.partitions, (one) => one?.leader ?? -1);
      this.known.set(topic, { id: metadata.id, leaders });
      counts.set(topic, leaders.length);
    }
    return counts;
  }

  topicId(topic: string): string | undefined {
    return this.known.get(topic)?.id;
  }

  leader({ topic, partition }: TopicPartition): number | undefined {
    const leader = this.known.get(topic)?.leaders[partition];
    return leader === -1 ? undefined : leader;
  }

  async offsets(topic: string, partitions: readonly number[], at: 'earliest' | 'latest' | number) {
    const timestamp = at === 'earliest' ? -2n : at === 'latest' ? -1n : BigInt(at);
    const found = await this.consumer.listOffsets({
      topics: [topic],
      partitions: { [topic]: [...partitions] },
      timestamp,
    });
    const all = found.get(topic);
    return new Map(
      partitions.map((partition) => {
        const offset = all?.[partition];
        return [partition, offset === undefined || offset < 0n ? undefined : Number(offset)];
      }),
    );
  }

  async committed(groupId: string, topic: string, partitions: readonly number[]) {
    const groups = await this.admin.listConsumerGroupOffsets({
      groups: [{ groupId, topics: [{ name: topic, partitionIndexes: [...partitions] }] }],
      requireStable: true,
    });
    const offsets = new Map<number, number>();
    for (const { name, partitions: found } of groups.flatMap(({ topics }) => topics)) {
      if (name !== topic) continue;
      for (const { partitionIndex, committedOffset } of found) {
        if (committedOffset >= 0n) offsets.set(partitionIndex, Number(committedOffset));
      }
    }
    return offsets;
  }

  async fetch(node: number, from: readonly FetchFrom[]): Promise<readonly Fetched[]> {
    this.api ??= await this.newestFetch();
    const { api } = this;
    const connection = (await this.consumer.connectToBrokers([node])).get(node);
    if (connection === undefined) {
      // The cluster has another broker by now: whoever asked looks for the leader again.
      return from.map((one) => failedFetch(one, NOT_LEADER));
    }
    const topics = new Map<string, FetchTopic>();
    const names = new Map<string, string>();
    for (const { topic, partition, offset, topicId: asOfStart } of from) {
      // An offset is one of that topic, and not of another that has its name by now.
      const topicId = asOfStart ?? this.known.get(topic)?.id ?? '';
      names.set(topicId, topic);
      const asked = topics.get(topicId) ?? { topicId, partitions: [] };
      topics.set(topicId, asked);
      asked.partitions.push({
        partition,
        currentLeaderEpoch: -1,
        fetchOffset: BigInt(offset),
        lastFetchedEpoch: -1,
        partitionMaxBytes: MOST_BYTES_OF_PARTITION,
      });
    }
    const { responses } = await fetchAll(() =>
      api.async(
        connection,
        WAIT_MS,
        1,
        MOST_BYTES,
        this.isolationLevel,
        0,
        0,
        [...topics.values()],
        [],
        '',
      ),
    );
    const offsets = new Map(from.map((one) => [`${one.topic}:${one.partition}`, one.offset]));
    return responses.flatMap(({ topicId, partitions }) => {
      const topic = names.get(topicId);
      if (topic === undefined) return [];
      return partitions.map((found) => {
        const at = { topic, partition: found.partitionIndex };
        const offset = offsets.get(`${topic}:${at.partition}`) ?? 0;
        if (found.errorCode !== 0) return failedFetch({ ...at, offset }, found.errorCode);
        return fetchedOf(at, offset, found, this.isolationLevel === 1);
      });
    });
  }

  private async newestFetch(): Promise<FetchApi> {
    const broker = (await this.consumer.listApis()).find(({ name }) => name === 'Fetch');
    const version = FETCH_VERSIONS.find(
      (one) => broker && one <= broker.maxVersion && one >= broker.minVersion,
    );
    if (version !== undefined) return this.pkg[`fetchV${version}`].api;
    throw new BeamBridgeError('UNSUPPORTED', 'these brokers are too old to be read from', {
      hint: 'Kafka 3.1 or later is needed.',
    });
  }

  commit(groupId: string, { topic, partition, offset }: FetchFrom): Promise<void> {
    return this.admin.alterConsumerGroupOffsets({
      groupId,
      topics: [{ name: topic, partitionOffsets: [{ partition, offset: BigInt(offset) }] }],
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.connections.map((each) => each.close()));
  }
}

const NOT_LEADER = 6;

/** What a broker has answered without an error. */
export function fetchedOf(
  at: TopicPartition,
  offset: number,
  found: FetchedPartition,
  committedOnly: boolean,
): Fetched {
  const end = Number(found.highWatermark);
  return { ...at, ...recordsOf(at, offset, found, committedOnly), end, errorCode: 0 };
}

function failedFetch({ topic, partition, offset }: FetchFrom, errorCode: number): Fetched {
  return { topic, partition, records: [], next: offset, end: offset, errorCode };
}

/** An answer in which some partitions failed is thrown as an error that holds it. */
async function fetchAll<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const { response } = error as { response?: T & { errorCode?: number } };
    if (response && (response.errorCode ?? 0) === 0) return response;
    throw error;
  }
}
