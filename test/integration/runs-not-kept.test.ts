// SPDX-License-Identifier: Apache-2.0
// A program that runs one pipeline after the other keeps none of them: the host that they share lives on,
// and what waits for its end must not hold every run that ever did.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createRunner } from '../../src/runners/index.ts';
import { getHost, stopHosts } from '../../src/services/index.ts';
import { create } from '../../src/transforms/index.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const RUNS = 8;

after(stopHosts);

for (const runner of ['direct', 'node'] as const) {
  test(`runs on ${runner} are not kept`, async () => {
    // It stays for the whole test, as for a program with a Python step.
    await getHost();
    const pipelines: WeakRef<object>[] = [];
    const run = () =>
      createRunner({ runner, progress: false }).run((root) => {
        pipelines.push(new WeakRef(root.pipeline));
        return root.apply(create([1, 2, 3])).map((n) => n + 1);
      });
    for (let i = 0; i < RUNS; i++) await run();
    const alive = () => pipelines.filter((each) => each.deref()).length;
    for (let i = 0; i < 50 && alive() > 1; i++) {
      await delay(20);
      collectGarbage();
    }
    // The last may still be on the stack of what waited for it.
    assert.ok(alive() <= 1, `${alive()} of ${RUNS} pipelines are reachable`);
  });
}
