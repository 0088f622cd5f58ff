// SPDX-License-Identifier: Apache-2.0
// The job API client against a job service that does as it is told. Both are in this process.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BeamBridgeError, setLogSink } from '../../../src/base/index.ts';
import { create, GrpcStatus, pb, toBinary, urns } from '../../../src/proto/index.ts';
import type { JobService } from '../../../src/runners/job-service.ts';
import { Job } from '../../../src/runners/portable/job.ts';
import { type FakeBehaviour, FakeJobService, until } from '../../helpers/fake-job-service.ts';

const never = new AbortController().signal;

function service(fake: FakeJobService): JobService {
  return {
    address: fake.address,
    name: 'the fake',
    logs: false,
    lost: new Promise(() => {}),
    resolveService: async () => ({ address: '' }),
    prepare: async () => {},
    abandon: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

async function submit(
  behaviour: FakeBehaviour,
  pipeline = create(pb.PipelineSchema, {}),
  signal = never,
) {
  const fake = await FakeJobService.start(behaviour);
  try {
    const job = await Job.submit(
      service(fake),
      { pipeline, jobName: 'name', options: { 'beam:option:x:v1': 1 } },
      signal,
    );
    const done = async () => {
      job.close();
      fake.die();
    };
    return { fake, job, [Symbol.asyncDispose]: done };
  } catch (error) {
    fake.die();
    throw error;
  }
}

test('a job is prepared with its name and options, run, and followed to its end', async () => {
  await using run = await submit({});
  assert.equal(await run.job.ended, 'DONE');
  assert.equal(run.job.id, 'job-1');
  assert.equal(run.fake.prepared?.jobName, 'name');
  assert.deepEqual(run.fake.prepared?.pipelineOptions, { 'beam:option:x:v1': 1 });
});

test('error messages are kept for the reason of a failure, also those after the end', async () => {
  await using run = await submit({
    run: (job) => {
      job.say('detail', 'JOB_MESSAGE_DETAILED');
      job.say('first');
      job.say('second');
      job.become('FAILED');
    },
  });
  assert.equal(await run.job.ended, 'FAILED');
  assert.deepEqual(run.job.errors, ['first', 'second']);
});

test('warnings of the runner come into our log', async () => {
  const warnings: string[] = [];
  const restore = setLogSink(({ level, message }) => {
    if (level === 'warn') warnings.push(message);
  });
  try {
    await using run = await submit({
      run: (job) => {
        job.say('slow', 'JOB_MESSAGE_WARNING');
        job.become('DONE');
      },
    });
    await run.job.ended;
    assert.deepEqual(warnings, ['slow']);
  } finally {
    restore();
  }
});

test('a service without streams is asked for the state', async () => {
  const unimplemented = (call: { emit(event: 'error', error: object): void }) =>
    call.emit('error', { code: GrpcStatus.UNIMPLEMENTED, details: 'no streams' });
  await using run = await submit({
    calls: { getStateStream: unimplemented, getMessageStream: unimplemented },
  });
  assert.equal(await run.job.ended, 'DONE');
});

test('a state stream that ends too early is taken up again', async () => {
  let streams = 0;
  const fake = await FakeJobService.start({
    run: () => {},
    calls: {
      getStateStream: (call) => {
        if (++streams === 2) fake.job.become('DONE');
        call.end();
      },
    },
  });
  await using _ = fake;
  const job = await Job.submit(
    service(fake),
    { pipeline: create(pb.PipelineSchema, {}), jobName: 'n', options: {} },
    never,
  );
  assert.equal(await job.ended, 'DONE');
  job.close();
});

test('a service that dies half-way is an error with its name', async () => {
  await using run = await submit({ run: () => {} });
  await until(() => run.job.state === 'RUNNING');
  run.fake.die();
  await assert.rejects(
    run.job.ended,
    (error) =>
      error instanceof BeamBridgeError &&
      error.code === 'JOB_SERVICE_UNAVAILABLE' &&
      error.message.includes('the fake went away while the job job-1 ran'),
  );
});

for (const [service, refusal] of Object.entries({
  Prism: { code: GrpcStatus.UNKNOWN, details: 'job with id job-1 not found' },
  "Python's": {
    code: GrpcStatus.UNKNOWN,
    details: 'Exception calling application: Job job-1 does not exist',
  },
  "Java's": { code: GrpcStatus.NOT_FOUND, details: '' },
})) {
  test(`a service that was restarted half-way, ${service}, went away`, async () => {
    let isRestarted = false;
    const forgotten = () => Object.assign(new Error('x'), refusal);
    await using run = await submit({
      run: () => {},
      calls: {
        getStateStream: (call) => {
          isRestarted = true;
          call.emit('error', forgotten());
        },
        getState: async () => {
          if (isRestarted) throw forgotten();
          return {};
        },
      },
    });
    await assert.rejects(
      run.job.ended,
      (error) =>
        error instanceof BeamBridgeError &&
        error.code === 'JOB_SERVICE_UNAVAILABLE' &&
        /went away while the job job-1 ran.*does not know it/.test(error.message),
    );
  });
}

/** What a run is rejected with whose pipeline a service answers like this. */
async function answerTo(details: string): Promise<BeamBridgeError> {
  const prepare = async () => {
    throw Object.assign(new Error('x'), { code: GrpcStatus.UNKNOWN, details });
  };
  const error: unknown = await submit({ calls: { prepare } }).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof BeamBridgeError);
  return error;
}

test('what Prism lacks is named, and is no failure of the job', async () => {
  const error = await answerTo(
    'found 2 uses of features unimplemented in prism in job name:\n' +
      '\tunsupported feature "WindowingStrategy.MergeStatus" set with value NEEDS_MERGE\n' +
      '\tunsupported feature "Trigger" set with value x',
  );
  assert.equal(error.code, 'UNSUPPORTED');
  assert.equal(
    error.shortMessage,
    'the fake failed to prepare the job: found 2 uses of features unimplemented in prism in job name: unsupported feature "WindowingStrategy.MergeStatus" set with value NEEDS_MERGE; unsupported feature "Trigger" set with value x',
  );
  assert.match(error.hint!, /docs\/runners\.md/);
  const required = await answerTo(
    "prism runner doesn't support the following required features: beam:requirement:x:v1",
  );
  assert.equal(required.code, 'UNSUPPORTED');
});

test('further lines of a refusal are kept as its detail', async () => {
  const error = await answerTo('no such coder\n\tat org.apache.Foo.bar(Foo.java:1)');
  assert.equal(error.code, 'JOB_FAILED');
  assert.equal(error.shortMessage, 'the fake failed to prepare the job: no such coder');
  assert.match(error.detail!, /Foo\.java/);
});

test('what a service refuses in a pipeline is told with its reason', async () => {
  await assert.rejects(
    submit({
      calls: {
        prepare: async () => {
          throw Object.assign(new Error('x'), {
            code: GrpcStatus.INVALID_ARGUMENT,
            details: 'no such coder',
          });
        },
      },
    }),
    (error) =>
      error instanceof BeamBridgeError &&
      error.code === 'JOB_FAILED' &&
      error.message.includes('no such coder'),
  );
});

test('a cancelled job ends as cancelled', async () => {
  await using run = await submit({ run: () => {} });
  await run.job.cancel();
  assert.equal(await run.job.ended, 'CANCELLED');
});

test('a signal that fires while the job is prepared rejects', async () => {
  const controller = new AbortController();
  await assert.rejects(
    submit(
      {
        calls: {
          prepare: () => {
            controller.abort();
            return new Promise(() => {});
          },
        },
      },
      undefined,
      controller.signal,
    ),
    (error) => error instanceof BeamBridgeError && error.code === 'ABORTED',
  );
});

test('metrics that are only attempted count when none is committed', async () => {
  const info = { urn: 'u', labels: { NAME: 'n' } };
  await using run = await submit({ metrics: { attempted: [info] } });
  await run.job.ended;
  assert.equal((await run.job.monitoringInfos())[0]?.labels.NAME, 'n');
});

const Types = urns.StandardArtifacts_Types;
const file = (path: string) =>
  create(pb.ArtifactInformationSchema, {
    typeUrn: Types.FILE,
    typePayload: toBinary(
      pb.ArtifactFilePayloadSchema,
      create(pb.ArtifactFilePayloadSchema, { path }),
    ),
  });
const embedded = (text: string) =>
  create(pb.ArtifactInformationSchema, {
    typeUrn: Types.EMBEDDED,
    typePayload: toBinary(
      pb.EmbeddedFilePayloadSchema,
      create(pb.EmbeddedFilePayloadSchema, { data: Buffer.from(text) }),
    ),
  });
const depending = (...dependencies: pb.ArtifactInformation[]) =>
  create(pb.PipelineSchema, { components: { environments: { e: { urn: 'x', dependencies } } } });

test('files and embedded bytes are staged, large ones in pieces', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'beambridge-test-'));
  try {
    const large = Buffer.alloc(3_500_000, 'abc');
    await writeFile(join(folder, 'large'), large);
    await writeFile(join(folder, 'empty'), '');
    await using run = await submit(
      {},
      depending(file(join(folder, 'large')), embedded('hello'), file(join(folder, 'empty'))),
    );
    assert.equal(await run.job.ended, 'DONE');
    assert.deepEqual(
      run.fake.staged.map((bytes) => bytes.length),
      [large.length, 5, 0],
    );
    assert.ok(run.fake.staged[0]?.equals(large));
    assert.equal(run.fake.staged[1]?.toString(), 'hello');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('artifacts of each alternative of an environment are staged', async () => {
  const inner = create(pb.EnvironmentSchema, { urn: 'y', dependencies: [embedded('inner')] });
  const payload = toBinary(
    pb.AnyOfEnvironmentPayloadSchema,
    create(pb.AnyOfEnvironmentPayloadSchema, { environments: [inner] }),
  );
  const urn = urns.StandardEnvironments_Environments.ANYOF;
  await using run = await submit(
    { wanted: () => [embedded('inner')] },
    create(pb.PipelineSchema, { components: { environments: { e: { urn, payload } } } }),
  );
  assert.equal(await run.job.ended, 'DONE');
  assert.equal(run.fake.staged[0]?.toString(), 'inner');
});

test('a service without staging, or with nothing to stage, is not waited for', async () => {
  await using without = await submit({ staging: false });
  assert.equal(await without.job.ended, 'DONE');
  await using nothing = await submit({ wanted: () => [] }, depending(embedded('not wanted')));
  assert.equal(await nothing.job.ended, 'DONE');
});

test('a file that the pipeline does not name is not given away', async () => {
  await assert.rejects(
    submit({ wanted: () => [file('/etc/hostname')] }, depending(embedded('x'))),
    (error) =>
      error instanceof BeamBridgeError &&
      error.code === 'JOB_FAILED' &&
      error.message.includes('does not name'),
  );
});

test('an artifact that is not there is named', async () => {
  await assert.rejects(
    submit({}, depending(file('/nowhere/model.pkl'))),
    (error) =>
      error instanceof BeamBridgeError &&
      error.code === 'FILE_NOT_FOUND' &&
      error.message.includes('/nowhere/model.pkl'),
  );
});
