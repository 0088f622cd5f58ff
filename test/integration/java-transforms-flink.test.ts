// SPDX-License-Identifier: Apache-2.0
// Java's transforms on a Flink inside Beam's job server, and on a cluster where BEAMBRIDGE_TEST_FLINK names one: KafkaIO
// with a real broker, JDBC with a real PostgreSQL, and SQL, with stages of this program before, between and
// behind. What is not on this machine is skipped: scripts/test-engines fetches the jars.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { BytesCoder, KVCoder } from '../../src/coders/index.ts';
import {
  create,
  createRunner,
  javaService,
  javaTransform,
  type PCollection,
  sqlTransform,
  withCoder,
  withRowCoder,
} from '../../src/index.ts';
import { jdbcIo, kafkaIo } from '../../src/io/index.ts';
import { int32, int64, nullable, row, string } from '../../src/schema/index.ts';
import { stopJavaServices, stopJobServers } from '../../src/services/index.ts';
import { flinkHere, javaTransformsHere } from '../helpers/engines.ts';
import { kafkaSkip, TestCluster } from '../helpers/kafka.ts';
import { postgresSkip, startPostgres } from '../helpers/postgres.ts';

const here = await javaTransformsHere();
const flink = await flinkHere();
// Where there are none nothing of it is used.
const service = javaService({ jars: ('jars' in here && here.jars) || '.' });
const skip = ('skip' in here && here.skip) || ('skip' in flink && flink.skip);
const noKafka = await kafkaSkip();
const masters = ['[local]', ...(process.env.BEAMBRIDGE_TEST_FLINK?.split(',') ?? [])];

after(async () => {
  await stopJavaServices();
  await stopJobServers();
});

const text = (bytes: Uint8Array | null) => Buffer.from(bytes ?? []).toString();

/** Records as Java's KafkaIO takes them. */
const asRecords = (texts: PCollection<string>) =>
  texts
    .map((each) => ({ key: Buffer.from(each.slice(0, 1)), value: Buffer.from(each) }))
    .apply(withCoder(new KVCoder(new BytesCoder(), new BytesCoder())));

for (const flinkMaster of masters) {
  describe(`Java's transforms on flink at ${flinkMaster}`, { skip }, () => {
    const flinkJobServer = 'jars' in flink ? flink.jars : '';
    const runner = createRunner({ runner: 'flink', flinkMaster, flinkJobServer, progress: false });

    test('sources and SQL, between stages of this program', async () => {
      const seen: string[] = [];
      await runner.run((root) => {
        root
          .apply(
            javaTransform('org.apache.beam.sdk.io.GenerateSequence', {
              constructorMethod: 'from',
              args: [0],
              builderMethods: { to: [3] },
              output: int64,
              service,
            }),
          )
          .map((n) => void seen.push(`n ${n}`));
        root
          .apply(create(['tea', 'milk', 'tea']))
          .map((item) => ({ item, n: item.length }))
          .apply(withRowCoder(row({ item: string, n: int64 })))
          .apply(
            sqlTransform('SELECT item, SUM(n) AS total FROM PCOLLECTION GROUP BY item', null, {
              output: row({ item: string, total: int64 }),
              service,
            }),
          )
          .map(({ item, total }) => void seen.push(`${item} ${total}`));
      });
      assert.deepEqual(seen.toSorted(), ['milk 4', 'n 0', 'n 1', 'n 2', 'tea 6']);
    });

    test('KafkaIO: records are written, and those that are read are written on', {
      skip: noKafka,
    }, async () => {
      await using cluster = await TestCluster.start();
      const [first, second] = [await cluster.topic(), await cluster.topic()];
      const servers = { 'bootstrap.servers': cluster.address };
      const given = Array.from({ length: 30 }, (_, n) => `${'abc'[n % 3]}${n}`);
      const write = (topic: string) =>
        kafkaIo.write({ producerConfig: servers, topic }, { service });
      const read = (topic: string) =>
        kafkaIo.read(
          {
            consumerConfig: { ...servers, 'auto.offset.reset': 'earliest' },
            topics: [topic],
            maxNumRecords: given.length,
          },
          { service },
        );
      await runner.run((root) => asRecords(root.apply(create(given))).apply(write(first)));
      await runner.run((root) =>
        asRecords(root.apply(read(first)).map(({ value }) => `${text(value)}!`)).apply(
          write(second),
        ),
      );
      const seen: string[] = [];
      await runner.run((root) =>
        root
          .apply(read(second))
          .map(({ key, value }) => void seen.push(`${text(key)} ${text(value)}`)),
      );
      assert.deepEqual(seen.toSorted(), given.map((each) => `${each[0]} ${each}!`).toSorted());
    });

    test('JDBC: rows are written, and those that are read are written on', {
      skip: postgresSkip(),
    }, async () => {
      await using database = await startPostgres();
      const connection = {
        jdbcUrl: `jdbc:postgresql://127.0.0.1:${database.port}/postgres`,
        jdbcType: 'postgres',
        username: 'postgres',
        password: 'none is asked for',
      } as const;
      const columns = '(id INT NOT NULL, item VARCHAR(20) NOT NULL, note TEXT)';
      database.query(`CREATE TABLE orders ${columns}; CREATE TABLE paid ${columns}`);
      const type = row({ id: int32, item: string, note: nullable(string) });
      await runner.run((root) =>
        root
          .apply(create([1, 2, 3]))
          .map((id) => ({ id, item: `item ${id}`, note: id === 2 ? null : 'hot' }))
          .apply(withRowCoder(type))
          .apply(jdbcIo.write({ ...connection, location: 'orders' }, { service })),
      );
      await runner.run((root) =>
        root
          .apply(jdbcIo.read({ ...connection, location: 'orders' }, { output: type, service }))
          .filter(({ id }) => id !== 1)
          .map(({ id, item, note }) => ({ id: id * 10, item, note }))
          .apply(withRowCoder(type))
          .apply(jdbcIo.write({ ...connection, location: 'paid' }, { service })),
      );
      assert.equal(database.query('SELECT * FROM paid ORDER BY id'), '20|item 2|\n30|item 3|hot');
    });
  });
}
