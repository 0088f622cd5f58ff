// SPDX-License-Identifier: Apache-2.0
// Chunks of shards written once, on a cluster in memory: what comes again after a failure, who may write when two
// have a shard, and what a run that does not go on from what is written is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError } from '../../../../src/base/index.ts';
import type { KV, WindowedValue } from '../../../../src/coders/index.ts';
import { createRunner } from '../../../../src/index.ts';
import { readFromKafka, writeToKafka } from '../../../../src/io/index.ts';
import type { ProducedRecord } from '../../../../src/io/kafka/package.ts';
import {
  decodeMessages,
  encodeMessages,
  type NumberedChunk,
  type numberingType,
} from '../../../../src/io/kafka/shards/chunks.ts';
import { idOf } from '../../../../src/io/kafka/shards/mark.ts';
import { NumberChunks } from '../../../../src/io/kafka/shards/number-chunks.ts';
import { ShardMessages } from '../../../../src/io/kafka/shards/shard-messages.ts';
import { ShardWriter } from '../../../../src/io/kafka/shards/shard-writer.ts';
import { WriteChunks } from '../../../../src/io/kafka/shards/write-chunks.ts';
import { refuseUsed } from '../../../../src/io/kafka/shards/write-in-shards.ts';
import type {
  GroupOffset,
  KafkaTransactions,
} from '../../../../src/io/kafka/transactional-producer.ts';
import type { Outgoing } from '../../../../src/io/kafka/writer.ts';
import { constructPipeline } from '../../../../src/runners/definition.ts';
import { flinkOptions } from '../../../../src/runners/flink/options.ts';
import type { Infer } from '../../../../src/schema/index.ts';

const NAMES = { transactionalId: 'w', topic: 'out' };

/** What counts of a shard, and who may write to it. */
class Shard {
  readonly seen: string[] = [];
  mark: GroupOffset | undefined;
  owner: Transactions | undefined;
  commits = 0;
  /** The next commit fails when the cluster has it. */
  failsAfterCommit = false;
  opened = 0;
  closed = 0;

  writer(earlyMillis?: number): ShardWriter {
    return new ShardWriter(
      NAMES,
      3,
      async () => {
        this.opened += 1;
        return new Transactions(this);
      },
      earlyMillis,
    );
  }
}

class Transactions implements KafkaTransactions {
  private sent: string[] = [];

  constructor(private readonly shard: Shard) {}

  async begin(): Promise<void> {
    this.shard.owner = this;
  }

  async partitions(): Promise<number> {
    return 2;
  }

  async stored(_groupId: string): Promise<ReadonlyMap<number, GroupOffset>> {
    await delay(1);
    return new Map(this.shard.mark && [[0, this.shard.mark]]);
  }

  async send(records: ProducedRecord[]): Promise<boolean> {
    await delay(1);
    this.check();
    this.sent.push(...records.map(({ value }) => String(value)));
    return true;
  }

  async commit([mark]: readonly GroupOffset[]): Promise<void> {
    this.check();
    assert.equal(mark?.groupId, 'w.shards.3');
    assert.equal(mark.partition, 0);
    this.shard.seen.push(...this.sent);
    this.shard.mark = mark;
    this.shard.commits += 1;
    this.sent = [];
    if (!this.shard.failsAfterCommit) return;
    this.shard.failsAfterCommit = false;
    throw new BeamBridgeError('ENDPOINT_UNAVAILABLE', 'no answer');
  }

  private check(): void {
    if (this.shard.owner !== this) throw new BeamBridgeError('IO_FAILED', 'fenced');
  }

  async abort(): Promise<void> {
    this.sent = [];
  }

  async close(): Promise<void> {
    this.shard.closed += 1;
  }
}

const message = (text: string): Outgoing => ({
  topic: 'out',
  key: Buffer.from('k'),
  value: Buffer.from(text),
  partition: undefined,
  headers: undefined,
  timestamp: undefined,
});

const chunk = (number: number, generation = 'g1', writer = 'a'): NumberedChunk => ({
  writer,
  generation,
  number,
  messages: encodeMessages([message(`${number}`)]),
});

test('chunks come out in their order, in one transaction for each bundle', async () => {
  const shard = new Shard();
  const writer = shard.writer();
  assert.deepEqual(await writer.write([chunk(1), chunk(2)], true), []);
  await writer.write([chunk(3)], true);
  assert.deepEqual(shard.seen, ['1', '2', '3']);
  assert.equal(shard.commits, 2);
  assert.equal(shard.opened, 1);
});

