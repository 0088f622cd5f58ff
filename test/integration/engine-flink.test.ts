// SPDX-License-Identifier: Apache-2.0
// The runner flink on a Flink inside Beam's job server, where its jars are on this machine, and on a
// cluster where BEAMBRIDGE_TEST_FLINK names one. scripts/test-engines fetches the jars.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { BeamBridgeError, type ErrorCode } from '../../src/base/index.ts';
import {
  bundleFinalizerParam,
  combinePerKey,
  create,
  createRunner,
  fixedWindows,
  mean,
  periodicImpulse,
  pythonCallable,
  pythonTransform,
  type Root,
  sum,
  windowInto,
  withSchema,
} from '../../src/index.ts';
import { int64 } from '../../src/schema/index.ts';
import { stopJobServers } from '../../src/services/index.ts';
import { flinkHere } from '../helpers/engines.ts';
import { until } from '../helpers/fake-job-service.ts';

const coded = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

const here = await flinkHere();
const masters = ['[local]', ...(process.env.BEAMBRIDGE_TEST_FLINK?.split(',') ?? [])];
after(() => stopJobServers());

const plusOne = () =>
  pythonTransform('apache_beam.Map', [pythonCallable('lambda x: x + 1')], {}, { output: int64 });

for (const flinkMaster of masters) {
  describe(`the runner flink on ${flinkMaster}`, { skip: 'skip' in here && here.skip }, () => {
    const flinkJobServer = 'jars' in here ? here.jars : '';
    const runner = createRunner({ runner: 'flink', flinkMaster, flinkJobServer, progress: false });

    test('combines, lifted or not, and stages of both languages', async () => {
      const seen: unknown[] = [];
      const result = await runner.run((root) => {
        const keyed = root
          .apply(create([1, 2, 3, 4]))
          .apply(withSchema(int64))
          .apply(plusOne())
          .map((x) => ({ key: x % 2, value: x }));
        keyed.apply(combinePerKey(sum)).map((total) => void seen.push(total));
        keyed
          .apply(windowInto(fixedWindows(10)))
          .apply(combinePerKey(mean))
          .map((average) => void seen.push(average));
      });
      assert.equal(result.state, 'DONE');
      const text = seen.map((each) => JSON.stringify(each)).sort();
      assert.deepEqual(text, [
        '{"key":0,"value":3}',
        '{"key":0,"value":6}',
        '{"key":1,"value":4}',
        '{"key":1,"value":8}',
      ]);
    });

    test('what it lacks is UNSUPPORTED and named', async () => {
      await assert.rejects(
        runner.run((root) =>
          root.apply(create([1])).map(
            (n, { bundle }) => {
              bundle.register(() => {});
              return n;
            },
            { bundle: bundleFinalizerParam() },
          ),
        ),
        coded('UNSUPPORTED', /bundle finalization/),
      );
    });

    const stream = (seen: () => void) => (root: Root) =>
      root
        .apply(periodicImpulse({ interval: 100 }))
        .map(() => 1)
        .apply(withSchema(int64))
        .apply(plusOne())
        .map((x) => {
          seen();
          return x;
        });

    for (const checkpointingInterval of [undefined, 1000]) {
      const how = checkpointingInterval ? 'with checkpoints' : 'without checkpoints';
      test(`a stream flows through Python ${how}, and cancel ends it by Flink's own word`, async () => {
        let count = 0;
        const result = await runner.runAsync(
          stream(() => void count++),
          { checkpointingInterval },
        );
        await until(() => count >= 5, 60_000);
        assert.equal(await result.cancel(), 'CANCELLED');
        if (flinkMaster === '[local]') return;
        const response = await fetch(`http://${flinkMaster}/jobs/overview`);
        const { jobs } = (await response.json()) as { jobs: { state: string }[] };
        assert.ok(!jobs.some(({ state }) => state === 'RUNNING' || state === 'CANCELLING'));
      });
    }
  });
}
