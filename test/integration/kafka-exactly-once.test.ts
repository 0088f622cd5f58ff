// SPDX-License-Identifier: Apache-2.0
// Messages of Kafka written exactly once, on a broker that this test starts (Java, jars that
// scripts/test-engines fetches): programs of their own are killed in the middle and started again.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createRunner, type PipelineResult } from '../../src/index.ts';
import { kafkaJson, readFromKafka, writeToKafka } from '../../src/io/index.ts';
import { int64, row, string } from '../../src/schema/index.ts';
import { kafkaSkip, TestCluster } from '../helpers/kafka.ts';
import { source } from '../helpers/programs.ts';

const skip = await kafkaSkip();
const runner = createRunner({ runner: 'node', progress: false });
const KEYS = 50;

interface Names {
  readonly from: string;
  readonly to: string;
  readonly writer: string;
  readonly groupId: string;
}

/** Of each message `a` and `b`, those of a third of the messages not, and slowly enough to be killed. */
const program = (server: string, { from, to, writer, groupId }: Names) => `
import { setTimeout as delay } from 'node:timers/promises';
import { createRunner } from ${source('index.ts')};
import { kafkaJson, readFromKafka, writeToKafka } from ${source('io/index.ts')};
import { modelHandler, RunInference } from ${source('ml/index.ts')};
import { int64, row, string } from ${source('schema/index.ts')};
const order = row({ id: int64 });
const twice = modelHandler({
  name: 'twice', example: order, inference: int64, loadModel: () => 2,
  runInference: async (batch, factor) => { await delay(1); return batch.map(({ id }) => factor * id); },
});
const bootstrapServers = ${JSON.stringify(server)};
await createRunner({ runner: 'node', progress: false }).run((root) =>
  root
    .apply(readFromKafka({
      bootstrapServers, topics: '${from}', groupId: '${groupId}', commitOffsets: true, stop: 'latest',
      keySchema: string, valueSchema: kafkaJson(order),
    }))
    .filter(({ value }) => value.id % 3 !== 0)
    .map(({ key, value }) => ({ key, value }))
    .apply(RunInference.ofKVs(twice, string))
    .flatMap(({ key, value }) => ['a', 'b'].map((part) => ({ key, id: value.inference / 2, part })))
    .apply(writeToKafka({
      bootstrapServers, topic: '${to}', key: ({ key }) => key, value: ({ id, part }) => ({ id, part }),
      keySchema: string, valueSchema: kafkaJson(row({ id: int64, part: string })),
      exactlyOnce: { transactionalId: '${writer}' },
    })),
);`;

