// SPDX-License-Identifier: Apache-2.0
// The executor of Python stages against workers of this process, which are not even Python.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../../src/base/index.ts';
import type { BundleIO, InputChunk } from '../../../../src/harness/index.ts';
import {
  create,
  createClient,
  fn,
  fromBinary,
  GrpcStatus,
  pb,
  toBinary,
  urns,
} from '../../../../src/proto/index.ts';
import { isWorkerLost, PythonExecutor } from '../../../../src/runners/node/python/index.ts';
import { FakePythonPool } from '../../../helpers/fake-python-worker.ts';

const { DATA_SOURCE, DATA_SINK } = urns.FnApiTransforms_Runner;

function descriptor(withTimers = false) {
  const port = toBinary(
    fn.RemoteGrpcPortSchema,
    create(fn.RemoteGrpcPortSchema, { coderId: 'coder' }),
  );
  const parDo = create(pb.ParDoPayloadSchema, { timerFamilySpecs: { family: {} } });
  return create(fn.ProcessBundleDescriptorSchema, {
    id: 'theirs',
    transforms: {
      source: { spec: { urn: DATA_SOURCE, payload: port }, outputs: { out: 'p' } },
      sink: { spec: { urn: DATA_SINK, payload: port }, inputs: { in: 'p' } },
      ...(withTimers && {
        timely: {
          spec: {
            urn: urns.StandardPTransforms_Primitives.PAR_DO,
            payload: toBinary(pb.ParDoPayloadSchema, parDo),
          },
        },
      }),
    },
  });
}

function surroundings(chunks: readonly InputChunk[], rest: Partial<BundleIO> = {}) {
  const left = [...chunks];
  const log: string[] = [];
  const text = (data: Uint8Array) => Buffer.from(data).toString();
  const io: BundleIO = {
    input: { next: () => left.shift() },
    output: {
      write: (id, data) => void log.push(`${id} ${text(data)}`),
      close: (id) => void log.push(`${id} closed`),
      closeTimers: (id, family, data) => void log.push(`${id} ${family} ${text(data)}`),
    },
    state: {
      async *sideInput() {},
      async *iterable() {},
    },
    ...rest,
  };
  return { io, log };
}

const chunk = (text: string): InputChunk => ({ transformId: 'source', data: Buffer.from(text) });

async function rejection(promise: Promise<unknown>): Promise<BeamBridgeError> {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof BeamBridgeError, String(error));
  return error;
}

test('a worker gets our address in every port, asks for a descriptor once, and echoes', async () => {
  await using pool = await FakePythonPool.start();
  await using python = await PythonExecutor.start();
  const stage = descriptor();
  for (const text of ['a', 'b']) {
    const { io, log } = surroundings([chunk(text), chunk(text)]);
    await python.start(pool.environment, stage, io).done;
    assert.deepEqual(log, [`sink ${text}${text}`, 'sink closed']);
  }
  const [worker] = pool.workers;
  assert.equal(pool.workers.length, 1);
  assert.deepEqual(pool.requests[0]?.params, { theirs: 'yes' });
  assert.equal(worker?.descriptors.length, 1);
  const [got] = worker!.descriptors;
  for (const id of ['source', 'sink']) {
    const port = fromBinary(fn.RemoteGrpcPortSchema, got!.transforms[id]!.spec!.payload);
    assert.deepEqual([port.apiServiceDescriptor?.url, port.coderId], [worker!.url, 'coder']);
  }
  assert.equal(got!.stateApiServiceDescriptor?.url, worker!.url);
  assert.equal(stage.id, 'theirs');
  assert.equal(stage.stateApiServiceDescriptor, undefined);
});

