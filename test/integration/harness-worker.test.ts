// SPDX-License-Identifier: Apache-2.0
// The worker against a runner that the test plays itself, over real gRPC streams on loopback.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type BeamBridgeError, getLogger, setLogSink } from '../../src/base/index.ts';
import {
  encodeValue,
  KVCoder,
  StateBackedIterable,
  StateBackedIterableCoder,
  StrUtf8Coder,
  VarIntCoder,
} from '../../src/coders/index.ts';
import { Failures, SdkWorker, type SdkWorkerOptions } from '../../src/harness/index.ts';
import { bundleFinalizerParam, type PCollection, parDo } from '../../src/pipeline/index.ts';
import { fn } from '../../src/proto/index.ts';
import { iterableSideInput } from '../../src/transforms/index.ts';
import { FakeRunner, withResolvers } from '../fixtures/harness/fake-runner.ts';
import { fed, SOURCE, type Stage, stageOf } from '../unit/harness/support.ts';

type Numbers = PCollection<number>;

/** A runner, a stage that it knows, and a worker that is connected to it. */
async function connected(
  t: TestContext,
  build: Parameters<typeof stageOf>[0],
  options: Partial<SdkWorkerOptions> = {},
) {
  const runner = await FakeRunner.start();
  const stage = stageOf(build, { url: runner.address });
  runner.register(stage.descriptor);
  const worker = new SdkWorker({
    workerId: 'w-1',
    controlUrl: runner.address,
    functions: stage.pipeline.functions,
    ...options,
  });
  t.after(async () => {
    await worker.close();
    runner[Symbol.dispose]();
  });
  return { runner, stage, worker };
}

function values(runner: FakeRunner, stage: Stage, instructionId: string, sink = 'out') {
  return stage.decode(sink, runner.sink(instructionId, sink)).map(({ value }) => value);
}

async function bundle(runner: FakeRunner, stage: Stage, id: string, input: readonly unknown[]) {
  const answer = runner.process(id, 'stage');
  await runner.send(id, SOURCE, stage.encode(input));
  await runner.send(id, SOURCE, new Uint8Array(), true);
  return answer;
}

const double = (input: Numbers) => ({ out: input.map((x) => x * 2) });

test('bundles run one after the other, the descriptor is fetched once, the worker names itself', async (t) => {
  const { runner, stage } = await connected(t, double as never);
  for (let i = 0; i < 20; i++) {
    const answer = await bundle(runner, stage, `b${i}`, [i, i + 1]);
    assert.equal(answer.error, '');
    assert.equal(answer.response.case, 'processBundle');
    assert.deepEqual(values(runner, stage, `b${i}`), [i * 2, i * 2 + 2]);
    assert.ok(runner.closed.get(`b${i}`)?.has('out'));
  }
  assert.deepEqual(runner.descriptorRequests, ['stage']);
  assert.deepEqual(Object.fromEntries(runner.workerIds), {
    control: 'w-1',
    data: 'w-1',
    descriptor: 'w-1',
  });
});

test('bundles run at the same time with their data interleaved', async (t) => {
  const { runner, stage } = await connected(t, ((input: Numbers) => ({
    out: input.map(async (x) => {
      await null;
      return x * 2;
    }),
  })) as never);
  const ids = Array.from({ length: 10 }, (_, i) => `b${i}`);
  const answers = ids.map((id) => runner.process(id, 'stage'));
  for (let round = 0; round < 5; round++) {
    for (const id of ids) await runner.send(id, SOURCE, stage.encode([round]));
  }
  for (const id of ids) await runner.send(id, SOURCE, new Uint8Array(), true);
  for (const answer of await Promise.all(answers)) assert.equal(answer.error, '');
  for (const id of ids) assert.deepEqual(values(runner, stage, id), [0, 2, 4, 6, 8]);
});

test('data may come before the bundle is announced', async (t) => {
  const { runner, stage } = await connected(t, double as never);
  // The stream exists once a bundle has run.
  await bundle(runner, stage, 'first', [1]);
  await runner.send('early', SOURCE, stage.encode([4]));
  await runner.send('early', SOURCE, new Uint8Array(), true);
  assert.equal((await runner.process('early', 'stage')).error, '');
  assert.deepEqual(values(runner, stage, 'early'), [8]);
});

test('data that comes inside the instruction is processed', async (t) => {
  const { runner, stage } = await connected(t, double as never);
  const answer = await runner.process('e', 'stage', [], {
    data: [
      { instructionId: 'e', transformId: SOURCE, data: stage.encode([1, 2]) },
      { instructionId: 'e', transformId: SOURCE, isLast: true },
    ],
  });
  assert.equal(answer.error, '');
  assert.deepEqual(values(runner, stage, 'e'), [2, 4]);
});

