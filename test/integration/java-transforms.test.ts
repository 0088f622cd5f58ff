// SPDX-License-Identifier: Apache-2.0
// Java's transforms by a managed service with Beam's jars, on the runner node; JDBC with a real PostgreSQL, KafkaIO with
// a real broker. What is not on this machine is skipped: scripts/test-engines fetches the jars.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { BeamBridgeError, type ErrorCode } from '../../src/base/index.ts';
import { BytesCoder, KVCoder, StrUtf8Coder, VarIntCoder } from '../../src/coders/index.ts';
import { expandPipeline, javaAddress } from '../../src/external/index.ts';
import {
  create,
  createRunner,
  discoverSchemaTransforms,
  javaService,
  javaTransform,
  P,
  Root,
  schemaTransform,
  sqlTransform,
  withCoder,
  withRowCoder,
  withSchema,
} from '../../src/index.ts';
import { jdbcIo, kafkaIo, readFromPubSub, writeToPubSub } from '../../src/io/index.ts';
import { Pipeline, pipelineToProto } from '../../src/pipeline/index.ts';
import { createClient, ExpansionService, fn, jobs } from '../../src/proto/index.ts';
import {
  boolean,
  bytes,
  float64,
  int32,
  int64,
  nullable,
  row,
  string,
} from '../../src/schema/index.ts';
import { getJavaService, stopJavaServices } from '../../src/services/index.ts';
import { javaTransformsHere } from '../helpers/engines.ts';
import { until } from '../helpers/fake-job-service.ts';
import { kafkaSkip, TestCluster } from '../helpers/kafka.ts';
import { postgresSkip, startPostgres } from '../helpers/postgres.ts';

const here = await javaTransformsHere();
const jars = 'jars' in here ? here.jars : '';
// Where there are none nothing of it is used.
const service = javaService({ jars: jars || '.' });
const skip = 'skip' in here && here.skip;
const runner = createRunner({ runner: 'node', progress: false });

const coded = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

after(() => stopJavaServices());

const sequence = (to: number, more = {}) =>
  javaTransform('org.apache.beam.sdk.io.GenerateSequence', {
    constructorMethod: 'from',
    args: [0],
    builderMethods: { to: [to] },
    output: int64,
    service,
    ...more,
  });

const orders = row({ item: string, n: int64 });
const ordered = (root: Root) =>
  root
    .apply(
      create([
        { item: 'tea', n: 1 },
        { item: 'milk', n: 2 },
        { item: 'tea', n: 3 },
      ]),
    )
    .apply(withRowCoder(orders));
const totals = sqlTransform('SELECT item, SUM(n) AS total FROM PCOLLECTION GROUP BY item', null, {
  output: row({ item: string, total: int64 }),
  service,
});