test('small chunks are sent together, and what is there is sent before a wait', async () => {
  await using pool = await FakePythonPool.start();
  await using python = await PythonExecutor.start();
  const many = surroundings(Array.from({ length: 2000 }, () => chunk('x'.repeat(1024))));
  await python.start(pool.environment, descriptor(), many.io).done;
  const [worker] = pool.workers;
  assert.equal(worker!.messages.length, 5);

  let arrived = () => {};
  const seen = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const before = worker!.messages.length;
  const poll = setInterval(() => worker!.messages.length > before && arrived(), 5);
  const steps: (() => Promise<InputChunk | undefined>)[] = [
    async () => chunk('first'),
    () => seen.then(() => chunk('second')),
    async () => undefined,
  ];
  const { io, log } = surroundings([], { input: { next: () => steps.shift()!() } });
  await python.start(pool.environment, descriptor(), io).done;
  clearInterval(poll);
  assert.deepEqual(log, ['sink firstsecond', 'sink closed']);
});

test('timers go in and out, and every family is closed', async () => {
  await using pool = await FakePythonPool.start({
    answer: (request, worker) => {
      const { instructionId } = request;
      const timer = { instructionId, transformId: 'timely', timerFamilyId: 'family' };
      const sink = { instructionId, transformId: 'sink' };
      return worker.input(instructionId).then(() => {
        worker.send({ timers: [{ ...timer, timers: Buffer.from('set ') }] });
        worker.send({ timers: [{ ...timer, timers: Buffer.from('again') }] });
        worker.send({
          timers: [{ ...timer, isLast: true }],
          data: [{ ...sink, isLast: true }],
        });
        return { response: { case: 'processBundle', value: {} } };
      });
    },
  });
  await using python = await PythonExecutor.start();
  const fired = { transformId: 'timely', timerFamilyId: 'family', data: Buffer.from('fired') };
  const { io, log } = surroundings([fired]);
  await python.start(pool.environment, descriptor(true), io).done;
  assert.deepEqual(log, ['timely family set again', 'sink closed']);
  const timers = pool.workers[0]!.messages.flatMap((message) => message.timers);
  assert.deepEqual(
    timers.map((each) => [Buffer.from(each.timers).toString(), each.isLast]),
    [
      ['fired', false],
      ['', true],
    ],
  );
});

test('state: pieces of a side input, a piece again, a bag, and what there is not', async () => {
  const answers: (fn.StateResponse['response']['value'] | string)[] = [];
  const window = new Uint8Array([1]);
  await using pool = await FakePythonPool.start({
    answer: (request, worker) => {
      const { instructionId } = request;
      const ask = async (
        type: object,
        what: object = { case: 'get', value: {} },
      ): Promise<Uint8Array> => {
        const { response, error } = await worker.ask({
          instructionId,
          stateKey: { type } as never,
          request: what as never,
        });
        answers.push(error || response.value);
        return response.case === 'get' ? response.value.continuationToken : new Uint8Array();
      };
      const bag = {
        case: 'bagUserState',
        value: { transformId: 't', userStateId: 's', window, key: window },
      };
      const side = {
        case: 'iterableSideInput',
        value: { transformId: 't', sideInputId: 's', window },
      };
      const get = (continuationToken: Uint8Array) => ({
        case: 'get',
        value: { continuationToken },
      });
      return worker.input(instructionId).then(async () => {
        const token = await ask(side);
        await ask(side, get(token));
        await ask(side, get(token));
        await ask(bag, { case: 'append', value: { data: Buffer.from('ab') } });
        await ask(bag);
        await ask(bag, { case: 'clear', value: {} });
        await ask(bag);
        await ask({ case: 'multimapUserState', value: {} });
        worker.send({ data: [{ instructionId, transformId: 'sink', isLast: true }] });
        return { response: { case: 'processBundle', value: {} } };
      });
    },
  });
  await using python = await PythonExecutor.start();
  const bag: Uint8Array[] = [];
  const { io } = surroundings([], {
    state: {
      async *sideInput() {
        for (let i = 0; i < 5; i++) yield Buffer.alloc(400_000, i);
      },
      async *iterable() {},
      user: {
        async *read() {
          yield* bag;
        },
        append: async (_, data) => void bag.push(data),
        clear: async () => void bag.splice(0),
      },
    },
  });
  await python.start(pool.environment, descriptor(), io).done;
  const sizes = answers.map((each) =>
    typeof each === 'object' && 'data' in each ? [each.data.length, each.data[0]] : each,
  );
  assert.deepEqual(sizes.slice(0, 3), [
    [1_200_000, 0],
    [800_000, 3],
    [800_000, 3],
  ]);
  assert.deepEqual(
    [sizes[4], sizes[6]],
    [
      [2, 97],
      [0, undefined],
    ],
  );
  assert.match(String(sizes[7]), /multimapUserState/);
});

