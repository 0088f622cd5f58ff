// SPDX-License-Identifier: Apache-2.0
// Reading ahead: what was fetched of each partition and not taken yet. One question at a time goes to
// each broker, for all of its partitions that have room; a partition that nobody asks for any more is
// forgotten.

import { BeamBridgeError, Condition, nap } from '../../base/index.ts';
import { PartitionAhead } from './ahead.ts';
import type { Fetched, KafkaClient, PartitionOf, TopicPartition } from './client.ts';
import type { Cluster } from './connection.ts';

/** For so long nobody asked: the runner has given the partition to somebody else. Milliseconds. */
const FORGET_MS = 30_000;
/** For so long a partition is read ahead after it was asked for. Milliseconds. */
const AHEAD_MS = 5_000;

/** Codes of Kafka's protocol. */
const OFFSET_OUT_OF_RANGE = 1;
/** The partition has moved, or nobody leads it now, or the broker does not know the topic yet. */
const MOVED = new Set([3, 5, 6, 9, 72, 74, 75, 76, 78, 100, 103]);

const keyOf = ({ topic, partition }: TopicPartition) => `${topic}:${partition}`;

export interface FetchingParts {
  readonly client: KafkaClient;
  readonly cluster: Cluster;
  /** How long brokers may be away, in milliseconds. @default a minute */
  readonly patienceMillis?: number | undefined;
}

export class Fetching {
  private readonly partitions = new Map<string, PartitionAhead>();
  /** Brokers that are being asked; -1 for partitions whose broker is being looked for. */
  private readonly asking = new Set<number>();
  private readonly changed = new Condition();
  private readonly ended = new AbortController();

  constructor(private readonly parts: FetchingParts) {}

  /** What is there of a partition from an offset on; from now on it is read ahead. */
  at(partition: PartitionOf, offset: number): PartitionAhead {
    const key = keyOf(partition);
    let ahead = this.partitions.get(key);
    if (!ahead?.reaches(offset)) {
      ahead = new PartitionAhead(partition, offset, this.parts.patienceMillis);
      this.partitions.set(key, ahead);
    }
    for (let record = ahead.peek(); record && record.offset < offset; record = ahead.peek()) {
      ahead.take();
    }
    ahead.askedAt = performance.now();
    this.ask();
    if (ahead.error !== undefined) {
      // Another try begins anew.
      this.partitions.delete(key);
      throw ahead.error;
    }
    return ahead;
  }