test('what comes again after a failure is written once', async () => {
  const shard = new Shard();
  const writer = shard.writer();
  await writer.write([chunk(1)], true);
  shard.failsAfterCommit = true;
  await assert.rejects(writer.write([chunk(2), chunk(3)], true), { code: 'ENDPOINT_UNAVAILABLE' });
  // The same process, and another, which numbers on.
  await writer.write([chunk(2), chunk(3)], true);
  await shard.writer().write([chunk(1), chunk(2), chunk(3), chunk(4, 'g2')], true);
  assert.deepEqual(shard.seen, ['1', '2', '3', '4']);
});

test('who was given up and writes on is fenced, and what he has comes once', async () => {
  const shard = new Shard();
  const zombie = shard.writer();
  await zombie.write([chunk(1)], true);
  const other = shard.writer();
  await other.write([chunk(2)], true);
  await zombie.write([chunk(2)], true);
  await zombie.write([chunk(3)], true);
  const both = await Promise.allSettled([
    zombie.write([chunk(4)], true),
    other.write([chunk(4)], true),
  ]);
  assert.ok(both.some(({ status }) => status === 'fulfilled'));
  await other.write([chunk(4)], true);
  assert.deepEqual(shard.seen, ['1', '2', '3', '4']);
});

test('two that have some of the chunks each, after another parallelism, wait for each other', async () => {
  const shard = new Shard();
  const [one, two] = [shard.writer(), shard.writer()];
  await Promise.all([
    two.write([chunk(2), chunk(4)], true),
    one.write([chunk(1), chunk(3), chunk(5)], true),
  ]);
  assert.deepEqual(shard.seen, ['1', '2', '3', '4', '5']);
});

test('two copies of the step in one process that have some of the chunks each wait for each other', async () => {
  const shard = new Shard();
  const step = new WriteChunks(() => shard.writer(5_000));
  const copies = [
    [2, 4, 6],
    [1, 3, 5],
  ].map(async (numbers) => {
    const copy = step.forBundle();
    copy.startBundle();
    for (const number of numbers) copy.process({ key: 0, value: [chunk(number)] });
    await copy.finishBundle();
  });
  await Promise.all(copies);
  assert.deepEqual(shard.seen, ['1', '2', '3', '4', '5', '6']);
});

test('a writer that waits for brokers is closed all the same', async () => {
  const opened: Transactions[] = [];
  const open = async () => {
    const transactions = new Transactions(new Shard());
    const closed = new Promise<void>((resolve) => {
      transactions.close = async () => resolve();
    });
    // Brokers that are away, until the transactions are closed.
    transactions.stored = async () => {
      await closed;
      throw new BeamBridgeError('ABORTED', 'the run is over');
    };
    opened.push(transactions);
    return transactions;
  };
  const writer = new ShardWriter(NAMES, 3, open, undefined, 20);
  const written = assert.rejects(writer.write([chunk(1)], true), { code: 'ABORTED' });
  await writer.close();
  await written;
  await assert.rejects(writer.write([chunk(1)], true), { code: 'ABORTED' });
  assert.equal(opened.length, 2);
});

test('a chunk whose predecessors nobody writes is an error, and kept back before the end of a bundle', async () => {
  const shard = new Shard();
  const writer = shard.writer(50);
  assert.deepEqual(await writer.write([chunk(2)], false), [chunk(2)]);
  await assert.rejects(writer.write([chunk(2)], true), {
    code: 'IO_FAILED',
    message: /has chunk 2 of shard 3 of out, and 0 is the last[\s\S]*offsets\.retention\.minutes/,
  });
  assert.deepEqual(shard.seen, []);
});

test('a run that begins anew under a name that was used writes nothing', async () => {
  const shard = new Shard();
  await shard.writer().write([chunk(1)], true);
  await assert.rejects(shard.writer().write([chunk(1, 'g2', 'b')], true), {
    code: 'INVALID_ARGUMENT',
    message: /another run has written as w/,
  });
  assert.deepEqual(shard.seen, ['1']);
});

