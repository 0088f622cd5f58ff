// SPDX-License-Identifier: Apache-2.0
// The end of a transaction while batches of it are under way, on brokers in memory that take what is late as those before
// Kafka 3.6 do: a batch behind the end of its transaction is part of the next one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../../../../src/io/kafka/connection.ts';
import type {
  KafkaPackage,
  ProducedRecord,
  ProducerIdentity,
} from '../../../../src/io/kafka/package.ts';
import { encodeMessages } from '../../../../src/io/kafka/shards/chunks.ts';
import { ShardWriter } from '../../../../src/io/kafka/shards/shard-writer.ts';
import { TransactionCycle } from '../../../../src/io/kafka/transaction-cycle.ts';
import { PackageTransactions } from '../../../../src/io/kafka/transactions.ts';
import type { Outgoing } from '../../../../src/io/kafka/writer.ts';

const TOPIC = 'out';
/** Larger than half a batch. */
const BYTES = 300 * 1024;
const TOO_LARGE = 10;
const FENCED = 47;

const refusal = (apiCode: number) => Object.assign(new Error(`code ${apiCode}`), { apiCode });

class Brokers {
  /** What readers of committed messages see, by key. */
  readonly seen: string[] = [];
  readonly ends: string[] = [];
  /** What a batch for a partition meets on its way; each once. */
  readonly ways = new Map<number, () => Promise<void>>();
  private pending: string[] = [];
  private isOpen = false;
  /** As the coordinator knows it, and the leaders of the partitions. */
  private epoch = -1;
  private leadersEpoch = -1;
  private mark: { committedOffset: bigint; metadata: string | null } | undefined;
  private marked: typeof this.mark;

  open(): PackageTransactions {
    const settings = { transactionalId: 'w', timeout: 60_000, compression: 'none' } as const;
    const cluster: Cluster = {
      servers: 'memory',
      options: {} as Cluster['options'],
      secrets: [],
      patienceMillis: 1_000,
    };
    return new PackageTransactions(this.package(), cluster, settings);
  }

  /** Stores a batch, whenever it comes. */
  store(records: readonly ProducedRecord[], { producerEpoch }: ProducerIdentity): void {
    if (producerEpoch < this.leadersEpoch) throw refusal(FENCED);
    this.pending.push(...records.map(({ key }) => String(key)));
  }

  private end(isCommitted: boolean): void {
    this.ends.push(isCommitted ? 'commit' : 'abort');
    if (isCommitted) {
      this.seen.push(...this.pending);
      this.marked = this.mark ?? this.marked;
    }
    this.pending = [];
    this.mark = undefined;
    this.isOpen = false;
    this.leadersEpoch = this.epoch;
  }

  private async produce(records: ProducedRecord[], identity: ProducerIdentity): Promise<void> {
    const { partition } = records[0]!;
    const way = this.ways.get(partition!);
    this.ways.delete(partition!);
    await way?.();
    this.store(records, identity);
  }

  private package(): KafkaPackage {
    const partition = { leader: 1 };
    const topics = new Map([[TOPIC, { partitions: [partition, partition] }]]);
    class Producer {
      on(): void {}
      readonly connections = { on() {} };
      async metadata() {
        return { brokers: new Map([[1, {}]]), topics };
      }
      async connectToBrokers([node]: number[]) {
        return new Map([[node, {}]]);
      }
      clearMetadata(): void {}
      async close(): Promise<void> {}
    }
    const apis = {
      findCoordinatorV4: async () => ({ coordinators: [{ key: 'w', nodeId: 1 }] }),
      initProducerIdV4: async () => {
        this.epoch += 1;
        if (this.isOpen) this.end(false);
        return { producerId: 1n, producerEpoch: this.epoch };
      },
      addPartitionsToTxnV3: async () => {
        this.isOpen = true;
      },
      produceV9: (
        ...[, , , records, identity]: Parameters<KafkaPackage['produceV9']['api']['async']>
      ) => this.produce(records, identity),
      addOffsetsToTxnV3: async () => {
        this.isOpen = true;
      },
      txnOffsetCommitV3: async (
        ...args: Parameters<KafkaPackage['txnOffsetCommitV3']['api']['async']>
      ) => {
        const { committedOffset, committedMetadata } = args[8][0]!.partitions[0]!;
        this.mark = { committedOffset, metadata: committedMetadata };
      },
      offsetFetchV8: async () => ({
        groups: [
          { topics: [{ partitions: this.marked ? [{ partitionIndex: 0, ...this.marked }] : [] }] },
        ],
      }),
      endTxnV3: async (
        ...[, , , , isCommitted]: Parameters<KafkaPackage['endTxnV3']['api']['async']>
      ) => this.end(isCommitted),
    };
    const wrapped = Object.entries(apis).map(([name, async]) => [name, { api: { async } }]);
    return { Producer, ...Object.fromEntries(wrapped) } as unknown as KafkaPackage;
  }
}

