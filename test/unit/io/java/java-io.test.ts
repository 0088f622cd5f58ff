// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BeamBridgeError, type ErrorCode } from '../../../../src/base/index.ts';
import { decodeValue } from '../../../../src/coders/index.ts';
import {
  create,
  createRunner,
  type PCollection,
  type Root,
  sqlTransform,
  withRowCoder,
} from '../../../../src/index.ts';
import {
  jdbcIo,
  kafkaIo,
  managedIo,
  readFromBigQuery,
  readFromPubSub,
  schemaio,
  writeToBigQuery,
  writeToPubSub,
} from '../../../../src/io/index.ts';
import { asMessage } from '../../../../src/io/java/pubsub.ts';
import { type ExpansionRequest, fromBinary, pb, urns } from '../../../../src/proto/index.ts';
import {
  int32,
  int64,
  nullable,
  row,
  rowCoder,
  schemaFromProto,
  schemaToProto,
  string,
} from '../../../../src/schema/index.ts';
import { fakeExpansionService } from '../../../helpers/fake-expansion-service.ts';

const consumerConfig = { 'bootstrap.servers': 'broker:9092' };

function configOf({ payload }: { payload: Uint8Array }): Record<string, unknown> {
  const { schema, payload: bytes } = fromBinary(pb.ExternalConfigurationPayloadSchema, payload);
  return decodeValue(rowCoder(schemaFromProto(schema!)), bytes) as Record<string, unknown>;
}

