// SPDX-License-Identifier: Apache-2.0
// A cluster in memory, in the place of a client: topics, offsets with gaps, groups, and brokers that can be
// away.

import { setTimeout as delay } from 'node:timers/promises';
import type {
  Fetched,
  FetchFrom,
  KafkaClient,
  TopicPartition,
} from '../../../../src/io/kafka/client.ts';
import { checkReadOptions, type ReadKafkaOptions } from '../../../../src/io/kafka/read-options.ts';
import type { ReadRecord } from '../../../../src/io/kafka/records.ts';
import { ReadFromKafka } from '../../../../src/io/read-from-kafka.ts';

export interface Written {
  key?: string | null;
  value?: string | Uint8Array | null;
  timestamp?: number;
  /** Offsets in front of it that hold no record. */
  gap?: number;
}

interface Log {
  records: ReadRecord[];
  start: number;
  end: number;
  /** The first offset of an open transaction: nothing is given from there on. */
  open?: number | undefined;
}

const bytes = (text: string | Uint8Array | null | undefined) =>
  typeof text === 'string' ? new TextEncoder().encode(text) : (text ?? null);

export function networkError(): Error {
  return Object.assign(new Error('connect ECONNREFUSED'), { code: 'PLT_KFK_NETWORK' });
}

export class StandIn implements KafkaClient {
  readonly logs = new Map<string, Log[]>();
  readonly groups = new Map<string, number>();
  /** Every call so far. */
  readonly calls: string[] = [];
  isAway = false;
  /** Error codes of partitions, by `topic:partition`. */
  readonly codes = new Map<string, number>();
  /** Records in one answer. */
  most = 3;
  opened = 0;
  closed = 0;

  topic(name: string, partitions: number): this {
    const logs = this.logs.get(name) ?? [];
    while (logs.length < partitions) logs.push({ records: [], start: 0, end: 0 });
    this.logs.set(name, logs);
    return this;
  }

  write(topic: string, partition: number, ...messages: Written[]): this {
    const log = this.log({ topic, partition });
    for (const { key, value, timestamp = 0, gap = 0 } of messages) {
      const offset = log.end + gap;
      log.records.push({ offset, timestamp, key: bytes(key), value: bytes(value), headers: [] });
      log.end = offset + 1;
    }
    return this;
  }

  log({ topic, partition }: TopicPartition): Log {
    return this.logs.get(topic)![partition]!;
  }

  private heard(call: string): void {
    this.calls.push(call);
    if (this.isAway) throw networkError();
  }

  async topics() {
    this.heard('topics');
    return [...this.logs.keys()].sort();
  }

  async partitions(topics: readonly string[]) {
    this.heard('partitions');
    return new Map(topics.map((topic) => [topic, this.logs.get(topic)!.length]));
  }

  /** Of a topic that is made anew: another. */
  readonly ids = new Map<string, string>();

  topicId(topic: string) {
    return this.ids.get(topic) ?? 'first';
  }

  leader(): number {
    return 1;
  }

  async offsets(topic: string, partitions: readonly number[], at: 'earliest' | 'latest' | number) {
    this.heard(`offsets ${at}`);
    return new Map(
      partitions.map((partition) => {
        const { records, start, end } = this.log({ topic, partition });
        if (at === 'earliest') return [partition, start];
        if (at === 'latest') return [partition, end];
        return [partition, records.find(({ timestamp }) => timestamp >= at)?.offset];
      }),
    );
  }

  async committed(groupId: string, topic: string, partitions: readonly number[]) {
    this.heard('committed');
    const found = new Map<number, number>();
    for (const partition of partitions) {
      const offset = this.groups.get(`${groupId}:${topic}:${partition}`);
      if (offset !== undefined) found.set(partition, offset);
    }
    return found;
  }

  async fetch(_: number, from: readonly FetchFrom[]): Promise<Fetched[]> {
    this.heard('fetch');
    await delay(2);
    return from.map(({ topic, partition, offset }) => {
      const { records, end, open = end } = this.log({ topic, partition });
      const errorCode = this.codes.get(`${topic}:${partition}`) ?? (offset > end ? 1 : 0);
      if (errorCode !== 0) return { topic, partition, records: [], next: offset, end, errorCode };
      const found = records
        .filter((record) => record.offset >= offset && record.offset < open)
        .slice(0, this.most);
      const next = found.length === this.most ? found.at(-1)!.offset + 1 : Math.max(offset, open);
      return { topic, partition, records: found, next, end, errorCode };
    });
  }

  async commit(groupId: string, { topic, partition, offset }: FetchFrom) {
    this.heard(`commit ${offset}`);
    this.groups.set(`${groupId}:${topic}:${partition}`, offset);
  }

  async close() {
    this.closed += 1;
  }
}

/** A source that reads from a stand-in. */
export function reading<K = Uint8Array, V = Uint8Array>(
  client: StandIn,
  options: Omit<ReadKafkaOptions<K, V>, 'bootstrapServers'>,
): ReadFromKafka<K, V> {
  const spec = checkReadOptions<K, V>({ bootstrapServers: 'stand-in', ...options });
  return new ReadFromKafka(spec, async () => {
    client.opened += 1;
    return client;
  });
}
