// SPDX-License-Identifier: Apache-2.0
// Reading from Kafka, on a cluster in memory.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, type ErrorCode } from '../../../../src/base/index.ts';
import {
  countGlobally,
  createRunner,
  fixedWindows,
  type PCollection,
  type Root,
  timestampParam,
  windowInto,
} from '../../../../src/index.ts';
import { kafkaJson } from '../../../../src/io/index.ts';
import { int64, row, string } from '../../../../src/schema/index.ts';
import { reading, StandIn } from './stand-in.ts';

const runner = createRunner({ runner: 'node', progress: false });
const run = (build: (root: Root) => void) => runner.run((root) => build(root));

/** What comes out, as `topic:partition:offset`. */
async function offsetsOf(source: ReturnType<typeof reading>): Promise<string[]> {
  const seen: string[] = [];
  await run((root) => {
    root.apply(source).map(({ topic, partition, offset }) => {
      seen.push(`${topic}:${partition}:${offset}`);
    });
  });
  return seen;
}

function coded(code: ErrorCode, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof BeamBridgeError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

const letters = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({
    value: `v${from + i}`,
    timestamp: (from + i) * 1000,
  }));

test('messages have all that a record has', async () => {
  const client = new StandIn().topic('a', 1).write('a', 0, { key: 'k', value: 'v', timestamp: 7 });
  client.log({ topic: 'a', partition: 0 }).records[0] = {
    ...client.log({ topic: 'a', partition: 0 }).records[0]!,
    headers: [
      [Buffer.from('h'), Buffer.from('1')],
      [Buffer.from('h'), null],
    ],
  };
  const seen: unknown[] = [];
  await run((root) => {
    root
      .apply(reading(client, { topics: 'a', stop: 'latest', keySchema: string }))
      .map((message, { at }) => void seen.push({ ...message, at: at.lookup() }), {
        at: timestampParam(),
      });
  });
  assert.deepEqual(seen, [
    {
      topic: 'a',
      partition: 0,
      offset: 0n,
      timestamp: 7,
      key: 'k',
      value: new TextEncoder().encode('v'),
      headers: [
        { key: 'h', value: new Uint8Array([49]) },
        { key: 'h', value: null },
      ],
      at: 7,
    },
  ]);
  assert.equal(client.closed, 2);
});

test('each partition is read to its end, in its order', async () => {
  const client = new StandIn().topic('a', 2).topic('b', 1);
  client.write('a', 0, ...letters(10)).write('b', 0, ...letters(4));
  const seen = await offsetsOf(reading(client, { topics: ['a', 'b'], stop: 'latest' }));
  const of = (partition: string) => seen.filter((one) => one.startsWith(partition));
  assert.deepEqual(
    of('a:0'),
    Array.from({ length: 10 }, (_, i) => `a:0:${i}`),
  );
  assert.deepEqual(of('b:0'), ['b:0:0', 'b:0:1', 'b:0:2', 'b:0:3']);
  assert.equal(seen.length, 14);
});

test('an offset behind the end is no end that was reached', async () => {
  const client = new StandIn().topic('a', 1).write('a', 0, ...letters(3));
  const from = (start: number) =>
    reading<unknown, unknown>(client, { topics: 'a', start: { a: { 0: start } }, stop: 'latest' });
  assert.deepEqual(await offsetsOf(from(3)), []);
  await assert.rejects(offsetsOf(from(4)), coded('IO_FAILED', /from offset 4, and ends at 3/));
});

test('offsets without records are passed over, at the end too', async () => {
  const client = new StandIn().topic('a', 1);
  client.write('a', 0, { value: '1', gap: 2 }, { value: '2', gap: 5 });
  client.log({ topic: 'a', partition: 0 }).end += 3;
  assert.deepEqual(await offsetsOf(reading(client, { topics: 'a', stop: 'latest' })), [
    'a:0:2',
    'a:0:8',
  ]);
});