describe('exactly once', { skip }, () => {
  let cluster: TestCluster;
  const children = new Set<ChildProcess>();
  before(async () => {
    // Who writes nothing for a second is forgotten; by default that is a week.
    cluster = await TestCluster.start({
      'transactional.id.expiration.ms': '1000',
      'transaction.remove.expired.transaction.cleanup.interval.ms': '200',
    });
  });
  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await cluster?.[Symbol.asyncDispose]();
  });

  async function prepared(count: number): Promise<Names> {
    const from = await cluster.topic(3);
    const to = await cluster.topic(3);
    await give(from, 0, count);
    return { from, to, writer: `${to}-writer`, groupId: `${to}-group` };
  }

  async function give(from: string, begin: number, end: number): Promise<void> {
    await cluster.producer(async (producer) => {
      for (let first = begin; first < end; first += 1_000) {
        await producer.send({
          messages: Array.from({ length: Math.min(1_000, end - first) }, (_, i) => ({
            topic: from,
            partition: ((first + i) % KEYS) % 3,
            key: Buffer.from(`k${(first + i) % KEYS}`),
            value: Buffer.from(`{"id":${first + i}}`),
          })),
        });
      }
    });
  }

  /** What a reader of committed messages sees: each text once, those of a key in order. */
  async function read(topic: string): Promise<Map<string, number>> {
    const seen = new Map<string, number>();
    const last = new Map<string, number>();
    const type = row({ id: int64, part: string });
    const source = readFromKafka({
      bootstrapServers: cluster.address,
      topics: topic,
      stop: 'latest',
      keySchema: string,
      valueSchema: kafkaJson(type),
    });
    await runner.run((root) => {
      root.apply(source).map(({ key, value }) => {
        const { id, part } = value!;
        assert.ok(id >= (last.get(key!) ?? -1), `${id} of ${key} after ${last.get(key!)}`);
        last.set(key!, id);
        seen.set(`${id}${part}`, (seen.get(`${id}${part}`) ?? 0) + 1);
      });
    });
    return seen;
  }

  const sum = (offsets: readonly bigint[]) => Number(offsets.reduce((a, b) => a + b, 0n));

  test('a program that is killed three times writes what comes of each message once', async () => {
    const count = 15_000;
    const names = await prepared(count);
    const start = () => {
      const args = ['--import', 'tsx', '--input-type=module', '--eval'];
      const child = spawn(process.execPath, [...args, program(cluster.address, names)], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      children.add(child);
      return { child, exit: once(child, 'exit') as Promise<[number | null, string | null]> };
    };
    let kills = 0;
    for (let part = 1; part <= 3; part++) {
      const before = sum(await cluster.ends(names.to));
      const { child, exit } = start();
      // At another moment each time: in front of a commit, in it, or behind it.
      while (child.exitCode === null && sum(await cluster.ends(names.to)) <= before) await delay(5);
      await delay(part * 97);
      child.kill('SIGKILL');
      const [, signal] = await exit;
      if (signal === 'SIGKILL') kills += 1;
    }
    assert.equal(kills, 3, 'it was too fast to be killed');
    const [code] = await start().exit;
    assert.equal(code, 0);
    const seen = await read(names.to);
    assert.equal(seen.size, (2 * count * 2) / 3);
    assert.deepEqual(
      [...seen].filter(([, times]) => times !== 1),
      [],
    );
  });

  /** A stream that copies, until somebody ends it. */
  function copying({ from, to, writer, groupId }: Names): Promise<PipelineResult> {
    const bootstrapServers = cluster.address;
    const type = row({ id: int64 });
    const source = readFromKafka({
      bootstrapServers,
      topics: from,
      groupId,
      commitOffsets: true,
      keySchema: string,
      valueSchema: kafkaJson(type),
    });
    const sink = writeToKafka({
      bootstrapServers,
      topic: to,
      key: ({ key }: { key: string; id: number }) => key,
      value: ({ id }) => ({ id, part: '' }),
      keySchema: string,
      valueSchema: kafkaJson(row({ id: int64, part: string })),
      exactlyOnce: { transactionalId: writer },
    });
    return runner.runAsync((root) => {
      root
        .apply(source)
        .map(({ key, value }) => ({ key: key!, id: value!.id }))
        .apply(sink);
    });
  }

  /** Waits until the group is behind all messages. */
  async function done({ from, groupId }: Names, count: number): Promise<void> {
    const until = Date.now() + 90_000;
    for (;;) {
      const groups = await cluster.admin((admin) =>
        admin.listConsumerGroupOffsets({
          groups: [{ groupId, topics: [{ name: from, partitionIndexes: [0, 1, 2] }] }],
        }),
      );
      const offsets = groups.flatMap(({ topics }) =>
        topics.flatMap(({ partitions }) => partitions),
      );
      const committed = sum(offsets.map(({ committedOffset }) => committedOffset));
      if (committed === count) return;
      assert.ok(Date.now() < until, `${committed} of ${count} are committed`);
      await delay(100);
    }
  }

  test('a broker that is killed and comes back in the middle', async () => {
    const count = 20_000;
    const names = await prepared(count);
    const result = await copying(names);
    while (sum(await cluster.ends(names.to)) < 2_000) await delay(20);
    await cluster.down('SIGKILL');
    await delay(1_000);
    await cluster.up();
    await done(names, count);
    assert.equal(await result.drain(), 'DRAINED');
    const seen = await read(names.to);
    assert.equal(seen.size, count);
    assert.deepEqual(
      [...seen].filter(([, times]) => times !== 1),
      [],
    );
  });

  test('a stream that is quiet for so long that brokers forget who writes', async () => {
    const names = await prepared(100);
    const result = await copying(names);
    await done(names, 100);
    await delay(4_000);
    await give(names.from, 100, 200);
    await done(names, 200);
    assert.equal(await result.drain(), 'DRAINED');
    const seen = await read(names.to);
    assert.equal(seen.size, 200);
    assert.deepEqual(
      [...seen].filter(([, times]) => times !== 1),
      [],
    );
  });

  test('a second run takes over, and the first writes nothing any more', async () => {
    const count = 20_000;
    const names = await prepared(count);
    const first = await copying(names);
    while (sum(await cluster.ends(names.to)) < 2_000) await delay(20);
    const second = await copying(names);
    await assert.rejects(first.waitUntilFinish(), { code: 'IO_FAILED', message: /has taken over/ });
    await done(names, count);
    assert.equal(await second.drain(), 'DRAINED');
    const seen = await read(names.to);
    assert.equal(seen.size, count);
    assert.deepEqual(
      [...seen].filter(([, times]) => times !== 1),
      [],
    );
  });

  test('a timeout that brokers do not allow', async () => {
    const { from, to, groupId } = await prepared(10);
    const bootstrapServers = cluster.address;
    const options = { bootstrapServers, topics: from, groupId, commitOffsets: true } as const;
    await assert.rejects(
      runner.run((root) => {
        root
          .apply(readFromKafka({ ...options, stop: 'latest' }))
          .map(({ value }) => value!)
          .apply(
            writeToKafka({
              bootstrapServers,
              topic: to,
              exactlyOnce: { transactionalId: `${to}-writer`, timeout: 3_600_000 },
            }),
          );
      }),
      { code: 'INVALID_ARGUMENT', message: /brokers allow no 3600000 ms/ },
    );
  });
});
