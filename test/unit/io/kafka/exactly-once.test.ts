// SPDX-License-Identifier: Apache-2.0
// Writing exactly once, on a cluster in memory: what a transaction holds, who may commit, and what is refused.

import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, type ErrorCode } from '../../../../src/base/index.ts';
import {
  create,
  createRunner,
  flatten,
  groupByKey,
  listSideInput,
  P,
  parDo,
  type Root,
  reshuffle,
  valueState,
} from '../../../../src/index.ts';
import {
  type KafkaCompression,
  type KafkaMessage,
  writeToKafka,
  writeToText,
} from '../../../../src/io/index.ts';
import type { ProducedRecord } from '../../../../src/io/kafka/package.ts';
import type { ReadKafkaOptions } from '../../../../src/io/kafka/read-options.ts';
import { TransactionCycle } from '../../../../src/io/kafka/transaction-cycle.ts';
import type {
  GroupOffset,
  KafkaTransactions,
} from '../../../../src/io/kafka/transactional-producer.ts';
import { checkOptions, WriteToKafka } from '../../../../src/io/write-to-kafka.ts';
import { string } from '../../../../src/schema/index.ts';
import { reading, StandIn } from './stand-in.ts';

/** The transactions of a cluster in memory: a later writer ends the one before. */
class Transactions implements KafkaTransactions {
  sent: string[] = [];
  isFenced = false;
  isClosed = false;
  aborted = 0;
  /** Whether the next commit fails when the cluster has it. */
  failsAfterCommit = false;

  constructor(
    private readonly cluster: StandIn,
    /** What readers of committed messages see, one list for each transaction. */
    readonly committed: string[][],
    private readonly writers: Transactions[],
  ) {}

  async begin(): Promise<void> {
    for (const writer of this.writers) writer.isFenced = true;
    this.writers.push(this);
    this.cluster.calls.push('begin');
  }

  async partitions(): Promise<number> {
    return 2;
  }

  private check(): void {
    if (this.isFenced) throw new BeamBridgeError('IO_FAILED', 'fenced');
  }

  async send(records: ProducedRecord[]): Promise<boolean> {
    await delay(1);
    this.check();
    this.sent.push(...records.map(({ value }) => String(value)));
    return true;
  }

  async commit(offsets: readonly GroupOffset[]): Promise<void> {
    await delay(1);
    this.check();
    this.committed.push(this.sent);
    this.sent = [];
    for (const { groupId, topic, partition, offset } of offsets) {
      this.cluster.groups.set(`${groupId}:${topic}:${partition}`, offset);
    }
    if (this.failsAfterCommit) throw new BeamBridgeError('ENDPOINT_UNAVAILABLE', 'no answer');
  }

  stored(): Promise<never> {
    return assert.fail('nobody keeps how far shards are');
  }

