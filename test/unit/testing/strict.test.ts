// SPDX-License-Identifier: Apache-2.0
// What a user's first test finds: values that do not survive, inputs that are changed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BeamBridgeError } from '../../../src/base/index.ts';
import type { Root } from '../../../src/pipeline/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import { assertThat, TestPipeline } from '../../../src/testing/index.ts';
import {
  type CombineFn,
  combinePerKey,
  create,
  flatMap,
  groupBy,
  listSideInput,
  map,
  multimapSideInput,
  withName,
} from '../../../src/transforms/index.ts';

class Point {
  constructor(readonly x: number) {}
}

function fails(
  code: string,
  transform: string,
  build: (root: Root) => unknown,
  message = /(?:)/,
): Promise<void> {
  const run = new TestPipeline().run((root) => {
    build(root);
  });
  return assert.rejects(run, (error: BeamBridgeError) => {
    assert.equal(error.code, code, error.message);
    assert.equal(error.transform, transform);
    assert.match(error.message, message);
    return true;
  });
}

test('a class instance between fused steps fails, naming the step that made it', async () => {
  await fails('CODER_MISMATCH', 'point', (root) =>
    root
      .apply(create([1]))
      .apply(
        withName(
          'point',
          map((x: number) => new Point(x)),
        ),
      )
      .map((point) => point.x),
  );
});

test('a class instance fails at every index, and with the name of its step on node alone', async () => {
  for (const at of [3, 555, 640, 999]) {
    await fails('CODER_MISMATCH', 'make', (root) =>
      root
        .apply(create([0]))
        .apply(
          withName(
            'make',
            flatMap(function* () {
              for (let i = 0; i < 1000; i++) yield i === at ? new Point(i) : { x: i };
            }),
          ),
        )
        .apply(groupBy(() => 0)),
    );
  }
});

for (const [what, element, change] of [
  ['a field', { n: 1 }, (o: { n: number }) => void Object.assign(o, { n: 10 })],
  ['an array', [2, 1], (o: number[]) => void o.sort()],
  ['an inner array', { all: [1] }, (o: { all: number[] }) => void o.all.push(2)],
  ['a Map', new Map([[1, 2]]), (o: Map<number, number>) => void o.set(1, 3)],
  ['a Date in an object', { at: new Date(0) }, (o: { at: Date }) => void o.at.setTime(5)],
  ['bytes', new Uint8Array(2), (o: Uint8Array) => void o.fill(1)],
] as const) {
  test(`a step that changes ${what} of its input fails by its name`, async () => {
    const step = (o: never) => {
      (change as (o: never) => void)(o);
      return o;
    };
    await fails('INPUT_MUTATED', 'change', (root) =>
      root.apply(create([element as never])).apply(withName('change', map(step))),
    );
    await fails('INPUT_MUTATED', 'change', (root) =>
      root.apply(create([element as never])).apply(
        withName(
          'change',
          map(async (o: never) => {
            await null;
            return step(o);
          }),
        ),
      ),
    );
  });
}

test('combiners may change their accumulators, but not their inputs', async () => {
  type N = { n: number };
  const entries = () => create([1, 2, 3].map((n) => ({ key: 'a', value: { n } })));
  const adding: CombineFn<N, N, N> = {
    createAccumulator: () => ({ n: 0 }),
    addInput: (all, { n }) => {
      all.n += n;
      return all;
    },
    mergeAccumulators: (all) => {
      const [first, ...others] = all;
      for (const { n } of others) first!.n += n;
      return first!;
    },
    extractOutput: (all) => {
      all.n *= 10;
      return all;
    },
  };
  await new TestPipeline().run((root) => {
    assertThat(root.apply(entries()).apply(combinePerKey(adding))).containsInAnyOrder({
      key: 'a',
      value: { n: 60 },
    });
  });
  const greedy: CombineFn<N, N, N> = {
    ...adding,
    addInput: (all, input) => {
      input.n += all.n;
      return input;
    },
  };
  await assert.rejects(
    new TestPipeline().run((root) => {
      root.apply(entries()).apply(combinePerKey(greedy));
    }),
    { code: 'INPUT_MUTATED' },
  );
});

test('side inputs are for reading, on every run', async () => {
  const build = (root: Root) => {
    const list = listSideInput(root.apply(create([1, 2])));
    return root.apply(create([0])).apply(
      withName(
        'shift',
        map((_: number, { side }: { side: typeof list }) => (side.lookup() as number[]).shift(), {
          side: list,
        }),
      ),
    );
  };
  await fails('INPUT_MUTATED', 'shift', build);
  await assert.rejects(
    createRunner({ runner: 'node' }).run((root) => {
      build(root);
    }),
    { code: 'USER_CODE_FAILED', transform: 'shift' },
  );
  await fails('INPUT_MUTATED', 'deep', (root) => {
    const byKey = multimapSideInput(root.apply(create([{ key: 'a', value: { n: 1 } }])));
    root.apply(create([0])).apply(
      withName(
        'deep',
        map(
          (_: number, { side }: { side: typeof byKey }) => {
            side.lookup().get('a')![0]!.n = 2;
          },
          { side: byKey },
        ),
      ),
    );
  });
});

test('a step that goes on changing what it has given away fails, in one bundle and in several', async () => {
  const seen: number[] = [];
  const bytes = new Uint8Array(1);
  const count = new Map<string, number>();
  const changing: Record<string, (x: number) => unknown> = {
    list: (x) => {
      seen.push(x);
      return { key: 'k', value: seen };
    },
    bytes: (x) => bytes.fill(x),
    map: (x) => count.set('n', x),
  };
  for (const [name, change] of Object.entries(changing)) {
    for (const reshuffle of [false, true]) {
      await fails(
        'INPUT_MUTATED',
        name,
        (root) => {
          const changed = root
            .apply(create([1, 2, 3], { reshuffle }))
            .apply(withName(name, map(change)));
          return reshuffle ? changed.apply(groupBy(() => 0)) : changed.map((x) => x);
        },
        /given away/,
      );
    }
  }
});

test('one object may be given again and again while it stays as it is', async () => {
  const constant = { rate: 0.2 };
  await new TestPipeline().run((root) => {
    const rates = root.apply(create([1, 2, 3])).map(() => constant);
    assertThat(rates).containsInAnyOrder(constant, constant, constant);
  });
  constant.rate = 0.3;
});
