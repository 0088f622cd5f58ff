// SPDX-License-Identifier: Apache-2.0
// Messages of Kafka written exactly once by Flink, on a broker and a Flink that this test starts (Java, jars that
// scripts/test-engines fetches), and on a cluster where BEAMBRIDGE_TEST_FLINK names one: what fails goes on from a
// checkpoint, what is stopped from a savepoint.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createRunner, type PipelineOptions, type PipelineResult } from '../../src/index.ts';
import { kafkaJson, readFromKafka, writeToKafka } from '../../src/io/index.ts';
import { int64, row, string } from '../../src/schema/index.ts';
import { stopJobServers } from '../../src/services/index.ts';
import { flinkHere } from '../helpers/engines.ts';
import { kafkaSkip, TestCluster } from '../helpers/kafka.ts';

const here = await flinkHere();
const skip = 'skip' in here ? here.skip : await kafkaSkip();
const masters = ['[local]', ...(process.env.BEAMBRIDGE_TEST_FLINK?.split(',') ?? [])];
const PARTITIONS = 3;
const KEYS = 30;
const order = row({ id: int64 });
after(() => stopJobServers());

for (const flinkMaster of masters) {
  describe(`exactly once on Flink, ${flinkMaster}`, { skip }, () => {
    let cluster: TestCluster;
    before(async () => {
      cluster = await TestCluster.start();
    });
    after(() => cluster?.[Symbol.asyncDispose]());

    const runner = createRunner({
      runner: 'flink',
      flinkMaster,
      flinkJobServer: 'jars' in here ? here.jars : '',
      checkpointingInterval: 1_000,
      parallelism: 2,
      progress: false,
    });

    interface Names {
      readonly from: string;
      readonly to: string;
    }

    async function names(): Promise<Names> {
      return { from: await cluster.topic(PARTITIONS), to: await cluster.topic(PARTITIONS) };
    }

    async function give({ from }: Names, first: number, end: number): Promise<void> {
      await cluster.producer((producer) =>
        producer.send({
          messages: Array.from({ length: end - first }, (_, i) => ({
            topic: from,
            partition: ((first + i) % KEYS) % PARTITIONS,
            key: Buffer.from(`k${(first + i) % KEYS}`),
            value: Buffer.from(`{"id":${first + i}}`),
          })),
        }),
      );
    }

    function copying(
      { from, to }: Names,
      options: PipelineOptions = {},
      look: (id: number) => void = () => {},
    ): Promise<PipelineResult> {
      const bootstrapServers = cluster.address;
      return runner.runAsync((root) => {
        root
          .apply(
            readFromKafka({
              bootstrapServers,
              topics: from,
              keySchema: string,
              valueSchema: kafkaJson(order),
              start: 'earliest',
            }),
          )
          .map(({ key, value }) => {
            look(value!.id);
            return { key: key!, value: value! };
          })
          .apply(
            writeToKafka({
              bootstrapServers,
              topic: to,
              keySchema: string,
              valueSchema: kafkaJson(order),
              exactlyOnce: { transactionalId: `${to}-writer`, shards: 4 },
            }),
          );
      }, options);
    }

    /** What a reader of committed messages sees once it sees so many: those of a key in order. */
    async function read({ to }: Names, count: number): Promise<number[]> {
      const until = Date.now() + 180_000;
      for (;;) {
        const seen: number[] = [];
        const last = new Map<string, number>();
        const source = readFromKafka({
          bootstrapServers: cluster.address,
          topics: to,
          stop: 'latest',
          keySchema: string,
          valueSchema: kafkaJson(order),
        });
        await createRunner({ runner: 'node', progress: false }).run((root) => {
          root.apply(source).map(({ key, value }) => {
            const { id } = value!;
            assert.ok(id > (last.get(key!) ?? -1), `${id} of ${key} after ${last.get(key!)}`);
            last.set(key!, id);
            seen.push(id);
          });
        });
        if (seen.length >= count) return seen.sort((a, b) => a - b);
        assert.ok(Date.now() < until, `${seen.length} of ${count} were written`);
        await delay(500);
      }
    }

    const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

    test('a step that fails in the middle, and a run that begins anew under the same name', async () => {
      const its = await names();
      await give(its, 0, 2_000);
      let fails = 2;
      const result = await copying(its, {}, (id) => {
        if (id < 2_000 || id % 700 !== 0 || fails === 0) return;
        fails -= 1;
        throw new Error('it fails once');
      });
      try {
        await read(its, 2_000);
        await give(its, 2_000, 4_000);
        assert.deepEqual(await read(its, 4_000), upTo(4_000));
        assert.equal(fails, 0);
        await assert.rejects(result.drain(), { code: 'UNSUPPORTED' });
      } finally {
        await result.cancel();
      }
      await assert.rejects(copying(its), {
        code: 'INVALID_ARGUMENT',
        message: /another run has written as .*-writer, and this one does not go on from its state/,
      });
    });

    if (flinkMaster === '[local]') return;

    test('a run goes on from its savepoint', async () => {
      const its = await names();
      await give(its, 0, 1_000);
      const first = await copying(its);
      await read(its, 1_000);
      await give(its, 1_000, 2_000);
      const savepointPath = await first.stopWithSavepoint();
      await give(its, 2_000, 3_000);
      const second = await copying(its, { savepointPath });
      try {
        assert.deepEqual(await read(its, 3_000), upTo(3_000));
      } finally {
        await second.cancel();
      }
    });
  });
}