  /** Waits until a partition has something, for some time at most. */
  async wait(millis: number, signal: AbortSignal): Promise<void> {
    const until = performance.now() + millis;
    const wake = () => this.changed.notify();
    signal.addEventListener('abort', wake, { once: true });
    try {
      while (!signal.aborted && !this.ended.signal.aborted) {
        const left = until - performance.now();
        const isThere = [...this.partitions.values()].some(
          (one) => !one.isEmpty || one.error !== undefined,
        );
        if (isThere || left <= 0) return;
        await this.changed.wait(left);
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  /** Asks each broker that is not being asked and has partitions that want something. */
  private ask(): void {
    const nodes = new Set([...this.partitions.values()].map((one) => this.nodeOf(one)));
    for (const node of nodes) {
      if (this.asking.has(node)) continue;
      this.asking.add(node);
      void this.askOn(node)
        .catch((error) => {
          for (const one of this.partitions.values()) {
            if (this.nodeOf(one) === node) one.error ??= error;
          }
          this.changed.notify();
        })
        .finally(() => this.asking.delete(node));
    }
  }

  private nodeOf({ at }: PartitionAhead): number {
    return this.parts.client.leader(at) ?? -1;
  }

  private async askOn(node: number): Promise<void> {
    while (!this.ended.signal.aborted) {
      this.forget();
      const wanting = this.stillThere(this.wanting(node));
      if (wanting.length === 0) return;
      await (node === -1 ? this.lookFor(wanting) : this.askFor(node, wanting));
      this.changed.notify();
    }
  }

  /** In turns, since a broker fills its answer in the order of the question. */
  private wanting(node: number): PartitionAhead[] {
    const now = performance.now();
    const wanting = [...this.partitions.values()].filter(
      (one) =>
        one.error === undefined &&
        one.hasRoom &&
        now - one.askedAt < AHEAD_MS &&
        this.nodeOf(one) === node,
    );
    for (const one of wanting) {
      this.partitions.delete(keyOf(one.at));
      this.partitions.set(keyOf(one.at), one);
    }
    return wanting.reverse();
  }

  /** Without those whose topic is another by now: an offset of the old one says nothing of the new. */
  private stillThere(wanting: readonly PartitionAhead[]): PartitionAhead[] {
    return wanting.filter((one) => {
      const now = this.parts.client.topicId(one.at.topic);
      if (one.at.topicId === undefined || now === undefined || now === one.at.topicId) return true;
      one.error = madeAnew(one);
      this.changed.notify();
      return false;
    });
  }

  private forget(): void {
    const now = performance.now();
    for (const [key, one] of this.partitions) {
      if (now - one.askedAt > FORGET_MS) this.partitions.delete(key);
    }
  }

  private async lookFor(wanting: readonly PartitionAhead[]): Promise<void> {
    const topics = new Set(wanting.map(({ at }) => at.topic));
    try {
      await this.parts.client.partitions([...topics]);
      if (wanting.every((one) => this.nodeOf(one) !== -1)) return this.ask();
    } catch (error) {
      await this.failedAll(wanting, error);
      return;
    }
    await this.failedAll(wanting, leaderless());
  }

  private async askFor(node: number, wanting: readonly PartitionAhead[]): Promise<void> {
    const { client } = this.parts;
    const askedAt = Date.now();
    let answers: readonly Fetched[];
    try {
      answers = await client.fetch(
        node,
        wanting.map(({ at, next }) => ({ ...at, offset: next })),
      );
    } catch (error) {
      await this.failedAll(wanting, error);
      await this.refresh(wanting);
      return;
    }
    const moved: PartitionAhead[] = [];
    for (const answer of answers) {
      const ahead = wanting.find(
        ({ at }) => at.topic === answer.topic && at.partition === answer.partition,
      );
      if (!ahead) continue;
      if (answer.errorCode === 0) {
        ahead.add(answer, askedAt);
        ahead.patience.succeeded();
      } else if (answer.errorCode === OFFSET_OUT_OF_RANGE) {
        ahead.error = outOfRange(ahead);
      } else {
        if (!MOVED.has(answer.errorCode)) ahead.error = refused(ahead, answer.errorCode);
        moved.push(ahead);
      }
    }
    if (moved.length === 0) return;
    await this.failedAll(moved, leaderless());
    await this.refresh(moved);
  }

  /** Waits as patience has it; whose patience is over, or whose failure is final, has an error. */
  private async failedAll(all: readonly PartitionAhead[], error: unknown): Promise<void> {
    let pause = 0;
    for (const ahead of all) {
      if (ahead.error !== undefined) continue;
      const { topic, partition } = ahead.at;
      try {
        const what = `partition ${partition} of ${topic} cannot be read`;
        pause = Math.max(pause, ahead.patience.failed(what, error, this.parts.cluster));
      } catch (final) {
        ahead.error = final;
      }
    }
    this.changed.notify();
    if (pause > 0) await nap(pause, this.ended.signal);
  }

  /** Who leads these partitions now? Where nobody answers, the next question fails as well. */
  private async refresh(all: readonly PartitionAhead[]): Promise<void> {
    await this.parts.client.partitions([...new Set(all.map(({ at }) => at.topic))]).catch(() => {});
    this.ask();
  }

  close(): void {
    this.ended.abort();
    this.changed.notify();
  }
}

function leaderless(): Error {
  return Object.assign(new Error('no broker leads it now'), { code: 'PLT_KFK_NETWORK' });
}

function outOfRange({ at: { topic, partition }, next }: PartitionAhead): BeamBridgeError {
  return new BeamBridgeError(
    'IO_FAILED',
    `offset ${next} of partition ${partition} of ${topic} is not there any more, or not yet`,
    {
      hint: 'Messages were deleted before they were read (see retention.ms of the topic), or the topic was made anew. Begin where the messages are: start.',
    },
  );
}

function madeAnew({ at: { topic, partition }, next }: PartitionAhead): BeamBridgeError {
  return new BeamBridgeError(
    'IO_FAILED',
    `topic ${topic} was deleted and made anew while partition ${partition} was read, up to offset ${next}`,
    {
      hint: 'Run the pipeline again to read the new topic. What was not read of the old one is gone.',
    },
  );
}

function refused({ at: { topic, partition } }: PartitionAhead, code: number): BeamBridgeError {
  const isAuthorization = code === 29 || code === 30;
  return new BeamBridgeError(
    isAuthorization ? 'CREDENTIALS_REFUSED' : 'ENDPOINT_REFUSED',
    `partition ${partition} of ${topic} cannot be read: the broker answered error ${code} of Kafka's protocol`,
    isAuthorization ? { hint: 'This user may not read the topic.' } : {},
  );
}