  async abort(): Promise<void> {
    this.aborted += 1;
    this.sent = [];
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

class World {
  readonly cluster = new StandIn().topic('in', 2);
  readonly committed: string[][] = [];
  readonly writers: Transactions[] = [];
  count = 0;

  constructor() {
    this.cluster.most = 20;
  }

  write(count: number): this {
    for (let i = 0; i < count; i++) {
      this.cluster.write('in', this.count % 2, { value: `m${this.count}` });
      this.count += 1;
    }
    return this;
  }

  source(options: Partial<ReadKafkaOptions> = {}) {
    const group = { groupId: 'g', commitOffsets: true } as const;
    return reading(this.cluster, { topics: 'in', stop: 'latest', ...group, ...options } as never);
  }

  sink<T>(
    value: (element: T) => string,
    { server = 'stand-in', topic = 'out', id = 'w', compression = 'none' as KafkaCompression } = {},
  ) {
    const spec = checkOptions<T, Uint8Array, Uint8Array>({
      bootstrapServers: server,
      topic,
      value: (element) => new TextEncoder().encode(value(element)),
      compression,
      exactlyOnce: { transactionalId: id },
    });
    return new WriteToKafka(
      spec,
      () => assert.fail('it writes without a transaction'),
      async () => new Transactions(this.cluster, this.committed, this.writers),
    );
  }

  /** What a reader sees, in order. */
  get seen(): string[] {
    return this.committed.flat();
  }

  /** Each message once. */
  all(): void {
    const wanted = Array.from({ length: this.count }, (_, i) => `m${i}`);
    assert.deepEqual([...this.seen].sort(), wanted.sort());
  }
}

const runner = createRunner({ runner: 'node', progress: false });
const text = ({ value }: KafkaMessage) => new TextDecoder().decode(value!);
const run = (build: (root: Root) => void) => runner.run((root) => build(root));

function coded(code: ErrorCode, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof BeamBridgeError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

test('a second run goes on behind the first, and begins before it asks where that was', async () => {
  const world = new World().write(50);
  const copy = () =>
    run(
      (root) =>
        void root
          .apply(world.source())
          .map(text)
          .apply(world.sink((s) => s)),
    );
  await copy();
  world.all();
  world.write(7);
  world.cluster.calls.length = 0;
  await copy();
  world.all();
  const { calls } = world.cluster;
  assert.ok(calls.indexOf('begin') < calls.indexOf('committed'), calls.join());
  assert.ok(world.writers.every(({ isClosed }) => isClosed));
});

test('in several transactions, over a reshuffle and a flatten, in a batch and in a stream', async () => {
  for (const [bounded, forceEncoding] of [
    [true, false],
    [false, false],
    [true, true],
  ] as const) {
    const world = new World().write(500);
    const strict = createRunner({ runner: 'node', progress: false, forceEncoding });
    await strict.run((root) => {
      const messages = root.apply(world.source({ bounded })).apply(reshuffle());
      P([messages.map(text), messages.filter(() => false).map(text)])
        .apply(flatten<string>())
        .map(async (s) => {
          await delay(0);
          return s;
        })
        .apply(world.sink((s: string) => s));
    });
    world.all();
    assert.ok(world.committed.length > 2, String(world.committed.length));
  }
});

test('good messages and bad ones, in two sinks, count together', async () => {
  const world = new World().write(300);
  const split = () =>
    run((root) => {
      const source = world.source({ timestamp: ({ offset }) => (offset % 7n === 0n ? NaN : 0) });
      const { messages, failed } = root.apply(source.withDeadLetters());
      messages.map(text).apply(world.sink((s) => s));
      failed
        .map(({ value }) => new TextDecoder().decode(value!))
        .apply(world.sink((s) => s, { topic: 'bad' }));
    });
  await split();
  await split();
  world.all();
  assert.equal(world.writers.length, 2);
});

test('a side input of another topic, which is read anew each time', async () => {
  const world = new World().write(50);
  world.cluster.topic('names', 1).write('names', 0, { value: 'a' }, { value: 'b' });
  const named = () =>
    run((root) => {
      const names = root.apply(reading(world.cluster, { topics: 'names', stop: 'latest' }));
      root
        .apply(world.source())
        .map((message, { all }) => `${text(message)}${all.lookup().length - 2 || ''}`, {
          all: listSideInput(names),
        })
        .apply(world.sink((s) => s));
    });
  await named();
  await named();
  world.all();
});

test('a message of which nothing comes is not read again', async () => {
  const world = new World().write(20);
  let read = 0;
  const none = () =>
    run((root) => {
      root
        .apply(world.source())
        .filter(() => {
          read += 1;
          return false;
        })
        .map(text)
        .apply(world.sink((s) => s));
    });
  await none();
  await none();
  assert.equal(read, 20);
});

test('a run that fails leaves nothing behind, and the next one does it all', async () => {
  const world = new World().write(500);
  const upTo = (most: number) =>
    run((root) => {
      let seen = 0;
      root
        .apply(world.source())
        .map((message) => {
          seen += 1;
          if (seen > most) throw new Error('enough');
          return text(message);
        })
        .apply(world.sink((s) => s));
    });
  for (const most of [0, 10, 150, 250]) await assert.rejects(upTo(most), /enough/);
  assert.ok(world.writers.every(({ aborted, isClosed }) => aborted === 1 && isClosed));
  await upTo(Number.POSITIVE_INFINITY);
  world.all();
});

test('a commit that may have succeeded fails the run, and the next one looks where it was', async () => {
  const world = new World().write(300);
  const copy = () =>
    run(
      (root) =>
        void root
          .apply(world.source())
          .map(text)
          .apply(world.sink((s) => s)),
    );
  const stopped = copy();
  while (world.writers.length === 0) await delay(1);
  world.writers[0]!.failsAfterCommit = true;
  await assert.rejects(stopped, coded('ENDPOINT_UNAVAILABLE', /no answer/));
  assert.equal(world.committed.length, 1);
  await copy();
  world.all();
});

test('who has been taken over commits nothing any more', async () => {
  const world = new World().write(100);
  const stream = () =>
    runner.runAsync((root) => {
      root
        .apply(world.source({ stop: undefined } as never))
        .map(text)
        .apply(world.sink((s) => s));
    });
  const first = await stream();
  while (world.seen.length < 100) await delay(5);
  const second = await stream();
  while (world.writers.length < 2) await delay(5);
  world.write(100);
  await assert.rejects(first.waitUntilFinish(), coded('IO_FAILED', /fenced/));
  while (world.seen.length < 200) await delay(5);
  assert.equal(await second.drain(), 'DRAINED');
  world.all();
});

const refused: [string, (root: Root, world: World) => void, ErrorCode, RegExp][] = [
  [
    'a grouping',
    (root, world) => {
      root
        .apply(world.source())
        .map((message) => ({ key: 'k', value: text(message) }))
        .apply(groupByKey())
        .map(({ value }) => [...value].join())
        .apply(world.sink((s) => s));
    },
    'UNSUPPORTED',
    /groupByKey.* groups, and what a group has waits in memory/i,
  ],
  [
    'a side input of the messages',
    (root, world) => {
      const texts = root.apply(world.source()).map(text);
      texts
        .map((s, { all }) => s + all.lookup().length, { all: listSideInput(texts) })
        .apply(world.sink((s) => s));
    },
    'UNSUPPORTED',
    /reads a side input of the messages/,
  ],
  [
    'elements of another source',
    (root, world) => {
      P([root.apply(world.source()).map(text), root.apply(create(['x']))])
        .apply(flatten<string>())
        .apply(world.sink((s: string) => s));
    },
    'UNSUPPORTED',
    /gives elements that come again/,
  ],
  [
    'no source of Kafka',
    (root, world) => void root.apply(create(['x'])).apply(world.sink((s) => s)),
    'INVALID_ARGUMENT',
    /no element comes of messages of Kafka[\s\S]*writeToKafka/,
  ],
  [
    'a source that commits nothing',
    (root, world) => {
      const source = world.source({ commitOffsets: false });
      root
        .apply(source)
        .map(text)
        .apply(world.sink((s) => s));
    },
    'INVALID_ARGUMENT',
    /readFromKafka.* commits no offsets/,
  ],
  [
    'a source that begins elsewhere',
    (root, world) => {
      const source = world.source({ start: 'earliest' });
      root
        .apply(source)
        .map(text)
        .apply(world.sink((s) => s));
    },
    'INVALID_ARGUMENT',
    /does not start where its group is/,
  ],
  [
    'another cluster',
    (root, world) => {
      root
        .apply(world.source())
        .map(text)
        .apply(world.sink((s) => s, { server: 'elsewhere' }));
    },
    'INVALID_ARGUMENT',
    /reads from stand-in:9092, and elsewhere:9092 is written to/,
  ],
  [
    'files beside it, which are stored at the end of a batch',
    (root, world) => {
      const texts = root.apply(world.source()).map(text);
      texts.apply(world.sink((s) => s));
      texts.apply(writeToText(join(tmpdir(), 'beambridge-never-written')));
    },
    'UNSUPPORTED',
    /in a batch that writes files/,
  ],
  [
    'two sinks of one source with names of their own',
    (root, world) => {
      const texts = root.apply(world.source()).map(text);
      texts.apply(world.sink((s) => s));
      texts.apply(world.sink((s) => s, { id: 'x' }));
    },
    'INVALID_ARGUMENT',
    /readFromKafka.* is read for a sink with another transactionalId/,
  ],
  [
    'two sinks of one name that do not agree',
    (root, world) => {
      const texts = root.apply(world.source()).map(text);
      texts.apply(world.sink((s) => s));
      texts.apply(world.sink((s) => s, { compression: 'gzip' }));
    },
    'INVALID_ARGUMENT',
    /have the compression none and gzip/,
  ],
];

for (const [what, build, code, message] of refused) {
  test(`refused: ${what}`, async () => {
    const world = new World().write(3);
    await assert.rejects(
      run((root) => build(root, world)),
      coded(code, message),
    );
    assert.deepEqual(world.cluster.calls, []);
  });
}

test('refused: state in between', async () => {
  const world = new World().write(3);
  const last = valueState(string);
  const remember = {
    process: ({ value }: { key: string; value: string }, context: { last: typeof last }) => {
      context.last.write(value);
      return [value];
    },
  };
  await assert.rejects(
    run((root) => {
      root
        .apply(world.source())
        .map((message) => ({ key: 'k', value: text(message) }))
        .apply(parDo(remember, { last }))
        .apply(world.sink((s) => s));
    }),
    coded('UNSUPPORTED', /parDo.* has state or timers/),
  );
});

test('refused on other runners', async () => {
  const world = new World().write(3);
  for (const options of [
    { runner: 'direct' },
    { runner: 'portable', jobEndpoint: 'localhost:1' },
  ] as const) {
    await assert.rejects(
      createRunner({ ...options, progress: false }).run((root) => {
        root
          .apply(world.source())
          .map(text)
          .apply(world.sink((s) => s));
      }),
      coded(
        'UNSUPPORTED',
        /exactlyOnce is for the runner 'node', and for streams of 'flink'[\s\S]*writeToKafka/,
      ),
    );
  }
});

test('options of exactlyOnce', () => {
  const options = { bootstrapServers: 'localhost', topic: 't' };
  const wrong: [unknown, RegExp][] = [
    [true, /exactlyOnce is boolean true/],
    [{}, /exactlyOnce.transactionalId is undefined/],
    [{ transactionalId: '' }, /exactlyOnce.transactionalId/],
    [{ transactionalId: 'w', timeout: 0 }, /exactlyOnce.timeout is /],
    [{ transactionalId: 'w', timeout: 2 ** 31 }, /exactlyOnce.timeout/],
    [{ transactionalId: 'w', shards: 0 }, /exactlyOnce.shards is /],
  ];
  for (const [exactlyOnce, message] of wrong) {
    assert.throws(
      () => writeToKafka({ ...options, exactlyOnce: exactlyOnce as never }),
      coded('INVALID_ARGUMENT', message),
    );
  }
});

test('a pipeline that comes to rest slowly gets fewer messages at once, a fast one more', async () => {
  const world = new World();
  const cycle = new TransactionCycle(
    async () => new Transactions(world.cluster, world.committed, world.writers),
    60_000,
  );
  await cycle.opened();
  /** Gives until it is to pause. */
  const most = async () => {
    let count = 0;
    while (cycle.pauses()) await delay(1);
    cycle.begins();
    while (!cycle.pauses()) {
      cycle.gives();
      count += 1;
    }
    await cycle.settled('g', { topic: 'in', partition: 0 }, count);
    return count;
  };
  const counts = [await most(), await most(), await most()];
  assert.deepEqual(counts, [100, 200, 400]);
  await cycle.close();
  assert.throws(() => cycle.pauses(), coded('ABORTED', /over/));
});