const message = (key: string, partition: number): Outgoing => ({
  topic: TOPIC,
  key: Buffer.from(key),
  value: Buffer.alloc(BYTES),
  partition,
  headers: undefined,
  timestamp: undefined,
});

const chunk = (messages: readonly Outgoing[]) => ({
  writer: 'a',
  generation: 'g',
  number: 1,
  messages: encodeMessages(messages),
});

/** A batch of partition 1 goes off, and then partition 0 refuses one. */
const MESSAGES = [message('a', 1), message('b', 1), message('c', 0), message('d', 0)];
const refuses = async () => {
  throw refusal(TOO_LARGE);
};
const writerTo = (brokers: Brokers, leaveMillis?: number) =>
  new ShardWriter(
    { transactionalId: 'w', topic: TOPIC },
    0,
    async () => brokers.open(),
    undefined,
    leaveMillis,
  );

test('what is under way when a shard is let go of comes once', async () => {
  const brokers = new Brokers();
  const writer = writerTo(brokers);
  brokers.ways.set(1, () => delay(100));
  brokers.ways.set(0, refuses);
  const more = [...MESSAGES, message('e', 0), message('f', 0)];
  await assert.rejects(writer.write([chunk(more)], true), { code: 'ENDPOINT_REFUSED' });
  // It would be stored before the next commits.
  brokers.ways.set(0, () => delay(150));
  await writer.write([chunk(more)], true);
  assert.deepEqual(brokers.seen.sort(), ['a', 'b', 'c', 'd', 'e', 'f']);
  assert.deepEqual(brokers.ends, ['abort', 'commit']);
  await writer.close();
});

test('what does not come back when a shard is let go of is fenced by the next transaction', async () => {
  const brokers = new Brokers();
  const writer = writerTo(brokers, 20);
  let comes = () => {};
  const late = new Promise<void>((resolve) => {
    comes = resolve;
  });
  brokers.ways.set(1, () => late);
  brokers.ways.set(0, refuses);
  const more = [...MESSAGES, message('e', 0), message('f', 0)];
  await assert.rejects(writer.write([chunk(more)], true), { code: 'ENDPOINT_REFUSED' });
  assert.deepEqual(brokers.ends, []);
  brokers.ways.set(0, async () => {
    comes();
    await delay(1);
  });
  await writer.write([chunk(more)], true);
  assert.deepEqual(brokers.seen.sort(), ['a', 'b', 'c', 'd', 'e', 'f']);
  assert.deepEqual(brokers.ends, ['abort', 'commit']);
  await writer.close();
});

test('a batch of which no broker has said what became of it is fenced by the next transaction', async () => {
  const brokers = new Brokers();
  const first = brokers.open();
  await first.begin();
  const record = { topic: TOPIC, partition: 1, key: Buffer.from('a'), value: Buffer.from('v') };
  brokers.ways.set(1, async () => {
    throw Object.assign(new Error('closed'), { code: 'PLT_KFK_NETWORK' });
  });
  const sent = assert.rejects(first.send([record]), { code: 'ABORTED' });
  while (brokers.ways.size > 0) await delay(1);
  await first.abort();
  await sent;
  assert.deepEqual(brokers.ends, []);
  await first.close();
  const second = brokers.open();
  await second.begin();
  // It comes to the broker after all.
  assert.throws(() => brokers.store([record], { producerId: 1n, producerEpoch: 0 }), /47/);
  await second.send([{ ...record, key: Buffer.from('b') }]);
  await second.commit([]);
  assert.deepEqual(brokers.seen, ['b']);
  await second.close();
});

test('nothing is sent any more by who has aborted, not even what is on its way to be tried again', async () => {
  const brokers = new Brokers();
  const transactions = brokers.open();
  await transactions.begin();
  const record = { topic: TOPIC, partition: 1, key: Buffer.from('a'), value: Buffer.from('v') };
  await transactions.send([record]);
  await transactions.abort();
  await assert.rejects(transactions.send([record]), {
    code: 'ABORTED',
    message: /the run is over/,
  });
  assert.deepEqual(brokers.ends, ['abort']);
  assert.deepEqual(brokers.seen, []);
  await transactions.close();
});

test("what is under way when a run on 'node' ends early does not count with the next run", async () => {
  const brokers = new Brokers();
  const cycle = new TransactionCycle(async () => brokers.open());
  const writer = await cycle.opened();
  brokers.ways.set(1, () => delay(100));
  await writer.add(message('a', 1));
  await writer.add(message('b', 1));
  while (brokers.ways.size > 0) await delay(1);
  await cycle.close();
  const next = new TransactionCycle(async () => brokers.open());
  const again = await next.opened();
  next.begins();
  for (const key of ['a', 'b']) {
    next.gives();
    await again.add(message(key, 1));
  }
  await delay(150);
  await next.settled('g', { topic: 'in', partition: 0 }, 2);
  await next.finish();
  assert.deepEqual(brokers.seen.sort(), ['a', 'b']);
  await next.close();
});