test('residuals, short metrics and finalization come out of the answer', async () => {
  await using pool = await FakePythonPool.start({
    answer: ({ instructionId, request }, worker) => {
      if (request.case === 'monitoringInfos') {
        const info = { urn: 'u', type: 't', labels: { PTRANSFORM: 'x' } };
        const monitoringInfo = Object.fromEntries(
          request.value.monitoringInfoId.map((id) => [id, info]),
        );
        return Promise.resolve({
          response: { case: 'monitoringInfos', value: { monitoringInfo } },
        });
      }
      if (request.case !== 'processBundle') return Promise.resolve({});
      worker.send({ data: [{ instructionId, transformId: 'sink', isLast: true }] });
      return Promise.resolve({
        response: {
          case: 'processBundle',
          value: {
            requiresFinalization: true,
            monitoringData: { m1: Uint8Array.of(7) },
            residualRoots: [
              {
                application: {
                  transformId: 'sdf',
                  inputId: 'in',
                  element: Uint8Array.of(1, 2),
                  outputWatermarks: { out: { seconds: 3n, nanos: 4_000_000 } },
                },
                requestedTimeDelay: { seconds: 1n, nanos: 500_000_000 },
              },
            ],
          },
        },
      });
    },
  });
  await using python = await PythonExecutor.start();
  const { done } = python.start(pool.environment, descriptor(), surroundings([]).io);
  const { monitoringInfos, finalizers, residuals } = await done;
  assert.deepEqual(
    monitoringInfos.map(({ urn, type, labels, payload }) => [urn, type, labels, payload[0]]),
    [['u', 't', { PTRANSFORM: 'x' }, 7]],
  );
  assert.deepEqual(residuals, [
    {
      transformId: 'sdf',
      inputId: 'in',
      element: Buffer.from([1, 2]),
      delayMillis: 1500,
      isBounded: true,
      watermarks: new Map([['out', 3004]]),
    },
  ]);
  await finalizers[0]!();
  const [process, , finalize] = pool.workers[0]!.instructions;
  assert.equal(finalize?.request.case, 'finalizeBundle');
  assert.equal(
    (finalize.request.value as fn.FinalizeBundleRequest).instructionId,
    process?.instructionId,
  );
});

test('a worker that breaks off is replaced, and its bundle says that it may be repeated', async () => {
  let killed = false;
  await using pool = await FakePythonPool.start({
    answer: (_, worker) => {
      if (killed) return undefined;
      killed = true;
      worker.die();
      return new Promise(() => {});
    },
  });
  await using python = await PythonExecutor.start();
  const stage = descriptor();
  const first = python.start(pool.environment, stage, surroundings([chunk('a')]).io);
  assert.ok(isWorkerLost(await rejection(first.done)));
  const { io, log } = surroundings([chunk('a')]);
  await python.start(pool.environment, stage, io).done;
  assert.deepEqual(log, ['sink a', 'sink closed']);
  assert.equal(pool.workers.length, 2);
});

test('a worker that did not start twice is started a third time', async () => {
  await using pool = await FakePythonPool.start({ refuse: 'no memory now', refusals: 2 });
  await using python = await PythonExecutor.start();
  const { io, log } = surroundings([chunk('a')]);
  await python.start(pool.environment, descriptor(), io).done;
  assert.deepEqual(log, ['sink a', 'sink closed']);
  assert.equal(pool.requests.length, 3);
});