test('a run that goes on from an older state is told, and leaves nothing out in silence', async () => {
  const shard = new Shard();
  await shard.writer().write([chunk(1), chunk(2), chunk(3)], true);
  // Chunk 1 is in the older state, and as it was; 2 is numbered anew, and has other messages.
  const writer = shard.writer();
  await writer.write([chunk(1)], true);
  await assert.rejects(writer.write([chunk(2, 'g2')], true), {
    code: 'INVALID_ARGUMENT',
    message: /older than what exactlyOnce has written/,
  });
  assert.deepEqual(shard.seen, ['1', '2', '3']);
});

test('what others have committed for the group is no mark', async () => {
  const shard = new Shard();
  shard.mark = { groupId: 'w.shards.3', topic: 'out', partition: 0, offset: 7, metadata: '' };
  await assert.rejects(shard.writer().write([chunk(8)], true), {
    code: 'IO_FAILED',
    message: /holds what is not of exactlyOnce/,
  });
});

test('messages are dealt out by key or partition, and are what they were', async () => {
  const prepare = async () => {};
  const shards = new ShardMessages<Outgoing>({ prepare, of: (element) => element }, 4).forBundle();
  await shards.startBundle();
  const given: Outgoing[] = Array.from({ length: 40 }, (_, i) => ({
    ...message(`${i}`),
    key: Buffer.from(`k${i % 5}`),
  }));
  const whole: Outgoing = {
    topic: 'out',
    key: new Uint8Array(),
    value: undefined,
    partition: 6,
    headers: new Map([[Buffer.from('h'), null]]),
    timestamp: 12n,
  };
  for (const each of [...given, whole]) assert.equal(shards.process(each), undefined);
  const chunks = shards
    .finishBundle()
    .map(({ value }: WindowedValue<KV<number, Uint8Array>>) => value);
  const byShard = new Map(chunks.map(({ key, value }) => [key, decodeMessages('out', value)]));
  const all = [...byShard.values()].flat();
  assert.equal(all.length, 41);
  for (let k = 0; k < 5; k++) {
    const of = [...byShard.values()].filter((its) =>
      its.some(({ key }) => String(Buffer.from(key!)) === `k${k}`),
    );
    assert.equal(of.length, 1, `k${k} is in one shard`);
    const values = of[0]!
      .filter(({ key }) => String(Buffer.from(key!)) === `k${k}`)
      .map(({ value }) => Number(Buffer.from(value!)));
    assert.deepEqual(
      values,
      values.toSorted((a, b) => a - b),
    );
  }
  const found = byShard.get(2)!.find(({ partition }) => partition === 6)!;
  assert.deepEqual(found.key?.length, 0);
  assert.deepEqual({ ...found, key: undefined }, { ...whole, key: undefined });
  assert.throws(() => shards.process({ ...whole, partition: -1 }), { code: 'INVALID_ARGUMENT' });
});

test('messages without a key come to the shard that they came to before, in another process as well', async () => {
  const dealt = async (from: number) => {
    const prepare = async () => {};
    const given: Outgoing[] = Array.from({ length: 40 }, (_, i) => ({
      ...message(`${i}`),
      key: undefined,
    }));
    const step = new ShardMessages<Outgoing>({ prepare, of: (element) => element }, 4);
    await step.startBundle();
    for (const each of given.slice(from)) step.process(each);
    return new Map(
      step
        .finishBundle()
        .flatMap(({ value: { key: shard, value } }: WindowedValue<KV<number, Uint8Array>>) =>
          decodeMessages('out', value).map((one) => [String(Buffer.from(one.value!)), shard]),
        ),
    );
  };
  const all = await dealt(0);
  assert.equal(new Set(all.values()).size, 4);
  for (const [value, shard] of await dealt(15)) assert.equal(shard, all.get(value));
});

/** Numbers chunks of a shard, in state that can be put back. */
class Numbering {
  kept: Infer<typeof numberingType> | undefined;

  async next(by: NumberChunks): Promise<NumberedChunk> {
    const numbering = {
      read: async () => this.kept,
      write: (value: typeof this.kept) => {
        this.kept = value;
      },
    };
    const key = { key: 1, value: new Uint8Array() };
    const [numbered] = await by.forBundle().process(key, { numbering } as never);
    return numbered!.value;
  }
}

