// SPDX-License-Identifier: Apache-2.0
// The harness under Python's FnApiRunner, which runs in the managed Python host: windows that merge
// by a user's function, windowed side inputs, many elements, finalization, metrics, user errors.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BeamBridgeError } from '../../src/base/index.ts';
import type { IntervalWindow } from '../../src/coders/index.ts';
import {
  bundleFinalizerParam,
  type DoFn,
  type Root,
  type WindowFn,
} from '../../src/pipeline/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  assignTimestamps,
  combinePerKey,
  counter,
  create,
  fixedWindows,
  groupByKey,
  iterableSideInput,
  parDo,
  sessions,
  sum,
  windowInto,
  windowParam,
} from '../../src/transforms/index.ts';

// Functions run in this very process, so they can leave what they saw here.
async function collect(build: (root: Root, seen: unknown[]) => void) {
  const seen: unknown[] = [];
  const result = await createRunner({ runner: 'direct' }).run((root: Root) => build(root, seen));
  return { seen, result };
}

function sorted(values: readonly unknown[]): string[] {
  return values.map((value) => JSON.stringify(value)).sort();
}

test('windows that merge by a function of the user', async () => {
  const standard = sessions(10) as WindowFn<IntervalWindow>;
  // Without a wire form of its own, the runner has to ask the harness which windows merge.
  const own: WindowFn<IntervalWindow> = { ...standard, toProto: () => undefined };
  const { seen } = await collect((root, out) => {
    root
      .apply(create([1, 5, 20, 23, 50]))
      .apply(assignTimestamps((x) => x * 1000))
      .apply(windowInto(own))
      .map((x) => ({ key: 'k', value: x }))
      .apply(groupByKey())
      .map(
        ({ value }, { window }) =>
          out.push([[...value].sort((a, b) => a - b), String(window.lookup())]),
        { window: windowParam() },
      );
  });
  assert.deepEqual(
    sorted(seen),
    sorted([
      [[1, 5], '[1000, 15000)'],
      [[20, 23], '[20000, 33000)'],
      [[50], '[50000, 60000)'],
    ]),
  );
});

test('side inputs are matched by window', async () => {
  const { seen } = await collect((root, out) => {
    const side = root
      .apply(create([1, 2, 11]))
      .apply(assignTimestamps((x) => x * 1000))
      .apply(windowInto(fixedWindows(10)));
    root
      .apply(create([5, 15]))
      .apply(assignTimestamps((x) => x * 1000))
      .apply(windowInto(fixedWindows(5)))
      .map(
        (x, all) => out.push([x, [...all.lookup()].sort((a, b) => a - b)]),
        iterableSideInput(side),
      );
  });
  assert.deepEqual(
    sorted(seen),
    sorted([
      [5, [1, 2]],
      [15, [11]],
    ]),
  );
});

test('many elements through several stages, with metrics and finalization', async () => {
  const n = 50_000;
  const stored: number[] = [];
  const { seen, result } = await collect((root, out) => {
    root
      .apply(create([0, 1, 2, 3, 4]))
      .flatMap(function* (part) {
        for (let i = part; i < n; i += 5) yield i;
      })
      .map(
        function measured(x, { elements, done }) {
          elements.increment();
          if (x === 0) done.register(() => void stored.push(x));
          return { key: x % 7, value: 1 };
        },
        { elements: counter('elements'), done: bundleFinalizerParam() },
      )
      .apply(combinePerKey(sum))
      .map(({ key, value }) => out.push([key, value]));
  });
  assert.deepEqual(
    sorted(seen),
    sorted([0, 1, 2, 3, 4, 5, 6].map((key) => [key, Math.ceil((n - key) / 7)])),
  );
  assert.deepEqual(stored, [0]);
  const metrics = JSON.stringify(await result.metrics());
  assert.match(
    metrics,
    new RegExp(`"name":"elements","transform":"map\\(measured\\)","kind":"counter","value":${n}`),
  );
});

test('an error in a user function rejects the run with the error itself', async () => {
  const cause = new RangeError('seven is not allowed');
  const doFn: DoFn<number, number> = {
    process(x) {
      if (x === 7) throw cause;
      return [x];
    },
  };
  await assert.rejects(
    collect((root) => {
      root.apply(create([1, 7])).apply(parDo(doFn));
    }),
    (error: BeamBridgeError) => {
      assert.equal(error.code, 'USER_CODE_FAILED');
      assert.equal(error.cause, cause);
      assert.equal(error.transform, 'parDo');
      assert.match(error.appliedAt ?? '', /harness-python-runner\.test\.ts/);
      return true;
    },
  );
});
