// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  createClient,
  ExpansionService,
  GrpcStatus,
  LoopbackServer,
  type ServiceError,
} from '../../../src/proto/index.ts';

let server: LoopbackServer;
let address: string;
const seen: { token: string | undefined }[] = [];

before(async () => {
  server = new LoopbackServer().add(ExpansionService, {
    expand: async (request, metadata) => {
      seen.push({ token: metadata.get('authorization')[0]?.toString() });
      if (request.namespace === 'slow') await new Promise(() => {});
      if (request.namespace === 'bad') throw new TypeError('no such thing');
      return { requirements: [request.namespace] };
    },
    discoverSchemaTransform: async () => ({}),
  });
  address = await server.listen();
});
after(() => server.close());

test('a unary call is answered and carries the token', async () => {
  const client = createClient(ExpansionService, address, { token: 'secret' });
  const answer = await client.expand({ namespace: 'n1' });
  assert.deepEqual(answer.requirements, ['n1']);
  assert.equal(seen.at(-1)?.token, 'Bearer secret');
  client.close();
});

test('a throw in the server is an INTERNAL status with its text', async () => {
  const client = createClient(ExpansionService, address);
  await assert.rejects(client.expand({ namespace: 'bad' }), (error: ServiceError) => {
    assert.equal(error.code, GrpcStatus.INTERNAL);
    assert.match(error.details, /no such thing/);
    return true;
  });
  client.close();
});

test('an abort signal cancels the call, before or while it runs', async () => {
  const client = createClient(ExpansionService, address);
  const isCancelled = (error: ServiceError) => error.code === GrpcStatus.CANCELLED;
  await assert.rejects(client.expand({}, { signal: AbortSignal.abort() }), isCancelled);
  const controller = new AbortController();
  const pending = client.expand({ namespace: 'slow' }, { signal: controller.signal });
  setImmediate(() => controller.abort());
  await assert.rejects(pending, isCancelled);
  client.close();
});

test('the server listens on 127.0.0.1 only', () => {
  assert.match(address, /^127\.0\.0\.1:\d+$/);
});

test('ready rejects when nobody listens', async () => {
  const client = createClient(ExpansionService, '127.0.0.1:1');
  await assert.rejects(client.ready(300));
  client.close();
});
