// SPDX-License-Identifier: Apache-2.0
// What cannot be read again is read when all that it feeds is there: a run that comes to nothing before has
// taken nothing from it. The expansion service and the workers are of this process.

import assert from 'node:assert/strict';
import { EventEmitter, on } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { StrUtf8Coder } from '../../../../src/coders/index.ts';
import { rawExternalTransform } from '../../../../src/external/index.ts';
import {
  OffsetRangeTracker,
  offsetRange,
  type PCollection,
  parDo,
  splittableDoFn,
} from '../../../../src/pipeline/index.ts';
import {
  type ExpansionRequest,
  create as message,
  pb,
  toBinary,
} from '../../../../src/proto/index.ts';
import { createRunner, type PipelineOptions } from '../../../../src/runners/index.ts';
import { string } from '../../../../src/schema/index.ts';
import {
  create,
  fixedWindows,
  fromAsyncIterable,
  groupByKey,
  windowInto,
  withCoder,
} from '../../../../src/transforms/index.ts';
import { expansion, fakeExpansionService } from '../../../helpers/fake-expansion-service.ts';
import { FakePythonPool, type FakeWorker } from '../../../helpers/fake-python-worker.ts';

const external = (address: string) =>
  rawExternalTransform<PCollection<string>, PCollection<string>>('fake:asked', undefined, address, {
    output: string,
  });

const node = (options: PipelineOptions = {}) =>
  createRunner({ runner: 'node', progress: false, ...options });

/** An iterable of texts that knows how many were read. */
function texts(most = Number.POSITIVE_INFINITY) {
  const read: string[] = [];
  return {
    read,
    async *from(signal: AbortSignal) {
      while (read.length < most && !signal.aborted) {
        const text = String(read.length);
        read.push(text);
        yield text;
        await delay(1);
      }
    },
  };
}

/** A service whose transform is a ParDo in workers of the pool. */
function parDoOf(pool: FakePythonPool, meanwhile: () => Promise<void> = async () => {}) {
  return fakeExpansionService(async (request: ExpansionRequest) => {
    await meanwhile();
    const answer = expansion(request, { environment: pool.environment });
    for (const { spec } of Object.values(answer.components!.transforms!)) {
      if (spec?.urn !== 'fake:inner') continue;
      spec.urn = 'beam:transform:pardo:v1';
      spec.payload = toBinary(
        pb.ParDoPayloadSchema,
        message(pb.ParDoPayloadSchema, { doFn: { urn: 'fake:fn' } }),
      );
    }
    return answer;
  });
}

/** What a worker does whose function gives what it gets. */
const echo = {
  answer: (
    { instructionId, request }: Parameters<NonNullable<FakeBehaviourAnswer>>[0],
    worker: FakeWorker,
  ) => {
    if (request.case !== 'processBundle') return undefined;
    return (async () => {
      await worker.describe(request.value.processBundleDescriptorId);
      const described = worker.descriptors.find(
        ({ id }) => id === request.value.processBundleDescriptorId,
      )!;
      const data = await worker.input(instructionId);
      for (const transformId of Object.keys(described.transforms)) {
        if (!transformId.includes(':sink')) continue;
        worker.send({ data: [{ instructionId, transformId, data }] });
        worker.send({ data: [{ instructionId, transformId, isLast: true }] });
      }
      return { response: { case: 'processBundle' as const, value: {} } };
    })();
  },
};
type FakeBehaviourAnswer = NonNullable<Parameters<typeof FakePythonPool.start>[0]>['answer'];

for (const bounded of [false, true]) {
  test(`an expansion that fails costs no element of an iterable (bounded: ${bounded})`, {
    timeout: 20_000,
  }, async () => {
    using service = await fakeExpansionService(async () => {
      await delay(100);
      return { error: 'Traceback (most recent call last):\nValueError: no' };
    });
    const source = texts(1000);
    const files: string[] = [];
    const started = node().runAsync((root) => {
      root
        .apply(fromAsyncIterable(source.from, { bounded, coder: new StrUtf8Coder() }))
        .apply(external(service.address));
      // What can be read again need not wait.
      root.apply(create(['a'])).map((one) => void files.push(one));
    });
    await assert.rejects(started, { code: 'EXPANSION_FAILED' });
    assert.deepEqual([source.read, files], [[], ['a']]);
  });
}

test('a worker that does not start costs none either', { timeout: 30_000 }, async () => {
  await using pool = await FakePythonPool.start({ starts: 'nothing' });
  using service = await parDoOf(pool);
  const source = texts();
  const started = node({ workerStartTimeoutMs: 100 }).runAsync((root) => {
    root
      .apply(fromAsyncIterable(source.from, { coder: new StrUtf8Coder() }))
      .apply(external(service.address));
  });
  await assert.rejects(started, { code: 'TIMEOUT', message: /not connected/ });
  assert.deepEqual(source.read, []);
});

