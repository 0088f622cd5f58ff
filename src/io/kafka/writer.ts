// SPDX-License-Identifier: Apache-2.0
// Messages on their way: collected for each partition, sent in batches, one after the other so that
// their order holds, and none kept from the others' partitions by a slow one for longer than it must.

import { BeamBridgeError } from '../../base/index.ts';
import { partitionOf } from './murmur2.ts';
import type { ProducedRecord } from './package.ts';
import type { KafkaProducer } from './producer.ts';

/** A broker takes 1 MB at once, unless it is told otherwise; what is packed may grow a little. */
const BATCH_BYTES = 512 * 1024;
const BATCH_RECORDS = 10_000;
/** So many messages without a key are of one partition before the next has its turn. */
const TURN_RECORDS = 1_000;
/** So long it is believed how many partitions a topic has, as Kafka's own clients do. Milliseconds. */
const REFRESH_MS = 5 * 60_000;
/** What a record costs beside its bytes, at most. */
const RECORD_BYTES = 32;

/** A message that is to be written. */
export interface Outgoing {
  readonly topic: string;
  /** @default by the key; without one, in turns */
  readonly partition: number | undefined;
  readonly key: Uint8Array | undefined;
  readonly value: Uint8Array | undefined;
  readonly headers: Map<Buffer, Buffer | null> | undefined;
  readonly timestamp: bigint | undefined;
}

/** What is on its way to one partition. */
class Lane {
  private records: ProducedRecord[] = [];
  private bytes = 0;
  private sending: Promise<void> | undefined;

  constructor(
    private readonly producer: KafkaProducer,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** A promise where whoever writes must wait. */
  add(record: ProducedRecord, bytes: number): Promise<void> | undefined {
    if (this.records.length > 0 && this.bytes + bytes > BATCH_BYTES) {
      const pause = this.send();
      if (pause) return pause.then(() => this.add(record, bytes));
    }
    this.records.push(record);
    this.bytes += bytes;
    return this.records.length >= BATCH_RECORDS ? this.send() : undefined;
  }

  /** Sends what is there; waits for the batch before. */
  private send(): Promise<void> | undefined {
    if (this.sending) return this.sending.then(() => this.send());
    const { records } = this;
    if (records.length === 0) return undefined;
    this.records = [];
    this.bytes = 0;
    this.sending = this.store(records)
      .catch(this.failed)
      .finally(() => {
        this.sending = undefined;
      });
    return undefined;
  }

  /** In as many parts as the topic wants, one after the other: a topic may take less than brokers do. */
  private async store(records: ProducedRecord[]): Promise<void> {
    if (await this.producer.send(records)) return;
    const half = Math.ceil(records.length / 2);
    await this.store(records.slice(0, half));
    await this.store(records.slice(half));
  }

  async flush(): Promise<void> {
    await this.send();
    await this.sending;
  }

  get isEmpty(): boolean {
    return this.records.length === 0 && this.sending === undefined;
  }
}

interface Topic {
  readonly partitions: number;
  /** When its partitions were asked for. */
  readonly askedAt: number;
  readonly lanes: Map<number, Lane>;
  /** Whose turn it is to get messages without a key. */
  turn: number;
  /** How many it got. */
  given: number;
}

function nextTurn(topic: Topic): void {
  topic.turn = (topic.turn + 1) % topic.partitions;
  topic.given = 1;
}

export class KafkaWriter {
  private readonly topics = new Map<string, Topic>();
  /** Steps that share a writer ask for a topic at the same time: all of them add to what comes first. */
  private readonly asked = new Map<string, Promise<void>>();
  private error: unknown;

  constructor(
    private readonly producer: KafkaProducer,
    private readonly refreshMillis = REFRESH_MS,
  ) {}

  /** A promise where whoever writes must wait. */
  add(message: Outgoing): Promise<void> | undefined {
    this.throwIfFailed();
    const topic = this.topics.get(message.topic);
    if (topic) return this.addTo(topic, message);
    // What was found may be forgotten again by then.
    return this.ask(message.topic).then(() => this.add(message));
  }

  private ask(name: string): Promise<void> {
    const known = this.asked.get(name);
    if (known) return known;
    const askedAt = performance.now();
    const asked = this.producer
      .partitions(name)
      .then((partitions) => {
        const turn = Math.floor(Math.random() * partitions);
        const found: Topic = { partitions, askedAt, lanes: new Map(), turn, given: 0 };
        this.topics.set(name, found);
      })
      .finally(() => this.asked.delete(name));
    this.asked.set(name, asked);
    return asked;
  }

  private addTo(topic: Topic, message: Outgoing): Promise<void> | undefined {
    const { key, value, headers, timestamp } = message;
    const partition = this.choose(topic, message);
    let lane = topic.lanes.get(partition);
    if (!lane) {
      lane = new Lane(this.producer, (error) => {
        this.error ??= error;
      });
      topic.lanes.set(partition, lane);
    }
    let bytes = RECORD_BYTES + (key?.byteLength ?? 0) + (value?.byteLength ?? 0);
    for (const [name, content] of headers ?? []) {
      bytes += name.byteLength + (content?.byteLength ?? 0) + RECORD_BYTES;
    }
    const record: ProducedRecord = {
      topic: message.topic,
      partition,
      key: key && asBuffer(key),
      value: value && asBuffer(value),
      headers,
      timestamp,
    };
    return lane.add(record, bytes)?.then(() => this.throwIfFailed());
  }

  private choose(topic: Topic, { topic: name, key, partition }: Outgoing): number {
    const { partitions } = topic;
    if (partition !== undefined) {
      if (Number.isSafeInteger(partition) && partition >= 0 && partition < partitions) {
        return partition;
      }
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `a message is for partition ${partition} of ${name}, which has ${partitions}`,
      );
    }
    if (key) return partitionOf(key, partitions);
    topic.given += 1;
    if (topic.given > TURN_RECORDS) nextTurn(topic);
    return topic.turn;
  }

  /** All that was added is stored. */
  async flush(): Promise<void> {
    const lanes = [...this.topics.values()].flatMap((topic) => [...topic.lanes.values()]);
    await Promise.all(lanes.map((lane) => lane.flush()));
    this.throwIfFailed();
    const now = performance.now();
    for (const [name, topic] of this.topics) {
      nextTurn(topic);
      // Its next message asks anew; nothing is on its way now that a message of another count could overtake.
      const isEmpty = [...topic.lanes.values()].every((lane) => lane.isEmpty);
      if (isEmpty && now - topic.askedAt >= this.refreshMillis) this.topics.delete(name);
    }
  }

  private throwIfFailed(): void {
    if (this.error !== undefined) throw this.error;
  }

  close(): Promise<void> {
    return this.producer.close();
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
