// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient, fn, LoopbackServer } from '../../../src/proto/index.ts';

test('whoever shows the secret comes in, however many connections show none', {
  timeout: 30_000,
}, async () => {
  const server = new LoopbackServer({
    accepts: (metadata) => metadata.get('secret')[0] === 'ours',
  });
  server.add(fn.BeamFnControl, {
    getProcessBundleDescriptor: async () => ({ id: 'd' }),
  } as never);
  const address = await server.listen();
  const [host, port] = address.split(':');
  const strangers: Socket[] = [];
  const ended = new Set<number>();
  try {
    for (let i = 0; i < 300; i++) {
      const socket = connect(Number(port), host!);
      socket.on('error', () => {}).resume();
      socket.on('close', () => ended.add(i));
      await once(socket, 'connect');
      strangers.push(socket);
      if (i % 100 !== 50) continue;
      const client = createClient(fn.BeamFnControl, address, {
        metadata: { secret: 'ours' },
      });
      const answer = await client.getProcessBundleDescriptor({ processBundleDescriptorId: 'd' });
      assert.equal(answer.id, 'd', `after ${i + 1} strangers`);
      client.close();
    }
    while (ended.size < 170) await delay(10);
    assert.ok(ended.has(0) && !ended.has(299), 'the oldest end first');
  } finally {
    for (const socket of strangers) socket.destroy();
    server.close();
  }
});
