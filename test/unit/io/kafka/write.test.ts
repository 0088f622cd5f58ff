// SPDX-License-Identifier: Apache-2.0
// Writing to Kafka, with a producer in memory.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { murmur2 as murmur2OfPackage } from '@platformatic/kafka';
import fc from 'fast-check';
import { BeamBridgeError } from '../../../../src/base/index.ts';
import { create, createRunner } from '../../../../src/index.ts';
import { kafkaJson } from '../../../../src/io/index.ts';
import { murmur2, partitionOf } from '../../../../src/io/kafka/murmur2.ts';
import type { ProducedRecord } from '../../../../src/io/kafka/package.ts';
import type { KafkaProducer } from '../../../../src/io/kafka/producer.ts';
import { KafkaWriter, type Outgoing } from '../../../../src/io/kafka/writer.ts';
import {
  checkOptions,
  type WriteKafkaOptions,
  WriteToKafka,
} from '../../../../src/io/write-to-kafka.ts';
import { int64, row, string } from '../../../../src/schema/index.ts';

class Producer implements KafkaProducer {
  readonly stored: ProducedRecord[] = [];
  readonly batches: number[] = [];
  failNext: Error | undefined;
  /** What the topic takes at once, of keys and values. */
  mostBytes = Infinity;
  closed = 0;
  private readonly sending = new Set<number>();

  constructor(public count = 3) {}

  async partitions(): Promise<number> {
    return this.count;
  }