test('what a start and a stop leave', async () => {
  const make = () => new StandIn().topic('a', 1).write('a', 0, ...letters(6));
  const read = (options: object, client = make()) =>
    offsetsOf(reading(client, { topics: 'a', stop: 'latest', ...options }));
  assert.deepEqual(await read({ start: 'latest' }), []);
  assert.deepEqual(await read({ start: new Date(4000) }), ['a:0:4', 'a:0:5']);
  assert.deepEqual(await read({ start: new Date(10_000) }), []);
  assert.deepEqual(await read({ start: { a: { 0: 5n } } }), ['a:0:5']);
  assert.deepEqual(await read({ start: {}, stop: { a: { 0: 1 } } }), ['a:0:0']);
  assert.deepEqual(await read({ stop: new Date(1500) }), ['a:0:0', 'a:0:1']);
  assert.deepEqual(await read({ start: { a: { 0: 4 } }, stop: { a: { 0: 2 } } }), []);
  const client = make();
  client.groups.set('g:a:0', 3);
  assert.deepEqual(await read({ groupId: 'g' }, client), ['a:0:3', 'a:0:4', 'a:0:5']);
  assert.equal((await read({ groupId: 'other' })).length, 6);
  assert.equal((await read({ groupId: 'g', start: 'earliest' }, client)).length, 6);
});

test('a start that is to come leaves out what is written before it', async () => {
  const client = new StandIn().topic('a', 1).write('a', 0, ...letters(2));
  const soon = Date.now() + 3_600_000;
  setTimeout(() => {
    const times = [Date.now(), soon - 1, soon, soon + 1];
    client.write('a', 0, ...times.map((timestamp) => ({ value: 'x', timestamp })));
  }, 150);
  const source = reading(client, { topics: 'a', start: new Date(soon) });
  const seen = await stream(
    (root) => root.apply(source).map(({ offset }) => Number(offset)),
    ({ length }) => length >= 2,
  );
  assert.deepEqual(seen, [4, 5]);
});

test('an end that is to come is waited for', async () => {
  const client = new StandIn().topic('a', 1);
  const until = Date.now() + 600;
  client.write('a', 0, { value: '0', timestamp: until - 1000 });
  const seen = offsetsOf(reading(client, { topics: 'a', stop: new Date(until) }));
  await delay(200);
  client.write('a', 0, { value: '1', timestamp: until - 1 }, { value: '2', timestamp: until });
  assert.deepEqual(await seen, ['a:0:0', 'a:0:1']);
});

test('offsets are committed for the group once a bundle is over', async () => {
  const client = new StandIn()
    .topic('a', 2)
    .write('a', 0, ...letters(7))
    .write('a', 1, ...letters(2));
  const options = { topics: 'a', stop: 'latest', groupId: 'g', commitOffsets: true } as const;
  assert.equal((await offsetsOf(reading(client, options))).length, 9);
  assert.deepEqual(
    client.groups,
    new Map([
      ['g:a:0', 7],
      ['g:a:1', 2],
    ]),
  );
  client.write('a', 0, ...letters(1));
  assert.deepEqual(await offsetsOf(reading(client, options)), ['a:0:7']);
});

test('a run that fails while offsets are committed leaves no client open', async () => {
  class Slow extends StandIn {
    override async commit(...args: Parameters<StandIn['commit']>) {
      await delay(20);
      await super.commit(...args);
    }
  }
  const client = new Slow().topic('a', 3);
  const writing = setInterval(() => {
    for (let partition = 0; partition < 3; partition++) client.write('a', partition, ...letters(1));
  }, 5);
  let read = 0;
  const failing = run((root) => {
    const source = reading(client, { topics: 'a', groupId: 'g', commitOffsets: true });
    root.apply(source).map(() => {
      read += 1;
      if (read === 200) throw new RangeError('bad');
    });
  });
  await assert.rejects(failing, { code: 'USER_CODE_FAILED' });
  clearInterval(writing);
  const { length } = client.calls;
  await delay(200);
  assert.equal(client.calls.length, length, 'nothing more is asked of the cluster');
  assert.ok(client.opened >= 2);
  assert.equal(client.closed, client.opened);
});

test('nothing is committed unless it is asked for', async () => {
  const client = new StandIn().topic('a', 1).write('a', 0, ...letters(3));
  await offsetsOf(reading(client, { topics: 'a', stop: 'latest', groupId: 'g' }));
  assert.equal(client.groups.size, 0);
});

