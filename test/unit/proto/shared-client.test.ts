// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { createClient, ExpansionService, LoopbackServer } from '../../../src/proto/index.ts';

let server: LoopbackServer;
/** Counts the connections to it. */
let counter: Server;
let accept: (socket: Socket) => void;
let connections: number;
let address: string;
let open: () => void;

before(async () => {
  server = new LoopbackServer().add(ExpansionService, {
    expand: async ({ namespace }) => {
      if (namespace === 'slow') {
        await new Promise<void>((resolve) => {
          open = resolve;
        });
      }
      return { requirements: [namespace] };
    },
    discoverSchemaTransform: async () => ({}),
  });
  const port = Number((await server.listen()).split(':')[1]);
  accept = (socket) => {
    connections += 1;
    const behind = connect(port, '127.0.0.1');
    for (const each of [socket, behind]) each.on('error', () => {});
    socket.pipe(behind).pipe(socket);
    socket.on('close', () => behind.destroy());
  };
  counter = createServer(accept);
  await once(counter.listen(0, '127.0.0.1'), 'listening');
  address = `127.0.0.1:${(counter.address() as { port: number }).port}`;
});
after(() => {
  server.close();
  counter.close();
});
let owner: object;
beforeEach(() => {
  owner = {};
  connections = 0;
});
afterEach(() => {
  // What a test keeps goes with its owner; nothing of it is in the next one's way.
  owner = {};
});

const ask = (client: ReturnType<typeof made>, namespace = 'n') => client.expand({ namespace });
const made = (sharedBy: object | undefined, token?: string) =>
  createClient(ExpansionService, address, { sharedBy, token });

test('clients of one owner share a connection, at the same time and one after the other', async () => {
  const [one, two] = [made(owner), made(owner)];
  await Promise.all([one.ready(5000), two.ready(5000)]);
  assert.deepEqual((await ask(one)).requirements, ['n']);
  one.close();
  assert.deepEqual((await ask(two)).requirements, ['n']);
  two.close();
  const three = made(owner);
  await three.ready(5000);
  assert.deepEqual((await ask(three)).requirements, ['n']);
  three.close();
  three.close();
  assert.equal(connections, 1);
});

test('another owner has a connection of its own, and so has a client without one', async () => {
  for (const sharedBy of [owner, {}, undefined]) {
    const client = made(sharedBy);
    await ask(client);
    client.close();
  }
  assert.equal(connections, 3);
});

test('a connection with a call under way is not kept, and the call is answered', async () => {
  const first = made(owner);
  await first.ready(5000);
  const slow = ask(first, 'slow');
  await ask(first);
  first.close();
  const second = made(owner);
  await ask(second);
  open();
  assert.deepEqual((await slow).requirements, ['slow']);
  second.close();
  assert.equal(connections, 2);
});

test('a connection that is not there yet is not kept', async () => {
  // Of a connection that is tried again, nobody here closes this end.
  const hung = createServer((socket) => socket.unref());
  await once(hung.listen(0, '127.0.0.1'), 'listening');
  const { port } = hung.address() as { port: number };
  for (let i = 0; i < 2; i++) {
    const connected = once(hung, 'connection');
    const client = createClient(ExpansionService, `127.0.0.1:${port}`, { sharedBy: owner });
    const waiting = client.ready(300);
    waiting.catch(() => {});
    const [socket] = (await connected) as [{ destroy(): void }];
    client.close();
    await assert.rejects(waiting);
    socket.destroy();
  }
  hung.close();
});

test('a kept connection on which nobody answers any more is not ready, and the next client connects anew', async () => {
  const frozen = new Set<Socket>();
  counter.on('connection', (socket) => frozen.add(socket));
  const first = made(owner);
  await ask(first);
  first.close();
  for (const socket of frozen) socket.pause();
  counter.removeAllListeners('connection');
  counter.on('connection', accept);
  const second = made(owner);
  await assert.rejects(second.ready(700), { code: 4 });
  second.close();
  const third = made(owner);
  await third.ready(5000);
  assert.deepEqual((await ask(third)).requirements, ['n']);
  third.close();
  for (const socket of frozen) socket.destroy();
  assert.equal(connections, 2);
});

test('a wait for a connection ends when nobody waits any more', async () => {
  // Of a connection that is tried again, nobody here closes this end.
  const hung = createServer((socket) => socket.unref());
  await once(hung.listen(0, '127.0.0.1'), 'listening');
  const { port } = hung.address() as { port: number };
  const client = createClient(ExpansionService, `127.0.0.1:${port}`);
  const over = new AbortController();
  const reason = new Error('nobody waits');
  const waiting = client.ready(60_000, over.signal);
  setImmediate(() => over.abort(reason));
  await assert.rejects(waiting, reason);
  client.close();
  hung.close();
});

test('once it is known that the other side has hung up, clients connect anew', async () => {
  const sockets: { destroy(): void }[] = [];
  const collect = (socket: { destroy(): void }) => sockets.push(socket);
  counter.on('connection', collect);
  const first = made(owner);
  await ask(first);
  first.close();
  for (const socket of sockets) socket.destroy();
  counter.off('connection', collect);
  const second = made(owner);
  // It is known when a call has failed, at the latest.
  const { requirements } = await ask(second).catch(() => ask(second));
  assert.deepEqual(requirements, ['n']);
  second.close();
  assert.equal(connections, 2);
});

test('a connection that is kept keeps no program from ending', { timeout: 30_000 }, async () => {
  const module = new URL('../../../src/proto/index.ts', import.meta.url).href;
  const program = `
    import { createClient, ExpansionService } from '${module}';
    const client = createClient(ExpansionService, '${address}', { sharedBy: globalThis });
    console.log((await client.expand({ namespace: 'n' })).requirements[0]);
    client.close();
  `;
  const args = ['--import', 'tsx', '--input-type=module', '-e', program];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal(line.toString().trim(), 'n');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});