test('a pool that starts nothing three times is given up', async () => {
  await using pool = await FakePythonPool.start({ refuse: 'no module named apache_beam' });
  await using python = await PythonExecutor.start();
  const start = () => python.start(pool.environment, descriptor(), surroundings([]).io).done;
  const error = await rejection(start());
  assert.equal(error.code, 'HOST_START_FAILED');
  assert.match(error.message, /no module named apache_beam/);
  assert.equal(isWorkerLost(error), false);
  assert.equal(pool.requests.length, 3);
  assert.equal((await rejection(start())).code, 'HOST_START_FAILED');
  assert.equal(pool.requests.length, 3);
});

for (const starts of ['nothing', 'no answer'] as const) {
  test(`a worker of somebody else that never connects is an error, where its pool gives ${starts}`, async () => {
    await using pool = await FakePythonPool.start({ starts });
    await using python = await PythonExecutor.start({ foreignStartMs: 50 });
    const start = () => python.start(pool.environment, descriptor(), surroundings([]).io).done;
    const error = await rejection(start());
    assert.equal(error.code, 'TIMEOUT');
    assert.ok(error.message.includes(pool.address), error.message);
    assert.match(error.message, /has not connected to 127\.0\.0\.1:\d+ within 0\.05 s/);
    assert.match(error.hint!, /jamm.*workerStartTimeoutMs/s);
    // It was asked for once only: whoever waits has waited long enough.
    assert.equal(pool.requests.length, 1);
    assert.equal((await rejection(start())).code, 'TIMEOUT');
  });
}

test('an environment without workers, and a number of workers that cannot be, are refused', async () => {
  await using python = await PythonExecutor.start();
  const environment = create(pb.EnvironmentSchema, { urn: 'beam:env:docker:v1' });
  const bundle = python.start(environment, descriptor(), surroundings([]).io);
  assert.equal((await rejection(bundle.done)).code, 'UNSUPPORTED');
  for (const workers of [0, 1.5, Number.NaN]) {
    assert.equal((await rejection(PythonExecutor.start({ workers }))).code, 'INVALID_ARGUMENT');
  }
});

test('nobody takes part without the id of a worker', async () => {
  await using pool = await FakePythonPool.start();
  await using python = await PythonExecutor.start();
  await python.start(pool.environment, descriptor(), surroundings([]).io).done;
  const { url } = pool.workers[0]!;
  for (const metadata of [{}, { worker_id: 'python-1' }]) {
    const client = createClient(fn.BeamFnControl, url, { metadata });
    const unauthenticated = { code: GrpcStatus.UNAUTHENTICATED };
    const control = client.control();
    await assert.rejects(async () => {
      for await (const _ of control as AsyncIterable<unknown>) assert.fail('it got an instruction');
    }, unauthenticated);
    const request = { processBundleDescriptorId: 'stage-1' };
    await assert.rejects(client.getProcessBundleDescriptor(request), unauthenticated);
    client.close();
  }
});

test('a signal ends what runs, and what waits for a worker', async () => {
  await using pool = await FakePythonPool.start({ answer: () => new Promise(() => {}) });
  const controller = new AbortController();
  const python = await PythonExecutor.start({ signal: controller.signal });
  const start = () => python.start(pool.environment, descriptor(), surroundings([]).io).done;
  const failing = [rejection(start()), rejection(start())];
  while (!pool.workers[0]?.instructions.length) await new Promise((next) => setTimeout(next, 5));
  controller.abort();
  assert.deepEqual(
    (await Promise.all(failing)).map(({ code }) => code),
    ['ABORTED', 'ABORTED'],
  );
  const late = PythonExecutor.start({ signal: controller.signal });
  assert.equal((await rejection(late)).code, 'ABORTED');
});

test('an aborted bundle that waits for a worker leaves the others alone', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using pool = await FakePythonPool.start();
  await using python = await PythonExecutor.start();
  const slow = surroundings([], { input: { next: () => held.then(() => undefined) } });
  const first = python.start(pool.environment, descriptor(), slow.io);
  const second = python.start(pool.environment, descriptor(), surroundings([]).io);
  const enough = new BeamBridgeError('JOB_CANCELLED', 'enough');
  second.abort(enough);
  assert.equal(await rejection(second.done), enough);
  release();
  await first.done;
  assert.deepEqual(pool.stopped, []);
});