test('topics that there are not', async () => {
  const client = new StandIn().topic('a', 1);
  const options = { stop: 'latest' } as const;
  await assert.rejects(
    offsetsOf(reading(client, { topics: ['a', 'b'], ...options })),
    coded('TOPIC_NOT_FOUND', /there is no topic b.*in transform: readFromKafka.*There are a/s),
  );
  await assert.rejects(
    offsetsOf(reading(client, { topicPattern: /^x/, ...options })),
    coded('TOPIC_NOT_FOUND', /no topic matches \/\^x\//),
  );
});

test('a stop without the offset of a partition would never end', async () => {
  const client = new StandIn().topic('a', 2);
  await assert.rejects(
    offsetsOf(reading(client, { topics: 'a', stop: { a: { 0: 3 } } })),
    coded('INVALID_ARGUMENT', /no offset for partition 1 of a/),
  );
  await assert.rejects(
    offsetsOf(reading(client, { topics: 'a', start: { a: { 2: 3 } }, stop: 'latest' })),
    coded('INVALID_ARGUMENT', /start names partition 2 of a, which has 2/),
  );
});

test('messages that were deleted before they were read are an error', async () => {
  const client = new StandIn().topic('a', 1).write('a', 0, ...letters(3));
  client.codes.set('a:0', 1);
  await assert.rejects(
    offsetsOf(reading(client, { topics: 'a', stop: 'latest' })),
    coded('IO_FAILED', /offset 0 of partition 0 of a is not there/),
  );
});

test('brokers that are away for a while lose nothing', async () => {
  const client = new StandIn().topic('a', 1).write('a', 0, ...letters(30));
  client.isAway = true;
  const seen = offsetsOf(reading(client, { topics: 'a', stop: 'latest' }));
  await delay(300);
  client.isAway = false;
  await delay(60);
  client.isAway = true;
  setTimeout(() => {
    client.isAway = false;
  }, 300);
  assert.equal((await seen).length, 30);
});

const order = row({ id: int64 });

test('a message that cannot be read fails the run, with its place', async () => {
  const client = new StandIn().topic('a', 1);
  client.write('a', 0, { value: '{"id":1}' }, { value: '{"id":"x"}' });
  const source = reading(client, { topics: 'a', stop: 'latest', valueSchema: kafkaJson(order) });
  await assert.rejects(
    run((root) => void root.apply(source).map(({ value }) => value?.id)),
    coded(
      'ROW_MISMATCH',
      /the value of the message at offset 1 of partition 0 of a cannot be read/,
    ),
  );
});

test('with dead letters exactly the messages that cannot be read are set aside', async () => {
  const client = new StandIn().topic('a', 1);
  const bad = new Uint8Array([0xff]);
  client.write(
    'a',
    0,
    { key: 'a', value: '{"id":1}', timestamp: 1 },
    { key: 'b', value: '{"id":"x"}', timestamp: 2 },
    { key: 'c', value: 'no json', timestamp: 3 },
    { key: 'd', value: bad, timestamp: 4 },
    { key: 'e', value: '{"id":-1}', timestamp: 5 },
    { key: 'f', value: null, timestamp: 6 },
  );
  const good: unknown[] = [];
  const failed: unknown[] = [];
  await run((root) => {
    const read = root.apply(
      reading(client, {
        topics: 'a',
        stop: 'latest',
        keySchema: string,
        valueSchema: kafkaJson(order),
        timestamp: ({ value }) => {
          if (value && value.id < 0) throw new TypeError('before time');
          return value?.id ?? 0;
        },
      }).withDeadLetters(),
    );
    read.messages.map(({ key, value }) => void good.push([key, value]));
    read.failed.map(({ offset, part, errorType, message, value }) => {
      failed.push([offset, part, errorType, value?.byteLength]);
      assert.ok(message);
    });
  });
  assert.deepEqual(good, [
    ['a', { id: 1 }],
    ['f', null],
  ]);
  assert.deepEqual(failed, [
    [1n, 'value', 'ROW_MISMATCH', 10],
    [2n, 'value', 'MALFORMED_DATA', 7],
    [3n, 'value', 'MALFORMED_DATA', 1],
    [4n, 'timestamp', 'TypeError', 9],
  ]);
});

/** Runs a stream until enough has come out. */
async function stream<T>(build: (root: Root) => PCollection<T>, enough: (seen: T[]) => boolean) {
  const seen: T[] = [];
  const result = await runner.runAsync((root) => {
    build(root).map((element) => void seen.push(element));
  });
  const until = Date.now() + 20_000;
  while (!enough(seen) && Date.now() < until && result.state === 'RUNNING') await delay(20);
  await result.drain();
  return seen;
}

test('a stream reads topics and partitions that appear', async () => {
  const client = new StandIn()
    .topic('a-1', 1)
    .topic('b', 1)
    .write('a-1', 0, ...letters(2));
  client.write('b', 0, ...letters(1));
  setTimeout(() => client.topic('a-2', 1).write('a-2', 0, ...letters(2)), 150);
  setTimeout(() => client.topic('a-1', 2).write('a-1', 1, ...letters(1)), 300);
  const seen = await stream(
    (root) =>
      root
        .apply(reading(client, { topicPattern: /^a-/g, start: 'earliest', discoverEvery: 50 }))
        .map(({ topic, partition, offset }) => `${topic}:${partition}:${offset}`),
    ({ length }) => length >= 5,
  );
  assert.deepEqual(seen.sort(), ['a-1:0:0', 'a-1:0:1', 'a-1:1:0', 'a-2:0:0', 'a-2:0:1']);
});

test('windows end though a partition has nothing', async () => {
  const client = new StandIn().topic('a', 2);
  const now = Date.now();
  client.write('a', 0, { value: '1', timestamp: now - 5000 }, { value: '2', timestamp: now - 10 });
  const seen = await stream(
    (root) =>
      root
        .apply(reading(client, { topics: 'a', idleAfter: 100, discoverEvery: 100 }))
        .apply(windowInto(fixedWindows(0.2)))
        .apply(countGlobally()),
    ({ length }) => length >= 2,
  );
  assert.deepEqual(seen, [1, 1]);
});

test('what waits behind an open transaction is not late when that is committed', async () => {
  const client = new StandIn().topic('a', 1);
  const log = client.log({ topic: 'a', partition: 0 });
  const now = Date.now();
  client.write('a', 0, { value: 'before', timestamp: now - 5000 });
  log.open = log.end;
  client.write('a', 0, { value: 'of it', timestamp: now }, { value: 'behind', timestamp: now + 1 });
  setTimeout(() => {
    log.open = undefined;
    client.write('a', 0, { value: 'after', timestamp: Date.now() });
  }, 900);
  let count = 0;
  const seen = await stream(
    (root) =>
      root
        .apply(reading(client, { topics: 'a', idleAfter: 100, discoverEvery: 100 }))
        .map((message) => {
          count += 1;
          return message;
        })
        .apply(windowInto(fixedWindows(0.2)))
        .apply(countGlobally()),
    () => count >= 4,
  );
  const sum = seen.reduce((all, one) => all + one, 0);
  assert.equal(sum, 4, String(seen));
});

test('lag and watermark of each partition are told while a stream runs', async () => {
  const client = new StandIn().topic('a', 2).write('a', 1, ...letters(3));
  const result = await runner.runAsync((root) => {
    root.apply(reading(client, { topics: 'a', idleAfter: Infinity })).map(() => {});
  });
  const told = async (name: string) => {
    const metrics = await result.metrics();
    return metrics.query({ namespace: 'kafka', name }).gauges[0]?.value.value;
  };
  const until = Date.now() + 20_000;
  while ((await told('watermark a/1')) !== 2000 && Date.now() < until) await delay(20);
  assert.deepEqual([await told('lag a/0'), await told('lag a/1')], [0, 0]);
  assert.deepEqual([await told('watermark a/0'), await told('watermark a/1')], [undefined, 2000]);
  await result.cancel();
});

test('lag is what the broker has and the pipeline has not taken', async () => {
  const client = new StandIn().topic('a', 1).write('a', 0, ...letters(5));
  const result = await runner.run((root) => {
    root.apply(reading(client, { topics: 'a', stop: { a: { 0: 2 } } })).map(() => {});
  });
  const { gauges } = (await result.metrics()).query({ name: 'lag a/0' });
  assert.deepEqual(
    gauges.map(({ value }) => value.value),
    [3],
  );
});