test('chunks are numbered in the state of their shard', async () => {
  const state = new Numbering();
  const process = new NumberChunks();
  const first = await state.next(process);
  const second = await state.next(process);
  const checkpoint = state.kept;
  const third = await state.next(process);
  const elsewhere = await state.next(new NumberChunks());
  state.kept = checkpoint;
  const again = await state.next(process);
  assert.deepEqual(
    [first, second, third, elsewhere, again].map(({ number }) => number),
    [1, 2, 3, 4, 3],
  );
  assert.equal(
    new Set([first, second, third, elsewhere, again].map(({ writer }) => writer)).size,
    1,
  );
  assert.equal(first.generation, third.generation);
  assert.notEqual(first.generation, elsewhere.generation);
  // The state went back: what is numbered now is another chunk.
  assert.notEqual(again.generation, third.generation);
});

test('a generation has no gap where others have numbered in between', async () => {
  const state = new Numbering();
  const [one, other] = [new NumberChunks(), new NumberChunks()];
  await state.next(one);
  const checkpoint = state.kept;
  const lost = await state.next(one);
  // It goes on from the checkpoint elsewhere, and comes back when it is as far as it was.
  state.kept = checkpoint;
  const instead = await state.next(other);
  assert.equal(instead.number, lost.number);
  const later = await state.next(one);
  assert.notEqual(later.generation, lost.generation);
  assert.notEqual(later.generation, instead.generation);
  assert.equal((await state.next(one)).generation, later.generation);
});

test('headers count for the size of a chunk', async () => {
  const prepare = async () => {};
  const shards = new ShardMessages<Outgoing>({ prepare, of: (element) => element }, 1).forBundle();
  await shards.startBundle();
  const headers = new Map([[Buffer.from('h'), Buffer.alloc(100_000)]]);
  const sizes = Array.from({ length: 12 }, () =>
    shards.process({ ...message('v'), headers }),
  ).flatMap((chunks) => chunks?.map(({ value }) => value.length) ?? []);
  assert.equal(sizes.length, 2);
  assert.ok(Math.max(...sizes) < 700_000, String(sizes));
});

test('a run that begins anew with fewer shards sees the mark of one that it has not', async () => {
  const asked: string[] = [];
  const shard = new Shard();
  const open = async () => {
    const transactions = new Transactions(shard);
    transactions.stored = async (groupId: string) => {
      asked.push(groupId);
      const mark = { groupId, topic: 'out', partition: 0, offset: 1, metadata: '' };
      return new Map(groupId.endsWith('.9') ? [[0, mark]] : []);
    };
    return transactions;
  };
  await assert.rejects(refuseUsed(NAMES, open), { code: 'INVALID_ARGUMENT' });
  assert.ok(asked.includes('w.shards.9'), asked[9]);
});

test('the last copy of the step closes the writers, and one that is set up later opens them again', async () => {
  const shard = new Shard();
  const original = new WriteChunks(() => shard.writer());
  const copies = [original.forBundle(), original.forBundle()];
  for (const copy of copies) copy.setup();
  const write = async (step: WriteChunks, number: number) => {
    step.startBundle();
    step.process({ key: 0, value: [chunk(number)] });
    await step.finishBundle();
  };
  await write(copies[0]!, 1);
  await copies[0]!.teardown();
  assert.equal(shard.closed, 0);
  await write(copies[1]!, 2);
  await copies[1]!.teardown();
  assert.equal(shard.closed, shard.opened);
  const later = original.forBundle();
  later.setup();
  await write(later, 3);
  assert.deepEqual(shard.seen, ['1', '2', '3']);
  await later.teardown();
  assert.equal(shard.closed, shard.opened);
});

test('no two sinks write under the same name', () => {
  const one = idOf({ transactionalId: 'orders.eu', topic: 'copies' }, 0);
  assert.notEqual(one, idOf({ transactionalId: 'orders', topic: 'eu.copies' }, 0));
});

test('a bundle writes all its shards', async () => {
  const shards = [new Shard(), new Shard()];
  const step = new WriteChunks((shard) => shards[shard]!.writer()).forBundle();
  step.startBundle();
  for (const number of [1, 2]) {
    for (const key of [0, 1]) step.process({ key, value: [chunk(number)] });
  }
  await step.finishBundle();
  assert.deepEqual(
    shards.map(({ seen }) => seen),
    [
      ['1', '2'],
      ['1', '2'],
    ],
  );
});

test('chunks of a shard are written by their numbers, in whatever order a bundle has them', async () => {
  const shard = new Shard();
  const step = new WriteChunks(() => shard.writer()).forBundle();
  step.startBundle();
  step.process({ key: 0, value: [chunk(2), chunk(1)] });
  step.process({ key: 0, value: [chunk(3)] });
  await step.finishBundle();
  assert.deepEqual(shard.seen, ['1', '2', '3']);
});