test('a user error fails its bundle only; the real error stays here, its text goes to the runner', async (t) => {
  const cause = new RangeError('seven is not allowed');
  const failures = new Failures();
  const heard: BeamBridgeError[] = [];
  const { runner, stage } = await connected(
    t,
    ((input: Numbers) => ({
      out: input.map(function check(x) {
        if (x === 7) throw cause;
        return x;
      }),
    })) as never,
    { failures, onFailure: (error) => heard.push(error) },
  );
  assert.equal((await bundle(runner, stage, 'ok', [1])).error, '');
  const answer = await bundle(runner, stage, 'bad', [1, 7]);
  assert.match(
    answer.error,
    /^BeamBridgeError: RangeError: seven is not allowed \[USER_CODE_FAILED\]/,
  );
  assert.match(answer.error, /in transform: map\(check\)/);
  assert.equal(answer.response.case, undefined);
  assert.equal(runner.closed.has('bad'), false);
  assert.equal(heard[0]?.cause, cause);
  assert.equal(failures.find(`RuntimeError: ${answer.error}`), heard[0]);
  // What still comes for the failed bundle is dropped, and the next bundle is none the worse.
  await runner.send('bad', SOURCE, stage.encode([8]));
  assert.equal((await bundle(runner, stage, 'next', [2])).error, '');
  assert.deepEqual(values(runner, stage, 'next'), [2]);
});

test('instructions that make no sense are errors and harm nobody', async (t) => {
  const { runner, stage } = await connected(t, double as never);
  assert.match((await runner.process('x', 'no such stage')).error, /no such stage/);
  assert.match((await runner.instruct({ case: undefined })).error, /does not know/);
  assert.match(
    (await runner.instruct({ case: 'processBundleProgress', value: { instructionId: 'never' } }))
      .error,
    /Unknown process bundle instruction "never"/,
  );
  assert.equal((await bundle(runner, stage, 'fine', [1])).error, '');
});

test('registered descriptors need no fetching', async (t) => {
  const { runner, stage } = await connected(t, double as never);
  const registered = await runner.instruct({
    case: 'register',
    value: { processBundleDescriptor: [stage.descriptor] },
  });
  assert.equal(registered.response.case, 'register');
  assert.equal((await bundle(runner, stage, 'b', [1])).error, '');
  assert.deepEqual(runner.descriptorRequests, []);
});

/** A stage whose element 1 waits until it is let go. */
function gated() {
  const reached = withResolvers<void>();
  const gate = withResolvers<void>();
  const build = (input: Numbers) => ({
    out: input.map(async (x) => {
      if (x === 1) {
        reached.resolve();
        await gate.promise;
      }
      return x;
    }),
  });
  return { build: build as never, reached: reached.promise, letGo: () => gate.resolve() };
}