const refused = (build: () => unknown, code: ErrorCode, message: RegExp) =>
  assert.throws(build, (error: unknown) => {
    assert.ok(error instanceof BeamBridgeError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });

/** What a service that lists one transform was asked. */
async function asked(
  identifier: string,
  type: pb.Schema,
  build: (root: Root, service: string) => unknown,
): Promise<{ request: ExpansionRequest; config: Record<string, unknown> }> {
  using service = await fakeExpansionService(
    async () => ({ error: 'enough' }),
    {},
    {
      schemaTransformConfigs: { [identifier]: { configSchema: type } },
    },
  );
  await assert.rejects(
    createRunner({ runner: 'node', progress: false }).run(
      (root) => void build(root, service.address),
    ),
    /enough/,
  );
  const [request] = service.requests;
  const { configurationSchema, configurationRow } = fromBinary(
    pb.SchemaTransformPayloadSchema,
    request!.transform!.spec!.payload,
  );
  const coder = rowCoder(schemaFromProto(configurationSchema!));
  return {
    request: request!,
    config: decodeValue(coder, configurationRow) as Record<string, unknown>,
  };
}

describe('kafkaIo', () => {
  test('reads with the names and types that Java knows', () => {
    const read = kafkaIo.read({
      consumerConfig,
      topics: ['orders'],
      maxNumRecords: 5,
      redistributeNumKeys: 2,
    });
    assert.equal(read.urn, 'beam:transform:org.apache.beam:kafka_read_without_metadata:v1');
    const config = configOf(read);
    assert.deepEqual(config.consumer_config, new Map(Object.entries(consumerConfig)));
    assert.deepEqual(config.topics, ['orders']);
    assert.equal(config.max_num_records, 5);
    assert.equal(config.timestamp_policy, 'ProcessingTime');
    assert.equal(config.consumer_polling_timeout, 2);
    assert.match(String(config.value_deserializer), /ByteArrayDeserializer$/);
    const { schema } = fromBinary(pb.ExternalConfigurationPayloadSchema, read.payload);
    const keys = schemaFromProto(schema!).fields.find(
      ({ name }) => name === 'redistribute_num_keys',
    );
    assert.deepEqual(keys!.type, int32);
  });

  test('writes with serializers of bytes, unless there are others', () => {
    const write = kafkaIo.write({ producerConfig: consumerConfig, topic: 'scores' });
    assert.deepEqual(configOf(write).topic, 'scores');
    assert.match(String(configOf(write).key_serializer), /ByteArraySerializer$/);
  });

  test('refuses what cannot be, before anything is started', () => {
    refused(
      () => kafkaIo.read({ consumerConfig: {}, topics: ['t'] }),
      'INVALID_ARGUMENT',
      /bootstrap\.servers/,
    );
    refused(() => kafkaIo.read({ consumerConfig, topics: [] }), 'INVALID_ARGUMENT', /no topics/);
    refused(
      () => kafkaIo.read({ consumerConfig, topics: ['t'], maxRecords: 5 } as never),
      'INVALID_ARGUMENT',
      /maxNumRecords/,
    );
  });
});

describe('jdbcIo', () => {
  const type = schemaToProto(
    row({ jdbc_url: string, read_query: nullable(string), fetch_size: nullable(int32) }),
  );

  test('reads as the service says that it is configured', async () => {
    const { config } = await asked(
      'beam:schematransform:org.apache.beam:jdbc_read:v1',
      type,
      (root, service) =>
        root.apply(
          jdbcIo.read(
            { jdbcUrl: 'jdbc:x', readQuery: 'SELECT 1', fetchSize: 7 },
            { output: row({ n: int64 }), service },
          ),
        ),
    );
    assert.deepEqual(config, { jdbc_url: 'jdbc:x', read_query: 'SELECT 1', fetch_size: 7 });
  });

  test('refuses a misspelt option', () => {
    refused(
      () => jdbcIo.read({ jdbcUrl: 'jdbc:x', query: 'SELECT 1' } as never),
      'INVALID_ARGUMENT',
      /readQuery/,
    );
  });
});

describe('managedIo', () => {
  const type = schemaToProto(row({ transform_identifier: string, config: nullable(string) }));

  test('names the transform, whose configuration is text that every YAML reader reads', async () => {
    const { request, config } = await asked('beam:transform:managed:v1', type, (root, service) =>
      root
        .apply(create([{ id: 1 }]))
        .apply(withRowCoder(row({ id: int64 })))
        .apply(
          managedIo.write(
            'iceberg',
            { table: 'a.b', catalog_properties: new Map([['type', 'hadoop']]), most: 5n },
            { service },
          ),
        ),
    );
    assert.equal(config.transform_identifier, urns.ManagedTransforms_Urns.ICEBERG_WRITE);
    assert.deepEqual(JSON.parse(String(config.config)), {
      table: 'a.b',
      catalog_properties: { type: 'hadoop' },
      most: 5,
    });
    assert.deepEqual(Object.keys(request.transform!.inputs), ['input']);
  });

  test('refuses a name that there is not', () => {
    refused(
      () => managedIo.read('icebergs' as never, {}),
      'INVALID_ARGUMENT',
      /no "icebergs"[\s\S]*iceberg, iceberg_cdc, kafka/,
    );
  });
});

describe('Pub/Sub', () => {
  test('is read with the names that Java knows', () => {
    const subscription = 'projects/shop-1/subscriptions/orders';
    const read = readFromPubSub({ subscription, idAttribute: 'id' });
    assert.equal(read.urn, 'beam:transform:org.apache.beam:pubsub_read:v1');
    assert.deepEqual(configOf(read), { subscription, id_label: 'id', with_attributes: false });
  });

  test('refuses neither and both of topic and subscription, and misspelt options', () => {
    refused(() => readFromPubSub({} as never), 'INVALID_ARGUMENT', /topic or a subscription/);
    refused(
      () => readFromPubSub({ topic: 't', subscription: 's' } as never),
      'INVALID_ARGUMENT',
      /topic or a subscription/,
    );
    refused(
      () => writeToPubSub('t', { idAttributes: 'id' } as never),
      'INVALID_ARGUMENT',
      /idAttribute/,
    );
  });

  for (const length of [0, 1, 127, 128, 300, 16_384, 70_000]) {
    test(`${length} bytes are the data of a message`, () => {
      const data = Buffer.alloc(length, 7);
      const message = asMessage(data);
      assert.equal(message[0], 0x0a);
      let size = 0;
      let at = 1;
      for (let shift = 0; ; shift += 7) {
        const byte = message[at++]!;
        size += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) break;
      }
      assert.equal(size, length);
      assert.deepEqual(Buffer.from(message.subarray(at)), data);
    });
  }
});

