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
  groupByKey,
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
import { isLoopback, listeningAddresses } from '../helpers/sockets.ts';

const coded = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

const here = await flinkHere();
const masters = ['[local]', ...(process.env.BEAMBRIDGE_TEST_FLINK?.split(',') ?? [])];
after(() => stopJobServers());

interface Seen {
  first?: number;
  given: number;
  grouped: number;
}

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

    test('the job server listens on the loopback address alone, also while a job runs', async () => {
      const seen: string[] = [];
      await runner.run((root) =>
        root
          .apply(create([1, 2]))
          .apply(withSchema(int64))
          .apply(plusOne())
          .map((n) => {
            seen.push(...listeningAddresses('FlinkJobServerDriver'));
            return n;
          }),
      );
      assert.ok(seen.length > 3, 'it listens nowhere');
      assert.deepEqual(
        [...new Set(seen)].filter((address) => !isLoopback(address)),
        [],
      );
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

    /** Ten minutes of event time each, as fast as they go, in windows of an hour. */
    const windowed = (seen: Seen) => (root: Root) =>
      root
        .apply(periodicImpulse({ start: 0, interval: 600_000 }))
        .map((time) => {
          seen.first ??= time / 600_000;
          seen.given += 1;
          return { key: 'k', value: time };
        })
        .apply(windowInto(fixedWindows(3600)))
        .apply(groupByKey())
        .map(({ value }) => {
          seen.grouped += [...value].length;
        });

    if (flinkMaster === '[local]') {
      test('a job inside the job server has no address at which it could be drained', async () => {
        const result = await runner.runAsync(windowed({ given: 0, grouped: 0 }));
        await assert.rejects(result.drain(), coded('UNSUPPORTED', /cannot drain/));
        await assert.rejects(result.stopWithSavepoint(), coded('UNSUPPORTED', /keep the state/));
        await assert.rejects(result.counters(), coded('UNSUPPORTED', /metrics of a job before/));
        assert.equal(await result.cancel(), 'CANCELLED');
      });
      return;
    }

    test('drain closes windows; a savepoint keeps all that a run of the same pipeline goes on with', async () => {
      const before: Seen = { given: 0, grouped: 0 };
      const stopped = await runner.runAsync(windowed(before));
      await until(() => before.given > 1000, 60_000);
      const savepointPath = await stopped.stopWithSavepoint();
      assert.match(savepointPath, /^file:/);
      assert.equal(stopped.state, 'CANCELLED');

      const after: Seen = { given: 0, grouped: 0 };
      const result = await runner.runAsync(windowed(after), { savepointPath });
      await until(() => after.given > 1000, 60_000);
      assert.equal(after.first, before.given);
      assert.equal(await result.drain(), 'DRAINED');
      assert.equal(result.state, 'DRAINED');
      assert.equal(before.grouped + after.grouped, before.given + after.given);
    });

    test('a stream that is known to stop ends by itself', async () => {
      let count = 0;
      const stop = Date.now() + 30_000;
      const result = await runner.run((root) =>
        root
          .apply(periodicImpulse({ start: stop - 3000, stop, interval: 100, bounded: false }))
          .map(() => void count++),
      );
      assert.equal(result.state, 'DONE');
      assert.deepEqual(await result.counters(), {});
      assert.equal(count, 30);
    });
  });
}