test('a splittable DoFn that reads once waits as a stream does, and another does not', {
  timeout: 20_000,
}, async () => {
  const read: string[] = [];
  let beforeExpansion: string[] = [];
  await using pool = await FakePythonPool.start(echo);
  using service = await parDoOf(pool, async () => {
    while (!read.includes('again')) await delay(5);
    await delay(50);
    beforeExpansion = [...read];
  });
  const reading = (name: string, readsOnce: boolean) =>
    parDo(
      splittableDoFn({
        readsOnce,
        initialRestriction: () => offsetRange(0, 1),
        newTracker: (range: { start: number; stop: number }) => new OffsetRangeTracker(range),
        *process(_: string, tracker) {
          if (!tracker.tryClaim(0)) return;
          read.push(name);
          yield name;
        },
      }),
    );
  await node().run((root) => {
    const one = root.apply(create(['x']));
    one.apply(reading('again', false));
    one
      .apply(reading('once', true))
      .apply(withCoder(new StrUtf8Coder()))
      .apply(external(service.address));
  });
  assert.deepEqual(beforeExpansion, ['again']);
  assert.deepEqual(read, ['again', 'once']);
});

test('a stream is read when its workers are there, and from then on it can be drained', {
  timeout: 30_000,
}, async () => {
  await using pool = await FakePythonPool.start(echo);
  using service = await parDoOf(pool);
  let workersAtFirst = -1;
  const source = texts();
  const grouped: string[] = [];
  const result = await node().runAsync((root) => {
    root
      .apply(
        fromAsyncIterable(
          (signal) => {
            workersAtFirst = pool.workers.length;
            return source.from(signal);
          },
          { coder: new StrUtf8Coder() },
        ),
      )
      .apply(external(service.address))
      .map((value) => ({ key: 'k', value }))
      .apply(windowInto(fixedWindows(3600)))
      .apply(groupByKey())
      .map(({ value }) => void grouped.push(...value));
  });
  // At once: nothing has come back from the worker yet.
  assert.equal(await result.drain(), 'DRAINED');
  assert.equal(workersAtFirst, 1);
  assert.deepEqual(
    grouped
      .map(Number)
      .sort((a, b) => a - b)
      .map(String),
    source.read,
  );
});

test('a signal while a stream starts cancels it, and it has read nothing; then it drains', {
  timeout: 30_000,
}, async () => {
  // A program that handles the signal itself is not ended by it.
  const handler = () => {};
  process.on('SIGTERM', handler);
  try {
    using service = await fakeExpansionService(async () => {
      process.kill(process.pid, 'SIGTERM');
      return new Promise<never>(() => {});
    });
    const source = texts();
    const run = node().run((root) => {
      root
        .apply(fromAsyncIterable(source.from, { coder: new StrUtf8Coder() }))
        .apply(external(service.address));
    });
    await assert.rejects(run, { code: 'JOB_CANCELLED' });
    assert.deepEqual(source.read, []);

    const taken: string[] = [];
    const drained = await node().run((root) => {
      root
        .apply(
          fromAsyncIterable((signal) => {
            // Before runAsync has resolved.
            process.kill(process.pid, 'SIGTERM');
            return source.from(signal);
          }),
        )
        .map((one) => void taken.push(one));
    });
    assert.equal(drained.state, 'DRAINED');
    assert.deepEqual(taken, source.read);
  } finally {
    process.off('SIGTERM', handler);
  }
});

test('events that are emitted once runAsync has resolved are taken', {
  timeout: 20_000,
}, async () => {
  await using pool = await FakePythonPool.start(echo);
  using service = await parDoOf(pool);
  const emitter = new EventEmitter();
  const taken: string[] = [];
  const result = await node().runAsync((root) => {
    root
      .apply(fromAsyncIterable((signal) => on(emitter, 'one', { signal })))
      .map(([one]): string => one)
      .apply(withCoder(new StrUtf8Coder()))
      .apply(external(service.address))
      .map((one) => void taken.push(one));
  });
  for (const one of ['a', 'b', 'c']) emitter.emit('one', one);
  assert.equal(await result.drain(), 'DRAINED');
  assert.deepEqual(taken, ['a', 'b', 'c']);
});

test('a source that fails as it is opened fails the run and not its start', {
  timeout: 20_000,
}, async () => {
  const result = await node().runAsync((root) => {
    root
      .apply(
        fromAsyncIterable(() => {
          throw new RangeError('no such queue');
        }),
      )
      .map(String);
  });
  await assert.rejects(result.waitUntilFinish(), {
    code: 'USER_CODE_FAILED',
    message: /no such queue/,
  });
});