describe("Java's transforms on node", { skip }, () => {
  test('a source, made by a static method and a builder method', async () => {
    const seen: number[] = [];
    await runner.run((root) => root.apply(sequence(10)).map((n) => void seen.push(n)));
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
  });

  test('a transform of what this program made, and another one behind it', async () => {
    const seen: string[] = [];
    await runner.run((root) =>
      root
        .apply(create(['a', 'b', 'a']))
        .apply(withSchema(string))
        .apply(
          javaTransform('org.apache.beam.sdk.transforms.Count', {
            constructorMethod: 'perElement',
            output: new KVCoder(new StrUtf8Coder(), new VarIntCoder()),
            service,
          }),
        )
        .map(({ key, value }) => void seen.push(`${key} ${value}`)),
    );
    assert.deepEqual(seen.toSorted(), ['a 2', 'b 1']);
  });

  test('what cannot be made is told with the transform’s name', async () => {
    const run = (transform: ReturnType<typeof sequence>) =>
      runner.run((root) => root.apply(transform).map(() => {}));
    await assert.rejects(
      run(javaTransform('org.example.Nothing', { output: int64, service })),
      coded('UNKNOWN_JAVA_TRANSFORM', /no Java class org\.example\.Nothing[\s\S]*Java\(Nothing\)/),
    );
    await assert.rejects(
      run(sequence(10, { constructorMethod: 'since' })),
      coded('UNKNOWN_JAVA_TRANSFORM', /no constructor method/),
    );
    await assert.rejects(
      run(sequence(10, { args: [-5] })),
      coded('JAVA_EXCEPTION', /must be non-negative, but was: -5/),
    );
    await assert.rejects(
      run(sequence(10, { output: string })),
      coded('EXPANSION_FAILED', /gives elements of coder varint where string_utf8 is declared/),
    );
  });

  test('an allowlist holds for classes and methods', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'beambridge-test-'));
    try {
      const allowlist = path.join(folder, 'allowed.yaml');
      const allowed = {
        className: 'org.apache.beam.sdk.io.GenerateSequence',
        allowedConstructorMethods: ['from'],
        allowedBuilderMethods: ['to'],
      };
      writeFileSync(allowlist, JSON.stringify({ version: 'v1', allowedClasses: [allowed] }));
      const limited = javaService({ jars, allowlist });
      await runner.run((root) => root.apply(sequence(3, { service: limited })).map(() => {}));
      await assert.rejects(
        runner.run((root) =>
          root
            .apply(create(['a']))
            .apply(withSchema(string))
            .apply(
              javaTransform('org.apache.beam.sdk.transforms.Count', {
                constructorMethod: 'globally',
                output: int64,
                service: limited,
              }),
            ),
        ),
        coded('UNKNOWN_JAVA_TRANSFORM', /may not make transforms of the class .*Count/),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a schema transform is configured by what the service says of it', async () => {
    const identifier = 'beam:schematransform:org.apache.beam:generate_sequence:v1';
    const of = (config: Record<string, unknown>) =>
      schemaTransform(identifier, config, { output: row({ value: int64 }), service });
    const seen: number[] = [];
    await runner.run((root) =>
      root.apply(of({ start: 2, end: 5 })).map(({ value }) => void seen.push(value)),
    );
    assert.deepEqual(seen.toSorted(), [2, 3, 4]);
    await assert.rejects(
      runner.run((root) => root.apply(of({ start: 0, ends: 5 }))),
      coded('INVALID_ARGUMENT', /no option ends[\s\S]*Did you mean end\?/),
    );
    const all = await discoverSchemaTransforms({ service });
    const found = all.find((each) => each.identifier === identifier);
    assert.deepEqual(found?.outputs, ['output']);
  });

  test('SQL groups one table, and joins several', async () => {
    const seen: string[] = [];
    await runner.run((root) => {
      const all = ordered(root);
      all.apply(totals).map(({ item, total }) => void seen.push(`${item} ${total}`));
      const prices = root
        .apply(create([{ item: 'tea', price: 2.5 }]))
        .apply(withRowCoder(row({ item: string, price: float64 })));
      P({ orders: all, prices })
        .apply(
          sqlTransform(
            'SELECT o.item, SUM(o.n * p.price) AS paid FROM orders o JOIN prices p ON o.item = p.item GROUP BY o.item',
            null,
            { output: row({ item: string, paid: float64 }), service },
          ),
        )
        .map(({ item, paid }) => void seen.push(`${item} for ${paid}`));
    });
    assert.deepEqual(seen.toSorted(), ['milk 2', 'tea 4', 'tea for 10']);
  });

  test('a query that is none, and one that fails while it runs, are Java’s failures', async () => {
    const query = (text: string) => (root: Root) =>
      ordered(root)
        .apply(sqlTransform(text, null, { output: row({ x: int64 }), service }))
        .map(() => {});
    await assert.rejects(
      runner.run(query('SELECT nothing FROM PCOLLECTION')),
      coded('JAVA_EXCEPTION', /Column 'nothing' not found[\s\S]*sqlTransform/),
    );
    await assert.rejects(
      runner.run(query('SELECT 1 / (n - 1) AS x FROM PCOLLECTION')),
      coded('JAVA_EXCEPTION', /by zero[\s\S]*sqlTransform\(SELECT 1/),
    );
  });

  test('nobody without its token is served, and it listens on the loopback alone', async () => {
    const { address, stop } = await getJavaService({ jars: [jars], javaOptions: ['-Xmx300m'] });
    assert.match(address, /^127\.0\.0\.1:/);
    const expansion = createClient(ExpansionService, address);
    const artifacts = createClient(jobs.ArtifactRetrievalService, address);
    const pool = createClient(fn.BeamFnExternalWorkerPool, address);
    const order = { workerId: 'w', controlEndpoint: { url: '127.0.0.1:1' } };
    for (const call of [
      () => expansion.expand({}),
      () => expansion.discoverSchemaTransform({}),
      () => artifacts.resolveArtifacts({}),
      () => pool.startWorker(order),
      () => pool.startWorker({ ...order, params: { token: 'guessed' } }),
    ]) {
      await assert.rejects(call(), /UNAUTHENTICATED|PERMISSION_DENIED/);
    }
    for (const client of [expansion, artifacts, pool]) client.close();
    await stop();
  });

  test('a service that is killed while its stage runs ends the run with its last words', async () => {
    const own = { jars: [jars], javaOptions: ['-Xmx350m'] };
    const java = await getJavaService(own);
    let count = 0;
    const result = await runner.runAsync((root) =>
      root.apply(sequence(1e9, { service: javaService(own) })).map(() => {
        count += 1;
      }),
    );
    await until(() => count > 0, 60_000);
    await java.stop();
    await assert.rejects(
      result.waitUntilFinish(),
      coded('ENGINE_DIED', /Java's expansion service/),
    );
  });
});

describe('Pub/Sub by Java', { skip }, () => {
  test('is expanded, which needs no account; nothing is read or written here', async () => {
    const pipeline = new Pipeline();
    const root = new Root(pipeline);
    const path = 'projects/my-project/';
    root.apply(readFromPubSub({ subscription: `${path}subscriptions/orders` }, { service }));
    root
      .apply(create([Buffer.from('a')], { schema: bytes }))
      .apply(writeToPubSub(`${path}topics/scores`, { idAttribute: 'id' }, { service }));
    const message = pipelineToProto(pipeline, {});
    await using expanded = await expandPipeline(pipeline, message, {
      resolveService: async (choice, signal) => javaAddress(choice as never, signal),
    });
    const names = Object.values(expanded.proto.components!.transforms).map((t) => t.uniqueName);
    assert.ok(
      names.some((name) => name.includes('PubsubUnboundedSource')),
      names.join('\n'),
    );
    assert.ok(
      names.some((name) => name.includes('PubsubBoundedWriter')),
      names.join('\n'),
    );
  });
});

describe('JDBC with PostgreSQL on node', { skip: skip || postgresSkip() }, () => {
  test('rows are written, and read by their table and by a query', async () => {
    await using database = await startPostgres();
    const connection = {
      jdbcUrl: `jdbc:postgresql://127.0.0.1:${database.port}/postgres`,
      jdbcType: 'postgres',
      username: 'postgres',
      password: 'none is asked for',
    } as const;
    database.query(
      'CREATE TABLE orders (id INT NOT NULL, item VARCHAR(20) NOT NULL, note TEXT, paid BOOLEAN)',
    );
    const type = row({
      id: int32,
      item: string,
      note: nullable(string),
      paid: nullable(boolean),
    });
    const given = [
      { id: 1, item: 'tea', note: 'hot', paid: true },
      { id: 2, item: 'milk', note: null, paid: false },
    ];
    await runner.run((root) =>
      root
        .apply(create(given))
        .apply(withRowCoder(type))
        .apply(jdbcIo.write({ ...connection, location: 'orders' }, { service })),
    );
    assert.equal(database.query('SELECT * FROM orders ORDER BY id'), '1|tea|hot|t\n2|milk||f');

    const seen: unknown[] = [];
    await runner.run((root) => {
      root
        .apply(jdbcIo.read({ ...connection, location: 'orders' }, { output: type, service }))
        .map((order) => void seen.push(order));
      root
        .apply(
          jdbcIo.read(
            { ...connection, readQuery: 'SELECT COUNT(*) AS n FROM orders' },
            { output: row({ n: int64 }), service },
          ),
        )
        .map((counted) => void seen.push(counted));
    });
    const text = seen.map((each) => JSON.stringify(each)).toSorted();
    assert.deepEqual(text, [...given.map((each) => JSON.stringify(each)), '{"n":2}']);

    await assert.rejects(
      runner.run((root) =>
        root.apply(
          jdbcIo.read(
            { ...connection, location: 'orders' },
            { output: row({ id: int32, item: int32 }), service },
          ),
        ),
      ),
      coded(
        'EXPANSION_FAILED',
        /item: var_char\(20\)[\s\S]*row\{id: int32, item: int32\} is declared/,
      ),
    );
  });
});

describe('KafkaIO of Java on node', { skip: skip || (await kafkaSkip()) }, () => {
  test('records are written, and read with and without what Kafka tells of them', async () => {
    await using cluster = await TestCluster.start();
    const topic = await cluster.topic();
    const servers = { 'bootstrap.servers': cluster.address };
    const keys = ['a', 'b', 'c'];
    await runner.run((root) =>
      root
        .apply(create(keys))
        .map((key) => ({ key: Buffer.from(key), value: Buffer.from(`${key}!`) }))
        .apply(withCoder(new KVCoder(new BytesCoder(), new BytesCoder())))
        .apply(kafkaIo.write({ producerConfig: servers, topic }, { service })),
    );
    const read = {
      consumerConfig: { ...servers, 'auto.offset.reset': 'earliest' },
      topics: [topic],
      maxNumRecords: 3,
    };
    const text = (bytes: Uint8Array | null) => Buffer.from(bytes ?? []).toString();
    const seen: string[] = [];
    await runner.run((root) => {
      root
        .apply(kafkaIo.read(read, { service }))
        .map(({ key, value }) => void seen.push(`${text(key)} ${text(value)}`));
      root
        .apply(kafkaIo.readWithMetadata(read, { service }))
        .map((record) => void seen.push(`${record.topic} ${text(record.value)}`));
    });
    const expected = keys.flatMap((key) => [`${key} ${key}!`, `${topic} ${key}!`]);
    assert.deepEqual(seen.toSorted(), expected.toSorted());
  });
});
