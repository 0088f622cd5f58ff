// SPDX-License-Identifier: Apache-2.0
// Reading from and writing to a broker of Kafka that this test starts (Java, jars that
// scripts/test-engines fetches): restarted in the middle, too.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  countPerElement,
  create,
  createRunner,
  fixedWindows,
  type PCollection,
  type Root,
  windowInto,
} from '../../src/index.ts';
import {
  type KafkaCompression,
  kafkaJson,
  type ReadKafkaOptions,
  readFromKafka,
  writeToKafka,
} from '../../src/io/index.ts';
import { modelHandler, RunInference } from '../../src/ml/index.ts';
import { float64, int64, row, string } from '../../src/schema/index.ts';
import { kafkaSkip, TestCluster, USER } from '../helpers/kafka.ts';

const skip = await kafkaSkip();
const runner = createRunner({ runner: 'node', progress: false });
const order = row({ id: int64 });

describe('Kafka', { skip }, () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start();
  });
  after(() => cluster?.[Symbol.asyncDispose]());
  const at = () => ({ bootstrapServers: cluster.address });

  /** Writes `{ id }` for each number, with keys of which there are 100. */
  async function write(topic: string, count: number, options: object = {}) {
    await runner.run((root) => {
      root.apply(create(Array.from({ length: count }, (_, id) => id))).apply(
        writeToKafka({
          ...at(),
          topic,
          key: (id) => `k${id % 100}`,
          value: (id) => ({ id }),
          keySchema: string,
          valueSchema: kafkaJson(order),
          ...options,
        }),
      );
    });
  }

  type Order = { id: number };
  const orders = (
    options: Partial<ReadKafkaOptions<string, Order>>,
  ): ReadKafkaOptions<string, Order> => ({
    ...at(),
    stop: 'latest',
    keySchema: string,
    valueSchema: kafkaJson(order),
    ...options,
  });

  /** The numbers of a topic; those of each key must rise. */
  async function read(options: Partial<ReadKafkaOptions<string, Order>>, on = runner) {
    const ids: number[] = [];
    const last = new Map<string, number>();
    await on.run((root) => {
      root.apply(readFromKafka(orders(options))).map(({ key, value }) => {
        assert.ok(key !== null && value !== null);
        assert.ok(value.id > (last.get(key) ?? -1), `${value.id} of ${key} after ${last.get(key)}`);
        last.set(key, value.id);
        ids.push(value.id);
      });
    });
    return ids;
  }

  const all = (ids: readonly number[], count: number) => {
    assert.equal(ids.length, count);
    assert.equal(new Set(ids).size, count);
  };

  test('what was written is read, on node and on direct', async () => {
    const topic = await cluster.topic();
    await write(topic, 20_000);
    all(await read({ topics: topic }), 20_000);
    all(await read({ topics: topic }, createRunner({ runner: 'direct', progress: false })), 20_000);
  });

  for (const compression of ['gzip', 'snappy', 'lz4'] satisfies KafkaCompression[]) {
    test(`batches packed with ${compression}`, async () => {
      const topic = await cluster.topic(1);
      await write(topic, 2_000, { compression });
      all(await read({ topics: topic }), 2_000);
    });
  }

  test('headers, times, tombstones and messages without a key', async () => {
    const topic = await cluster.topic(1);
    const value = new Uint8Array([0, 255]);
    await runner.run((root) => {
      root.apply(create([0, 1])).apply(
        writeToKafka({
          ...at(),
          topic,
          key: (n) => (n === 0 ? null : value),
          value: (n) => (n === 0 ? value : null),
          headers: (n) => [
            { key: 'n', value: new Uint8Array([n]) },
            { key: 'n', value: null },
          ],
          timestamp: (n) => 1_000 + n,
        }),
      );
    });
    const seen: unknown[] = [];
    await runner.run((root) => {
      root
        .apply(readFromKafka({ ...at(), topics: topic, stop: 'latest' }))
        .map(({ topic: _, ...rest }) => void seen.push(rest));
    });
    const headers = (n: number) => [
      { key: 'n', value: new Uint8Array([n]) },
      { key: 'n', value: null },
    ];
    assert.deepEqual(seen, [
      { partition: 0, offset: 0n, timestamp: 1_000, key: null, value, headers: headers(0) },
      { partition: 0, offset: 1n, timestamp: 1_001, key: value, value: null, headers: headers(1) },
    ]);
  });

  test('a group goes on where it was', async () => {
    const topic = await cluster.topic();
    await write(topic, 1_000);
    const options = { topics: topic, groupId: `${topic}-group`, commitOffsets: true };
    all(await read(options), 1_000);
    assert.deepEqual(await read(options), []);
    await write(topic, 10);
    assert.equal((await read(options)).length, 10);
  });

  test('starts and stops by offsets and by times', async () => {
    const topic = await cluster.topic(1);
    await write(topic, 50, { timestamp: (id: number) => 1_000_000 + id });
    const ids = (options: object) => read({ topics: topic, ...options });
    const from = (first: number, end: number) =>
      Array.from({ length: end - first }, (_, i) => first + i);
    const offsets = { start: { [topic]: { 0: 10 } }, stop: { [topic]: { 0: 12n } } };
    assert.deepEqual(await ids(offsets), from(10, 12));
    const times = { start: new Date(1_000_040), stop: new Date(1_000_045) };
    assert.deepEqual(await ids(times), from(40, 45));
    assert.deepEqual(await ids({ start: 'latest' }), []);
  });

  test('messages of aborted transactions are left out, unless they are asked for', async () => {
    const topic = await cluster.topic(1);
    const message = (id: number) => ({
      topic,
      partition: 0,
      key: Buffer.from('k'),
      value: Buffer.from(JSON.stringify({ id })),
    });
    await cluster.producer(
      async (producer) => {
        for (const [id, isKept] of [
          [1, true],
          [2, false],
          [3, true],
        ] as const) {
          const transaction = await producer.beginTransaction();
          await transaction.send({ messages: [message(id)] });
          await (isKept ? transaction.commit() : transaction.abort());
        }
      },
      { transactionalId: `${topic}-writer` },
    );
    assert.deepEqual(await read({ topics: topic }), [1, 3]);
    assert.deepEqual(await read({ topics: topic, isolation: 'read_uncommitted' }), [1, 2, 3]);
  });

  /** Runs a stream until enough has come out, or is stored. */
  async function stream(build: (root: Root) => void, enough: () => boolean | Promise<boolean>) {
    const result = await runner.runAsync(build);
    const until = Date.now() + 90_000;
    while (!(await enough()) && Date.now() < until && result.state === 'RUNNING') await delay(50);
    await result.drain();
  }

  test('a stream reads partitions and topics that appear, and its windows end', async () => {
    const name = `growing-${process.pid}`;
    const first = await cluster.topic(1, name);
    await write(first, 10);
    const windows = new Map<string, number>();
    let count = 0;
    const grow = async () => {
      await cluster.admin((admin) => admin.createPartitions({ topics: [{ name, count: 2 }] }));
      await write(first, 10);
      await write(await cluster.topic(1, `${name}-too`), 10);
    };
    const source = readFromKafka({
      ...orders({ topicPattern: new RegExp(`^${name}`), discoverEvery: 300, idleAfter: 500 }),
      stop: undefined,
    } as never) as unknown as ReturnType<typeof readFromKafka<string, Order>>;
    const growing = delay(1_000).then(grow);
    await stream(
      (root) => {
        const topics: PCollection<string> = root.apply(source).map(({ topic }) => {
          count += 1;
          return topic;
        });
        topics
          .apply(windowInto(fixedWindows(1)))
          .apply(countPerElement())
          .map(({ element, count }) => {
            windows.set(element, (windows.get(element) ?? 0) + count);
          });
      },
      () => count >= 30 && [...windows.values()].reduce((a, b) => a + b, 0) >= 30,
    );
    await growing;
    assert.deepEqual(Object.fromEntries(windows), { [name]: 20, [`${name}-too`]: 10 });
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`a broker that ends by ${signal} and comes back in the middle: nothing lost, nothing twice`, async () => {
      const [from, to] = [await cluster.topic(), await cluster.topic()];
      const count = 20_000;
      await write(from, count);
      let seen = 0;
      const restart = async () => {
        while (seen < 2_000) await delay(5);
        await cluster.down(signal);
        await delay(1_000);
        await cluster.up();
      };
      const restarting = restart();
      const options = orders({ topics: from });
      delete options.stop;
      await stream(
        (root) => {
          root
            .apply(readFromKafka(options))
            .map(async ({ key, value }) => {
              seen += 1;
              if (seen % 100 === 0) await delay(10);
              return { key, value };
            })
            .apply(
              writeToKafka({
                ...at(),
                topic: to,
                keySchema: string,
                valueSchema: kafkaJson(order),
              }),
            );
        },
        async () => {
          if (seen < count) return false;
          await restarting;
          return (await cluster.ends(to)).reduce((a, b) => a + b, 0n) >= BigInt(count);
        },
      );
      await restarting;
      all(await read({ topics: to }), count);
    });
  }

  test('through RunInference, the order of each key held', async () => {
    const [from, to] = [await cluster.topic(), await cluster.topic()];
    const count = 100_000;
    await write(from, count);
    const half = modelHandler({
      name: 'half',
      example: order,
      inference: float64,
      loadModel: () => 2,
      runInference: (batch, divisor) => batch.map(({ id }) => id / divisor),
    });
    const started = performance.now();
    await runner.run((root) => {
      root
        .apply(readFromKafka(orders({ topics: from })))
        .map(({ key, value }) => ({ key: key!, value: value! }))
        .apply(RunInference.ofKVs(half, string))
        .map(({ key, value }) => ({ key, value: { id: value.inference * 2 } }))
        .apply(
          writeToKafka({ ...at(), topic: to, keySchema: string, valueSchema: kafkaJson(order) }),
        );
    });
    const seconds = (performance.now() - started) / 1000;
    console.log(`${count} messages through RunInference in ${seconds.toFixed(1)} s`);
    all(await read({ topics: to }), count);
  });

  test('what brokers refuse says of which topic', async () => {
    const topic = await cluster.topic(1);
    const large = new Uint8Array(2_000_000);
    const writing = (to: string) =>
      runner.run((root) => {
        root.apply(create([large])).apply(writeToKafka({ ...at(), topic: to, value: (b) => b }));
      });
    await assert.rejects(writing(topic), { code: 'ENDPOINT_REFUSED', message: new RegExp(topic) });
    await assert.rejects(writing('no-such'), { code: 'TOPIC_NOT_FOUND', message: /no-such/ });
    await assert.rejects(read({ topics: 'no-such' }), { code: 'TOPIC_NOT_FOUND' });
    await assert.rejects(
      read({ topics: topic, start: { [topic]: { 0: 99 } }, stop: { [topic]: { 0: 100 } } }),
      {
        code: 'IO_FAILED',
        message: /offset 99 of partition 0/,
      },
    );
  });

  test('users come in with their password, and not without', async () => {
    const topic = await cluster.topic(1);
    await write(topic, 10);
    const options = (password: string): Partial<ReadKafkaOptions<string, Order>> => ({
      topics: topic,
      bootstrapServers: cluster.saslAddress,
      sasl: { mechanism: 'PLAIN', username: USER.name, password },
    });
    all(await read(options(USER.password)), 10);
    await assert.rejects(
      read(options('wrong-secret')),
      ({ code, message }: Error & { code: string }) => {
        assert.equal(code, 'CREDENTIALS_REFUSED', message);
        assert.doesNotMatch(message, /wrong-secret/);
        return true;
      },
    );
  });
});
