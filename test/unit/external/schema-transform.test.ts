// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BeamBridgeError, type ErrorCode } from '../../../src/base/index.ts';
import { decodeValue } from '../../../src/coders/index.ts';
import {
  create,
  createRunner,
  discoverSchemaTransforms,
  type Root,
  schemaTransform,
  withRowCoder,
} from '../../../src/index.ts';
import { type ExpansionRequest, fromBinary, pb } from '../../../src/proto/index.ts';
import {
  int64,
  nullable,
  row,
  rowCoder,
  schemaFromProto,
  schemaToProto,
  string,
} from '../../../src/schema/index.ts';
import { fakeExpansionService } from '../../helpers/fake-expansion-service.ts';

const READ = 'beam:schematransform:org.example:orders_read:v1';
const WRITE = 'beam:schematransform:org.example:orders_write:v1';
const config = row({ table: string, max_rows: nullable(int64) });
const listed = {
  schemaTransformConfigs: {
    [READ]: {
      configSchema: schemaToProto(config),
      outputPcollectionNames: ['output'],
      description: 'Reads orders.',
    },
    [WRITE]: { configSchema: schemaToProto(config), inputPcollectionNames: ['rows'] },
  },
};
const asking = (lists = listed) =>
  fakeExpansionService(async () => ({ error: 'enough is known' }), {}, lists);

const orders = row({ id: int64 });
const rows = (root: Root) => root.apply(create([{ id: 1 }])).apply(withRowCoder(orders));

async function failureOf(build: (root: Root) => unknown): Promise<BeamBridgeError> {
  try {
    await createRunner({ runner: 'node', progress: false }).run((root) => void build(root));
  } catch (error) {
    assert.ok(error instanceof BeamBridgeError, String(error));
    return error;
  }
  return assert.fail('it was expanded');
}

function configIn({ transform }: ExpansionRequest): unknown {
  const { identifier, configurationSchema, configurationRow } = fromBinary(
    pb.SchemaTransformPayloadSchema,
    transform!.spec!.payload,
  );
  return [
    identifier,
    decodeValue(rowCoder(schemaFromProto(configurationSchema!)), configurationRow),
  ];
}

describe('a schema transform', () => {
  test('is configured as its service says', async () => {
    using service = await asking();
    const error = await failureOf((root) =>
      root.apply(
        schemaTransform(
          READ,
          { table: 'o', maxRows: 3 },
          { output: orders, service: service.address },
        ),
      ),
    );
    assert.match(error.message, /enough is known/);
    assert.deepEqual(configIn(service.requests[0]!), [READ, { table: 'o', max_rows: 3 }]);
  });

  test('with a declared configuration asks for nothing else', async () => {
    using service = await asking({ schemaTransformConfigs: {} } as never);
    await failureOf((root) =>
      root.apply(
        schemaTransform(
          READ,
          { table: 'o' },
          { configType: config, output: orders, service: service.address },
        ),
      ),
    );
    assert.deepEqual(configIn(service.requests[0]!), [READ, { table: 'o', max_rows: null }]);
  });

  test('has a lone input under the name that its service gives it', async () => {
    using service = await asking();
    await failureOf((root) =>
      rows(root).apply(
        schemaTransform(WRITE, { table: 'o' }, { outputs: {}, service: service.address }),
      ),
    );
    assert.deepEqual(Object.keys(service.requests[0]!.transform!.inputs), ['rows']);
  });

  for (const [what, build, code, message] of [
    [
      'a misspelt field',
      (root: Root, service: string) =>
        root.apply(schemaTransform(READ, { tabel: 'o' }, { output: orders, service })),
      'INVALID_ARGUMENT',
      /no option tabel[\s\S]*Did you mean table\?/,
    ],
    [
      'a field of another type',
      (root: Root, service: string) =>
        root.apply(schemaTransform(READ, { table: 5 }, { output: orders, service })),
      'ROW_MISMATCH',
      /field table is declared string/,
    ],
    [
      'an identifier that is not listed',
      (root: Root, service: string) =>
        root.apply(
          schemaTransform(READ.replace('orders_', 'order_'), {}, { output: orders, service }),
        ),
      'UNKNOWN_JAVA_TRANSFORM',
      /Did you mean beam:schematransform:org\.example:orders_read:v1\?[\s\S]*it knows orders_read, orders_write/,
    ],
    [
      'an input that has no rows',
      (root: Root, service: string) =>
        rows(root)
          .map(() => 'x')
          .apply(schemaTransform(WRITE, { table: 'o' }, { outputs: {}, service })),
      'NO_PORTABLE_TYPE',
      /withRowCoder/,
    ],
  ] as const) {
    test(`${what} is ${code}, and nothing is expanded`, async () => {
      using service = await asking();
      const error = await failureOf((root) => build(root, service.address));
      assert.equal(error.code, code as ErrorCode);
      assert.match(error.message, message);
      assert.deepEqual(service.requests, []);
    });
  }

  test('is described with the type of its configuration', async () => {
    using service = await asking();
    const [read, write] = await discoverSchemaTransforms({ service: service.address });
    assert.equal(read!.identifier, READ);
    assert.equal(read!.description, 'Reads orders.');
    assert.deepEqual(
      read!.config?.fields.map(({ name }) => name),
      ['table', 'max_rows'],
    );
    assert.deepEqual(write!.inputs, ['rows']);
  });
});
