// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
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

test('a connection that says nothing keeps no program from ending', {
  timeout: 30_000,
}, async () => {
  const module = new URL('../../../src/proto/index.ts', import.meta.url).href;
  const program = `
    import { LoopbackServer } from '${module}';
    const server = new LoopbackServer();
    console.log(await server.listen());
    process.stdin.once('data', () => { server.close(); process.stdin.destroy(); });
  `;
  const args = ['--import', 'tsx', '--input-type=module', '-e', program];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const silent = connect({
    port: Number(line.toString().split(':')[1]),
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  await once(silent, 'connect');
  silent.on('error', () => {});
  await delay(100);
  child.stdin.write('close\n');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  silent.destroy();
});

test('a call without a secret is refused before its message is read', async () => {
  let calls = 0;
  const own = new LoopbackServer({
    accepts: (metadata) => metadata.get('authorization')[0] === 'Bearer secret',
  }).add(ExpansionService, {
    expand: async () => {
      calls += 1;
      return {};
    },
    discoverSchemaTransform: async () => ({}),
  });
  const at = await own.listen();
  const stranger = createClient(ExpansionService, at);
  const before = process.memoryUsage().rss;
  const large = 'x'.repeat(64 << 20);
  await assert.rejects(stranger.expand({ namespace: large }), {
    code: GrpcStatus.UNAUTHENTICATED,
  });
  assert.ok(process.memoryUsage().rss - before < 400 << 20);
  assert.equal(calls, 0);
  const friend = createClient(ExpansionService, at, { token: 'secret' });
  await friend.expand({ namespace: large });
  assert.equal(calls, 1);
  stranger.close();
  friend.close();
  own.close();
});

test('a server that must read before it can refuse has a limit for what it reads', async () => {
  const own = new LoopbackServer({ maxMessageBytes: 1000 }).add(ExpansionService, {
    expand: async () => ({}),
    discoverSchemaTransform: async () => ({}),
  });
  const client = createClient(ExpansionService, await own.listen());
  await client.expand({ namespace: 'x'.repeat(900) });
  await assert.rejects(client.expand({ namespace: 'x'.repeat(1100) }), { code: 8 });
  client.close();
  own.close();
});
