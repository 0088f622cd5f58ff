// SPDX-License-Identifier: Apache-2.0
// Reading ahead, and for how long a broker may be away.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConnection } from '../../../../src/io/kafka/connection.ts';
import { Fetching } from '../../../../src/io/kafka/fetching.ts';
import { networkError, StandIn } from './stand-in.ts';

const cluster = checkConnection('test', { bootstrapServers: 'stand-in' });
const at = { topic: 'a', partition: 0 };
const never = new AbortController().signal;

function fetching(client: StandIn, patienceMillis?: number) {
  return new Fetching({ client, cluster, patienceMillis });
}

async function take(reading: Fetching, offset: number): Promise<number | undefined> {
  reading.at(at, offset);
  await reading.wait(5_000, never);
  return reading.at(at, offset).peek()?.offset;
}

test('what is there is taken in order, and asked for again from any offset', async () => {
  const client = new StandIn().topic('a', 1);
  for (let i = 0; i < 9; i++) client.write('a', 0, { value: String(i) });
  await using reading = closing(fetching(client));
  const ahead = reading.at(at, 0);
  for (let i = 0; i < 5; i++) {
    if (ahead.isEmpty) await reading.wait(5_000, never);
    assert.equal(ahead.peek()?.offset, i);
    ahead.take();
  }
  assert.equal(await take(reading, 6), 6);
  assert.equal(await take(reading, 2), 2);
  assert.equal(await take(reading, 8), 8);
});

test('no more is read ahead than has room', async () => {
  const client = new StandIn().topic('a', 1);
  client.most = 1;
  const value = new Uint8Array(1024 * 1024);
  for (let i = 0; i < 20; i++) client.write('a', 0, { value });
  await using reading = closing(fetching(client));
  const ahead = reading.at(at, 0);
  await until(() => !ahead.hasRoom);
  const calls = client.calls.length;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(client.calls.length, calls);
  assert.ok(ahead.next <= 5, String(ahead.next));
});

test('brokers that stay away are an error in the end', async () => {
  const client = new StandIn().topic('a', 1);
  client.isAway = true;
  await using reading = closing(fetching(client, 300));
  await reading.at(at, 0);
  await assert.rejects(
    async () => {
      for (;;) {
        await reading.wait(1_000, never);
        reading.at(at, 0);
      }
    },
    { code: 'ENDPOINT_UNAVAILABLE', shortMessage: /partition 0 of a cannot be read.*ECONNREFUSED/ },
  );
});

test('a partition that has moved is looked for again', async () => {
  const client = new StandIn().topic('a', 1).write('a', 0, { value: 'x' });
  client.codes.set('a:0', 6);
  await using reading = closing(fetching(client));
  reading.at(at, 0);
  await until(() => client.calls.includes('partitions'));
  client.codes.clear();
  assert.equal(await take(reading, 0), 0);
});

test('a reader that may not read is told so at once', async () => {
  const client = new StandIn().topic('a', 1);
  client.codes.set('a:0', 29);
  await using reading = closing(fetching(client));
  reading.at(at, 0);
  await reading.wait(5_000, never);
  assert.throws(() => reading.at(at, 0), { code: 'CREDENTIALS_REFUSED' });
});

test('a topic that is made anew is another: its offsets are not gone on with', async () => {
  const client = new StandIn().topic('a', 1).write('a', 0, { value: '0' }, { value: '1' });
  await using reading = closing(fetching(client));
  const first = { ...at, topicId: 'first' };
  reading.at(first, 0);
  await reading.wait(5_000, never);
  assert.equal(reading.at(first, 1).peek()?.offset, 1);
  client.ids.set('a', 'second');
  await using another = closing(fetching(client));
  // Whoever tries again hears the same.
  for (let i = 0; i < 2; i++) {
    assert.throws(() => another.at(first, 1), {
      code: 'IO_FAILED',
      message: /deleted and made anew/,
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test('a defect is no absence', async () => {
  const client = new StandIn().topic('a', 1);
  client.fetch = () => Promise.reject(new TypeError('x is undefined'));
  await using reading = closing(fetching(client));
  reading.at(at, 0);
  await reading.wait(5_000, never);
  assert.throws(() => reading.at(at, 0), { code: 'INTERNAL' });
  assert.equal((networkError() as { code?: string }).code, 'PLT_KFK_NETWORK');
});

function closing(reading: Fetching): Fetching & AsyncDisposable {
  return Object.assign(reading, { [Symbol.asyncDispose]: async () => reading.close() });
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !isSo(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(isSo());
}