  async send(records: ProducedRecord[]): Promise<boolean> {
    const { partition } = records[0]!;
    assert.ok(!this.sending.has(partition), 'one batch at a time goes to a partition');
    assert.ok(records.every((one) => one.partition === partition));
    this.sending.add(partition);
    await delay(1);
    this.sending.delete(partition);
    const error = this.failNext;
    this.failNext = undefined;
    if (error) throw error;
    const bytes = records.reduce((sum, { value }) => sum + (value?.byteLength ?? 0), 0);
    if (bytes > this.mostBytes) {
      if (records.length > 1) return false;
      throw new BeamBridgeError('ENDPOINT_REFUSED', 'too large');
    }
    this.batches.push(records.length);
    this.stored.push(...records);
    return true;
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

async function write<T, K, V>(
  elements: T[],
  options: Omit<WriteKafkaOptions<T, K, V>, 'bootstrapServers'>,
  producer = new Producer(),
): Promise<Producer> {
  const spec = checkOptions<T, K, V>({ bootstrapServers: 'stand-in', ...options });
  await createRunner({ progress: false }).run((root) => {
    root.apply(create(elements)).apply(new WriteToKafka(spec, async () => producer));
  });
  return producer;
}

const shown = ({ stored }: Producer) =>
  stored.map(({ topic, key, value }) => [topic, key?.toString(), value?.toString()]);

test('elements { key, value } are messages as they are', async () => {
  const elements = [
    { key: 'a', value: 'x' },
    { key: null, value: 'y' },
    { key: 'b', value: null },
  ];
  const producer = await write(elements, { topic: 't', keySchema: string, valueSchema: string });
  const sorted = shown(producer).sort((a, b) => (a[1] ?? '').localeCompare(b[1] ?? ''));
  assert.deepEqual(sorted, [
    ['t', undefined, 'y'],
    ['t', 'a', 'x'],
    ['t', 'b', undefined],
  ]);
  assert.equal(producer.closed, 1);
});

test('a time before 1970, which readers would take for none, is refused', async () => {
  const options = {
    topic: 't',
    key: String,
    keySchema: string,
    timestamp: () => -1,
    valueSchema: kafkaJson(int64),
  };
  await assert.rejects(write([1], options), { code: 'INVALID_ARGUMENT', message: /before 1970/ });
});

test('functions say what a message is', async () => {
  const producer = await write([1, 2], {
    topic: (n) => `t${n}`,
    key: (n) => `k${n}`,
    headers: (n) => [
      { key: 'n', value: new Uint8Array([n]) },
      { key: 'n', value: null },
    ],
    timestamp: (n) => n * 1000,
    partition: (n) => n,
    keySchema: string,
    valueSchema: kafkaJson(int64),
  });
  const [first] = producer.stored;
  assert.deepEqual(shown(producer), [
    ['t1', 'k1', '1'],
    ['t2', 'k2', '2'],
  ]);
  assert.equal(first?.partition, 1);
  assert.equal(first?.timestamp, 1000n);
  assert.deepEqual(
    [...(first?.headers ?? [])].map(([name, value]) => [name.toString(), value?.[0]]),
    [
      ['n', 1],
      ['n', undefined],
    ],
  );
});

test('messages of a key keep their order, and go where Kafka sends them', async () => {
  const elements = Array.from({ length: 30_000 }, (_, i) => ({
    key: `k${i % 7}`,
    value: String(i),
  }));
  const producer = await write(elements, { topic: 't', keySchema: string, valueSchema: string });
  assert.equal(producer.stored.length, elements.length);
  const last = new Map<string, number>();
  for (const { key, value, partition } of producer.stored) {
    const name = key!.toString();
    assert.equal(partition, partitionOf(key!, 3));
    assert.ok(Number(value) > (last.get(name) ?? -1));
    last.set(name, Number(value));
  }
  assert.ok(Math.max(...producer.batches) > 1000);
});

test('messages without keys are spread', async () => {
  const elements = Array.from({ length: 50_000 }, () => 'x'.repeat(100));
  const { stored } = await write(elements, {
    topic: 't',
    value: (text) => text,
    valueSchema: string,
  });
  const counts = [0, 0, 0];
  for (const { partition } of stored) counts[partition]! += 1;
  assert.ok(Math.min(...counts) > 5_000, String(counts));
});

const of = { topic: 't' };
const misfits: [
  name: string,
  elements: unknown[],
  options: object,
  code: string,
  message: RegExp,
][] = [
  ['no key and value', [7], {}, 'CODER_MISMATCH', /not \{ key, value \}/],
  [
    'a value of another kind',
    [{ value: 'x' }],
    {},
    'CODER_MISMATCH',
    /the value of a message for t/,
  ],
  ['a value that is forgotten', [{ value: undefined }], {}, 'CODER_MISMATCH', /for t is undefined/],
  [
    'a function that gives no value',
    [1],
    { key: () => null, value: () => undefined },
    'CODER_MISMATCH',
    /the value of a message for t is undefined/,
  ],
  [
    'a row that does not fit',
    [{ id: 'x' }],
    { value: (e: unknown) => e, valueSchema: kafkaJson(row({ id: int64 })) },
    'ROW_MISMATCH',
    /the value of a message for t/,
  ],
  [
    'half a character',
    [{ value: '\ud800' }],
    { valueSchema: string },
    'CODER_MISMATCH',
    /surrogate/,
  ],
  [
    'a partition that there is not',
    [{ value: null }],
    { partition: () => 3 },
    'INVALID_ARGUMENT',
    /partition 3 of t, which has 3/,
  ],
  ['no topic', [{ value: null }], { topic: () => '' }, 'USER_CODE_FAILED', /no topic's name/],
  [
    'a header that is text',
    [{ value: null }],
    { headers: () => [{ key: 'a', value: 'b' }] },
    'CODER_MISMATCH',
    /a header is/,
  ],
];
for (const [name, elements, options, code, message] of misfits) {
  test(`${name} is ${code}`, async () => {
    await assert.rejects(write(elements, { ...of, ...options }), { code, message });
  });
}

test('a failure reaches whoever writes next, or flushes, and what it was', async () => {
  const producer = new Producer(1);
  const writer = new KafkaWriter(producer);
  const message: Outgoing = {
    topic: 't',
    partition: 0,
    key: undefined,
    value: new Uint8Array(1),
    headers: undefined,
    timestamp: undefined,
  };
  await writer.add(message);
  producer.failNext = new Error('disk full');
  await assert.rejects(writer.flush(), /disk full/);
  assert.throws(() => writer.add(message), /disk full/);
});

test('steps that write a topic at the same time lose nothing, when they begin and when it is asked for again', async () => {
  const producer = new Producer(2);
  producer.partitions = () => delay(5, 2);
  const writer = new KafkaWriter(producer, 0);
  const message = { topic: 't', key: undefined, headers: undefined, timestamp: undefined };
  const step = async (name: string) => {
    for (let i = 0; i < 20; i++) {
      await writer.add({ ...message, partition: i % 2, value: Buffer.from(`${name}${i}`) });
      await delay(i % 3);
    }
  };
  const flushing = async () => {
    for (let i = 0; i < 20; i++) await delay(1).then(() => writer.flush());
  };
  await Promise.all([step('a'), step('b'), step('c'), flushing()]);
  await writer.flush();
  const stored = producer.stored.map(({ value }) => String(value));
  assert.deepEqual([stored.length, new Set(stored).size], [60, 60]);
});

test('partitions that are added are seen after a while, between two bundles', async () => {
  for (const [refreshMillis, isSeen] of [
    [0, true],
    [undefined, false],
  ] as const) {
    const producer = new Producer(1);
    const writer = new KafkaWriter(producer, refreshMillis);
    const value = new Uint8Array(1);
    const shared = { topic: 't', key: undefined, value, headers: undefined, timestamp: undefined };
    await writer.add({ ...shared, partition: 0 });
    producer.count = 2;
    await writer.flush();
    const add = async () => writer.add({ ...shared, partition: 1 });
    if (isSeen) await add();
    else await assert.rejects(add, { code: 'INVALID_ARGUMENT', message: /partition 1 of t/ });
    await writer.flush();
    assert.deepEqual(
      producer.stored.map(({ partition }) => partition),
      isSeen ? [0, 1] : [0],
    );
  }
});

test('a message of any size has a batch, large ones one of their own', async () => {
  const sizes = [600_000, 10, 400_000, 200_000, 5];
  const { batches } = await write(
    sizes.map((size) => new Uint8Array(size)),
    { topic: 't', value: (bytes) => bytes },
    new Producer(1),
  );
  assert.deepEqual(batches, [1, 2, 2]);
});

test('what a topic does not take at once is sent in parts, in its order', async () => {
  const producer = new Producer(1);
  producer.mostBytes = 1000;
  const texts = Array.from({ length: 100 }, (_, i) => String(i).padEnd(i === 50 ? 1000 : 99, '.'));
  const options = { topic: 't', value: (text: string) => text, valueSchema: string };
  await write(texts, options, producer);
  assert.deepEqual(
    producer.stored.map(({ value }) => value!.toString()),
    texts,
  );
  assert.ok(Math.max(...producer.batches) > 1);
  await assert.rejects(write(['x'.repeat(1001), 'y'], options, producer), {
    code: 'ENDPOINT_REFUSED',
  });
});

test('keys are hashed as by Kafka', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (key) => {
      assert.equal(murmur2(key), murmur2OfPackage(Buffer.from(key)));
    }),
  );
  // Of Kafka's own tests: org.apache.kafka.common.utils.UtilsTest
  const known = { '21': -973932308, foobar: -790332482, 'a-little-bit-long-string': -985981536 };
  for (const [text, hash] of Object.entries(known)) assert.equal(murmur2(Buffer.from(text)), hash);
});
