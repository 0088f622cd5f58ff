// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BeamBridgeError } from '../../../../src/base/index.ts';
import { pythonCallable, pythonTransform } from '../../../../src/external/index.ts';
import { writeToCsv, writeToText } from '../../../../src/io/index.ts';
import type { Root } from '../../../../src/pipeline/index.ts';
import { dataflowOptions } from '../../../../src/runners/dataflow/options.ts';
import { constructPipeline, createRunner } from '../../../../src/runners/index.ts';
import { int64, row } from '../../../../src/schema/index.ts';
import { create } from '../../../../src/transforms/index.ts';

const OPTIONS = {
  project: 'my-project',
  region: 'europe-west1',
  tempLocation: 'gs://my-bucket/temp',
  environmentConfig: 'registry.example/worker:1',
};
const plain = await constructPipeline((root: Root) => root.apply(create([1])), {});
const withPython = await constructPipeline(
  (root: Root) =>
    root
      .apply(create([1], { schema: int64 }))
      .apply(pythonTransform('apache_beam.Map', [pythonCallable('abs')], {}, { output: int64 })),
  {},
);

test('workers are containers unless something else is said, which is refused', () => {
  assert.equal(dataflowOptions(OPTIONS, plain).environmentType, 'DOCKER');
  assert.equal(dataflowOptions(OPTIONS, plain).pythonEnvironmentType, undefined);
  const both = { ...OPTIONS, pythonEnvironmentConfig: 'registry.example/python:1' };
  assert.equal(dataflowOptions(both, withPython).pythonEnvironmentType, 'DOCKER');
  for (const name of ['environmentType', 'pythonEnvironmentType']) {
    assert.throws(() => dataflowOptions({ ...both, [name]: 'PROCESS' }, plain), {
      code: 'UNSUPPORTED',
    });
  }
});

test('what Dataflow must be told is checked before anything is started', () => {
  const wrong: [change: Record<string, unknown>, says: RegExp][] = [
    [{ project: undefined }, /was given no project/],
    [{ project: '123456' }, /project cannot be "123456"/],
    [{ region: undefined }, /was given no region/],
    [{ region: 'Europe' }, /region cannot be "Europe"/],
    [{ tempLocation: undefined }, /was given no tempLocation/],
    [{ tempLocation: '/tmp' }, /tempLocation cannot be "\/tmp"/],
    [{ stagingLocation: 's3://bucket' }, /stagingLocation cannot be "s3:\/\/bucket"/],
    [{ environmentConfig: undefined }, /was given no environmentConfig/],
    [{ environmentConfig: '' }, /environmentConfig cannot be ""/],
    [{ jobName: 'My Job' }, /jobName cannot be "My Job"/],
  ];
  for (const [change, message] of wrong) {
    assert.throws(
      () => dataflowOptions({ ...OPTIONS, ...change }, plain),
      (error) => {
        const { code, hint } = error as BeamBridgeError;
        assert.deepEqual([code, typeof hint], ['INVALID_ARGUMENT', 'string']);
        assert.match(String(error), message);
        return true;
      },
    );
  }
  assert.throws(() => dataflowOptions(OPTIONS, withPython), /was given no pythonEnvironmentConfig/);
  dataflowOptions({ ...OPTIONS, project: 'example.com:my-project', jobName: 'a' }, plain);
});

test('an output of local files is refused with its transform, as it would be lost with its container', async () => {
  const writes = await constructPipeline((root: Root) => {
    root.apply(create(['a'])).apply(writeToText(join(tmpdir(), 'beambridge-never')));
  }, {});
  const records = await constructPipeline((root: Root) => {
    const rows = root.apply(create([{ n: 1 }], { schema: row({ n: int64 }) }));
    rows.apply(writeToCsv(join(tmpdir(), 'beambridge-never')));
  }, {});
  for (const [pipeline, sink] of [
    [writes, 'writeToText'],
    [records, 'writeToCsv'],
  ] as const) {
    assert.throws(
      () => dataflowOptions(OPTIONS, pipeline),
      (error: BeamBridgeError) =>
        error.code === 'UNSUPPORTED' &&
        error.transform === sink &&
        error.shortMessage.startsWith(`${sink} writes files`),
    );
  }
});

test('the runner refuses options of node', async () => {
  const runner = createRunner({ runner: 'dataflow', ...OPTIONS, pythonWorkers: 2 });
  await assert.rejects(
    runner.run((root) => root.apply(create([1]))),
    { code: 'UNSUPPORTED', message: /no option pythonWorkers/ },
  );
});