describe('schemaio', () => {
  test('sends location, schema and the rest as Java wants them, and leaves the config as it is', () => {
    const type = row({ id: int64, note: nullable(string) });
    const config = { location: 'users.avro', schema: type, limit: 5, name: 'x' };
    const urn = 'beam:transform:org.apache.beam:schemaio_avro_read:v1';
    const read = schemaio<Root, PCollection<unknown>>('readUsers', urn, config);
    assert.equal(read.urn, urn);
    assert.equal(read.beamName, 'readUsers');
    const sent = configOf(read);
    assert.deepEqual(Object.keys(sent).sort(), ['config', 'dataSchema', 'location']);
    assert.equal(sent.location, 'users.avro');
    assert.deepEqual(
      schemaFromProto(fromBinary(pb.SchemaSchema, sent.dataSchema as Uint8Array)).fields,
      type.fields,
    );
    const rest = rowCoder(row({ limit: int64, name: string }));
    assert.deepEqual(decodeValue(rest, sent.config as Uint8Array), { limit: 5, name: 'x' });
    assert.deepEqual(Object.keys(config), ['location', 'schema', 'limit', 'name']);
  });

  test('refuses what is no configuration and no schema', () => {
    refused(
      () => schemaio('x', 'urn', undefined as never),
      'INVALID_ARGUMENT',
      /config is undefined/,
    );
    refused(
      () => schemaio('x', 'urn', { schema: string as never }),
      'INVALID_ARGUMENT',
      /config\.schema/,
    );
    refused(
      () => schemaio('x', 'urn', {}, undefined, { services: 'x' } as never),
      'INVALID_ARGUMENT',
      /service/,
    );
  });
});

describe('BigQuery', () => {
  const config = rowCoder(
    row({
      table: nullable(string),
      query: nullable(string),
      queryLocation: nullable(string),
      createDisposition: nullable(string),
    }),
  );
  const none = { table: null, query: null, queryLocation: null, createDisposition: null };
  const sentBy = (transform: { payload: Uint8Array }) =>
    decodeValue(config, configOf(transform).config as Uint8Array);

  test('is read and written with the configuration that Java knows', () => {
    const read = readFromBigQuery({ table: 'shop.orders' });
    assert.equal(read.urn, 'beam:transform:org.apache.beam:schemaio_bigquery_read:v1');
    assert.deepEqual(Object.keys(configOf(read)), ['config']);
    assert.deepEqual(sentBy(read), { ...none, table: 'shop.orders' });
    const query = 'SELECT 1';
    assert.deepEqual(sentBy(readFromBigQuery({ query, queryLocation: 'EU' })), {
      ...none,
      query,
      queryLocation: 'EU',
    });
  });

  test('refuses neither and both of table and query, misspelt options, and what are no rows', async () => {
    for (const source of [{}, { table: '' }, { table: 't', query: 'q' }, undefined])
      refused(
        () => readFromBigQuery(source as never),
        'INVALID_ARGUMENT',
        /table or a query|readFromBigQuery/,
      );
    refused(() => readFromBigQuery({ tables: 't' } as never), 'INVALID_ARGUMENT', /table/);
    refused(() => writeToBigQuery(''), 'INVALID_ARGUMENT', /table is/);
    refused(
      () => writeToBigQuery('t', { createDisposition: 'Always' as never }),
      'INVALID_ARGUMENT',
      /createDisposition/,
    );
    await assert.rejects(
      createRunner({ runner: 'node', progress: false }).run(
        (root) => void root.apply(create(['a'])).apply(writeToBigQuery('shop.scores')),
      ),
      { code: 'NO_PORTABLE_TYPE', message: /writeToBigQuery/ },
    );
  });
});

describe('sqlTransform', () => {
  test('is Beam’s own transform where somebody else’s service expands it', () => {
    const query = sqlTransform('SELECT 1', null, { service: 'localhost:1' });
    assert.equal(query.urn, 'beam:external:java:sql:v1');
    assert.deepEqual(configOf(query), { query: 'SELECT 1' });
  });

  test('is made of its class by a managed service, whose jars may have no name for it', () => {
    const query = sqlTransform('SELECT 1');
    const { className, constructorMethod } = fromBinary(
      pb.JavaClassLookupPayloadSchema,
      query.payload,
    );
    assert.equal(
      `${className}.${constructorMethod}`,
      'org.apache.beam.sdk.extensions.sql.SqlTransform.query',
    );
  });

  test('refuses no query, and an example of its inputs', () => {
    refused(() => sqlTransform(' '), 'INVALID_ARGUMENT', /there is no query/);
    refused(() => sqlTransform('SELECT 1', { a: 0 } as never), 'UNSUPPORTED', /withRowCoder/);
  });
});
