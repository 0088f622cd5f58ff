// SPDX-License-Identifier: Apache-2.0
// The runner spark on a Spark inside Beam's job server, where its jars are on this machine.
// scripts/test-engines fetches them.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  combinePerKey,
  create,
  createRunner,
  fixedWindows,
  mean,
  pythonCallable,
  pythonTransform,
  sum,
  windowInto,
  withSchema,
} from '../../src/index.ts';
import { int64 } from '../../src/schema/index.ts';
import { stopJobServers } from '../../src/services/index.ts';
import { sparkHere } from '../helpers/engines.ts';
import { until } from '../helpers/fake-job-service.ts';
import { isLoopback, listeningAddresses } from '../helpers/sockets.ts';

const here = await sparkHere();
after(() => stopJobServers());

describe('the runner spark', { skip: 'skip' in here && here.skip }, () => {
  const sparkJobServer = 'jars' in here ? here.jars : '';
  const runner = createRunner({
    runner: 'spark',
    sparkMaster: 'local[2]',
    sparkJobServer,
    progress: false,
  });

  test('combines, lifted or not, and stages of both languages', async () => {
    const seen: unknown[] = [];
    const result = await runner.run((root) => {
      const keyed = root
        .apply(create([1, 2, 3, 4]))
        .apply(withSchema(int64))
        .apply(
          pythonTransform(
            'apache_beam.Map',
            [pythonCallable('lambda x: x + 1')],
            {},
            { output: int64 },
          ),
        )
        .map((x) => ({ key: x % 2, value: x }));
      keyed.apply(combinePerKey(sum)).map((total) => void seen.push(total));
      keyed
        .apply(windowInto(fixedWindows(10)))
        .apply(combinePerKey(mean))
        .map((average) => void seen.push(average));
    });
    assert.equal(result.state, 'DONE');
    assert.deepEqual(seen.map((each) => JSON.stringify(each)).sort(), [
      '{"key":0,"value":3}',
      '{"key":0,"value":6}',
      '{"key":1,"value":4}',
      '{"key":1,"value":8}',
    ]);
  });

  test('a batch that is cancelled ends, and the next one runs', async () => {
    let count = 0;
    const result = await runner.runAsync((root) =>
      root.apply(create(Array.from({ length: 1000 }, (_, i) => i))).map(async (n) => {
        count++;
        await delay(50);
        return n;
      }),
    );
    await until(() => count >= 3, 60_000);
    assert.equal(await result.cancel(), 'CANCELLED');
    const at = count;
    await delay(1000);
    assert.ok(count <= at + 1, `${count - at} elements after the end`);
    const next = await runner.run((root) => root.apply(create([1])).map((n) => n));
    assert.equal(next.state, 'DONE');
  });

  test('the job server listens on the loopback address alone, also while a job runs', async () => {
    const seen: string[] = [];
    await runner.run((root) =>
      root
        .apply(create([1, 2]))
        .apply(withSchema(int64))
        .apply(
          pythonTransform(
            'apache_beam.Map',
            [pythonCallable('lambda x: x + 1')],
            {},
            { output: int64 },
          ),
        )
        .map((n) => {
          seen.push(...listeningAddresses('SparkJobServerDriver'));
          return n;
        }),
    );
    assert.ok(seen.length > 3, 'it listens nowhere');
    assert.deepEqual(
      [...new Set(seen)].filter((address) => !isLoopback(address)),
      [],
    );
  });

  test('a failure of a function is told with its own words', async () => {
    await assert.rejects(
      runner.run((root) =>
        root.apply(create([1])).map(() => {
          throw new Error('no such digit');
        }),
      ),
      /no such digit/,
    );
  });
});