test('a bundle of which one shard is refused writes nothing of the others', async () => {
  const shards = [new Shard(), new Shard()];
  const steps = () => new WriteChunks((shard) => shards[shard]!.writer()).forBundle();
  const write = async (step: WriteChunks, ...chunks: [shard: number, NumberedChunk][]) => {
    step.startBundle();
    for (const [key, one] of chunks) step.process({ key, value: [one] });
    await step.finishBundle();
  };
  const first = steps();
  await write(first, [0, chunk(1)], [1, chunk(1)]);
  await write(first, [1, chunk(2)]);
  // From a state before the second bundle: it is refused by shard 1 alone.
  const older = steps();
  await assert.rejects(write(older, [0, chunk(2, 'g2')], [1, chunk(2, 'g2')]), {
    code: 'INVALID_ARGUMENT',
    message: /older than what exactlyOnce has written/,
  });
  assert.deepEqual(
    shards.map(({ seen }) => seen),
    [['1'], ['1', '2']],
  );
  // So the right one still goes on.
  await write(steps(), [0, chunk(2, 'g3')], [1, chunk(3, 'g3')]);
  assert.deepEqual(
    shards.map(({ seen }) => seen),
    [
      ['1', '2'],
      ['1', '2', '3'],
    ],
  );
});

const flink = createRunner({ runner: 'flink', checkpointingInterval: 1_000, progress: false });
const cluster = { bootstrapServers: '127.0.0.1:1' };
const exactlyOnce = { transactionalId: 'w' };

test('Flink is told to have buffers enough for stable input', async () => {
  const pipeline = await constructPipeline(
    (root) =>
      root
        .apply(readFromKafka({ ...cluster, topics: 'in' }))
        .map(({ value }) => value!)
        .apply(writeToKafka({ ...cluster, topic: 'out', exactlyOnce })),
    flink.options,
  );
  assert.equal(flinkOptions(flink.options, pipeline).numConcurrentCheckpoints, 32);
  const own = { ...flink.options, numConcurrentCheckpoints: 8 };
  assert.equal(flinkOptions(own, pipeline).numConcurrentCheckpoints, 8);
  const [write] = pipeline.transforms.filter(({ requirements }) => requirements.size > 0).slice(-1);
  assert.match(write!.name, /writeToKafka\/write/);
});

test('on Flink options with which input is not stable are refused before anything starts', async () => {
  for (const options of [
    { numConcurrentCheckpoints: 1 },
    { enableStableInputDrain: true },
    { checkpointingMode: 'AT_LEAST_ONCE' },
  ]) {
    await assert.rejects(
      flink.run(
        (root) =>
          root
            .apply(readFromKafka({ ...cluster, topics: 'in' }))
            .map(({ value }) => value!)
            .apply(writeToKafka({ ...cluster, topic: 'out', exactlyOnce })),
        options,
      ),
      { code: 'UNSUPPORTED', message: /exactlyOnce does not hold with/ },
    );
  }
});

test('on Flink a batch, topics by a function, and two sinks of one name are refused before anything starts', async () => {
  await assert.rejects(
    flink.run((root) =>
      root
        .apply(readFromKafka({ ...cluster, topics: 'in', stop: 'latest' }))
        .map(({ value }) => value!)
        .apply(writeToKafka({ ...cluster, topic: 'out', exactlyOnce })),
    ),
    { code: 'UNSUPPORTED', message: /on Flink exactlyOnce is for streams/ },
  );
  await assert.rejects(
    flink.run((root) =>
      root
        .apply(readFromKafka({ ...cluster, topics: 'in' }))
        .map(({ value }) => value!)
        .apply(writeToKafka({ ...cluster, topic: () => 'out', exactlyOnce })),
    ),
    { code: 'UNSUPPORTED', message: /is for one topic/ },
  );
  await assert.rejects(
    flink.run((root) => {
      const values = root
        .apply(readFromKafka({ ...cluster, topics: 'in' }))
        .map(({ value }) => value!);
      for (let i = 0; i < 2; i++) {
        values.apply(writeToKafka({ ...cluster, topic: 'out', exactlyOnce }));
      }
    }),
    { code: 'INVALID_ARGUMENT', message: /two sinks write to out as w/ },
  );
});