test('progress and split are answered while a bundle runs, and do no harm afterwards', async (t) => {
  const { build, reached, letGo } = gated();
  const { runner, stage } = await connected(t, build);
  const answer = bundle(runner, stage, 'b', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await reached;

  const progress = await runner.instruct({
    case: 'processBundleProgress',
    value: { instructionId: 'b' },
  });
  assert.ok(progress.response.case === 'processBundleProgress');
  const { monitoringInfos, monitoringData, consumingReceivedData } = progress.response.value;
  assert.equal(consumingReceivedData, true);
  const index = monitoringInfos.find(({ urn }) => urn === 'beam:metric:data_channel:read_index:v1');
  assert.deepEqual([...index!.payload], [1]);
  const described = await runner.instruct({
    case: 'monitoringInfos',
    value: { monitoringInfoId: Object.keys(monitoringData) },
  });
  assert.ok(described.response.case === 'monitoringInfos');
  assert.equal(Object.keys(described.response.value.monitoringInfo).length, monitoringInfos.length);

  const wish = {
    case: 'processBundleSplit',
    value: {
      instructionId: 'b',
      desiredSplits: { [SOURCE]: { fractionOfRemainder: 0.5, estimatedInputElements: 10n } },
    },
  } as const;
  const split = await runner.instruct(wish);
  assert.ok(split.response.case === 'processBundleSplit');
  const [channel] = split.response.value.channelSplits;
  assert.equal(channel?.lastPrimaryElement, 5n);
  assert.equal(channel?.firstResidualElement, 6n);

  letGo();
  assert.equal((await answer).error, '');
  assert.deepEqual(values(runner, stage, 'b'), [0, 1, 2, 3, 4, 5]);
  const late = await runner.instruct(wish);
  assert.ok(late.response.case === 'processBundleSplit');
  assert.deepEqual(late.response.value.channelSplits, []);
  const after = await runner.instruct({
    case: 'processBundleProgress',
    value: { instructionId: 'b' },
  });
  assert.equal(after.error, '');
});

test('a bundle that reads slowly bounds what is read from the stream', async (t) => {
  const { build, reached, letGo } = gated();
  const { runner, stage } = await connected(t, build, { dataBudgetBytes: 1_000_000 });
  const answer = runner.process('slow', 'stage');
  await runner.send('slow', SOURCE, stage.encode([1]));
  await reached;
  const chunk = stage.encode(['x'.repeat(64_000)]);
  // 40 MB are on their way; once nothing more gets through, sending must have stopped for good.
  const messages = 600;
  let sent = 0;
  const sending = (async () => {
    for (let i = 0; i < messages; i++) {
      await runner.send('slow', SOURCE, chunk);
      sent += 1;
    }
    await runner.send('slow', SOURCE, new Uint8Array(), true);
  })();
  let before = -1;
  while (sent !== before) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.ok(sent < messages / 2, `${sent} of ${messages} messages were taken`);
  letGo();
  await sending;
  assert.equal((await answer).error, '');
  assert.equal(values(runner, stage, 'slow').length, 1 + messages);
});

test('a bundle that waits gets its data although another one is stuck', async (t) => {
  const { build, reached, letGo } = gated();
  const { runner, stage } = await connected(t, build, { dataBudgetBytes: 100_000 });
  const stuck = runner.process('stuck', 'stage');
  await runner.send('stuck', SOURCE, stage.encode([1]));
  await reached;
  const quick = runner.process('quick', 'stage');
  const chunk = stage.encode(['x'.repeat(64_000)]);
  for (let i = 0; i < 10; i++) await runner.send('stuck', SOURCE, chunk);
  await runner.send('quick', SOURCE, stage.encode([3]));
  await runner.send('quick', SOURCE, new Uint8Array(), true);
  assert.equal((await quick).error, '');
  assert.deepEqual(values(runner, stage, 'quick'), [3]);
  letGo();
  await runner.send('stuck', SOURCE, new Uint8Array(), true);
  assert.equal((await stuck).error, '');
});

test('side inputs are read page by page and kept under their cache token', async (t) => {
  const requests: fn.StateRequest[] = [];
  const { runner, stage } = await connected(t, ((input: Numbers, root: never) => ({
    out: input.map(
      (x, side) => [x, ...side.lookup()],
      iterableSideInput(fed(root, 'side', new VarIntCoder())),
    ),
  })) as never);
  runner.answerState = async (request) => {
    requests.push(request);
    assert.ok(request.request.case === 'get');
    const page = request.request.value.continuationToken[0] ?? 0;
    return {
      response: {
        case: 'get',
        value: {
          data: encodeValue(new VarIntCoder(), page + 10, true),
          continuationToken: page < 2 ? new Uint8Array([page + 1]) : new Uint8Array(),
        },
      },
    };
  };
  const transformId = stage.idOf('map');
  const token = {
    token: new Uint8Array([9]),
    type: { case: 'sideInput', value: { transformId, sideInputId: 'side:context' } },
  };
  for (const id of ['one', 'two']) {
    const answer = runner.process(id, 'stage', [token]);
    await runner.send(id, SOURCE, stage.encode([1]));
    await runner.send(id, SOURCE, new Uint8Array(), true);
    assert.equal((await answer).error, '');
    assert.deepEqual(values(runner, stage, id), [[1, 10, 11, 12]]);
  }
  assert.equal(requests.length, 3);
  const key = requests[0]!.stateKey!.type;
  assert.ok(key.case === 'iterableSideInput');
  assert.equal(key.value.transformId, transformId);
  assert.equal(key.value.sideInputId, 'side:context');
  assert.equal(requests[0]!.instructionId, 'one');
  assert.equal(runner.workerIds.get('state'), 'w-1');
});

test('a state error is the error of the bundle', async (t) => {
  const { runner, stage } = await connected(t, ((input: Numbers, root: never) => ({
    out: input.map(
      (x, side) => [x, ...side.lookup()],
      iterableSideInput(fed(root, 'side', new VarIntCoder())),
    ),
  })) as never);
  const answer = await bundle(runner, stage, 'b', [1]);
  assert.match(answer.error, /this runner keeps no state/);
});

test('finalization calls back once', async (t) => {
  const stored: number[] = [];
  const { runner, stage } = await connected(t, ((input: Numbers) => ({
    out: input.map((x, done) => {
      done.register(async () => void stored.push(x));
      return x;
    }, bundleFinalizerParam()),
  })) as never);
  const answer = await bundle(runner, stage, 'b', [3]);
  assert.ok(answer.response.case === 'processBundle');
  assert.equal(answer.response.value.requiresFinalization, true);
  assert.deepEqual(stored, []);
  const finalize = () => runner.instruct({ case: 'finalizeBundle', value: { instructionId: 'b' } });
  assert.equal((await finalize()).error, '');
  assert.equal((await finalize()).error, '');
  assert.deepEqual(stored, [3]);
});

test('questions about the harness as a whole are answered', async (t) => {
  const { runner } = await connected(t, double as never);
  const infos = await runner.instruct({ case: 'harnessMonitoringInfos', value: {} });
  assert.equal(infos.response.case, 'harnessMonitoringInfos');
  const samples = await runner.instruct({ case: 'sampleData', value: {} });
  assert.equal(samples.response.case, 'sampleData');
});

test('when the runner hangs up, bundles end, DoFns are torn down and the worker is gone', async (t) => {
  const notes: string[] = [];
  const doFn = {
    process: (x: number) => void notes.push(`element ${x}`),
    teardown: () => void notes.push('teardown'),
  };
  const { runner, stage, worker } = await connected(t, ((input: Numbers) => ({
    out: input.apply(parDo<number, number>(doFn)),
  })) as never);
  assert.equal((await bundle(runner, stage, 'whole', [1])).error, '');
  void runner.process('unfinished', 'stage');
  await runner.send('unfinished', SOURCE, stage.encode([2]));
  while (notes.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await runner.hangUp();
  await worker.ended;
  await runner.controlEnded;
  assert.deepEqual(notes, ['element 1', 'element 2', 'teardown']);
});

test('when the connection breaks, the worker ends by itself', async (t) => {
  const heard: unknown[] = [];
  const { runner, stage, worker } = await connected(t, double as never, {
    onFailure: (error) => heard.push(error),
  });
  await bundle(runner, stage, 'b', [1]);
  void runner.process('open', 'stage');
  runner[Symbol.dispose]();
  await worker.ended;
  // A broken connection is no failure of the user's code.
  assert.deepEqual(heard, []);
});

test('a runner that is not there ends the worker', async () => {
  const worker = new SdkWorker({ workerId: 'w', controlUrl: '127.0.0.1:1', functions: new Map() });
  await worker.ended;
});

test('user code that never ends does not keep the worker', async (t) => {
  const { runner, stage, worker } = await connected(t, ((input: Numbers) => ({
    out: input.map(() => new Promise(() => {})),
  })) as never);
  void bundle(runner, stage, 'b', [1]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await worker.close();
});

test('warnings go to a logging service when there is one', async (t) => {
  const restore = setLogSink(() => {});
  t.after(restore);
  const runner = await FakeRunner.start();
  const worker = new SdkWorker({
    workerId: 'w-log',
    controlUrl: runner.address,
    loggingUrl: runner.address,
    functions: new Map(),
  });
  const log = getLogger('test');
  log.warn('watch out', new TypeError('odd'));
  log.info('nothing');
  while (runner.logs.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await worker.close();
  log.warn('too late');
  runner[Symbol.dispose]();
  assert.deepEqual(
    runner.logs.map(({ message, severity, logLocation }) => [message, severity, logLocation]),
    [['watch out', fn.LogEntry_Severity_Enum.WARN, 'test']],
  );
  assert.match(runner.logs[0]!.trace, /TypeError: odd/);
});

test('iterables that go on in state are read while the user iterates', async (t) => {
  const runner = await FakeRunner.start();
  const grouped = new KVCoder(new StrUtf8Coder(), new StateBackedIterableCoder(new VarIntCoder()));
  const stage = stageOf(
    (input: PCollection<never>) => ({
      out: (input as PCollection<{ key: string; value: AsyncIterable<number> }>).map(
        async ({ key, value }) => {
          let total = 0;
          for await (const x of value) total += x;
          return `${key}=${total}`;
        },
      ),
    }),
    { url: runner.address, input: grouped as never },
  );
  runner.register(stage.descriptor);
  runner.answerState = async (request) => {
    assert.ok(request.stateKey?.type.case === 'runner');
    assert.deepEqual([...request.stateKey.type.value.key], [1, 2]);
    return { response: { case: 'get', value: { data: new Uint8Array([20, 30]) } } };
  };
  const worker = new SdkWorker({
    workerId: 'w',
    controlUrl: runner.address,
    functions: stage.pipeline.functions,
  });
  t.after(async () => {
    await worker.close();
    runner[Symbol.dispose]();
  });
  const value = new StateBackedIterable([10], new VarIntCoder(), new Uint8Array([1, 2]));
  const answer = await bundle(runner, stage, 'b', [{ key: 'k', value }]);
  assert.equal(answer.error, '');
  assert.deepEqual(values(runner, stage, 'b'), ['k=60']);
});
