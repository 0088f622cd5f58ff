// SPDX-License-Identifier: Apache-2.0
// What cannot be frozen is compared: side inputs, and what a step keeps of what it was given.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireForSerialization } from '../../../src/coders/index.ts';
import type { PCollection, Root, SideInputParam } from '../../../src/pipeline/index.ts';
import { assertThat, TestPipeline } from '../../../src/testing/index.ts';
import {
  assignTimestamps,
  combineGlobally,
  create,
  type DoFn,
  fixedWindows,
  listSideInput,
  map,
  mapSideInput,
  multimapSideInput,
  parDo,
  singletonSideInput,
  windowInto,
  withName,
} from '../../../src/transforms/index.ts';

class Total {
  n = 0;
}
requireForSerialization('strict-unfrozen', { Total });

const mutated = (transform: string) => ({ code: 'INPUT_MUTATED', transform });
const run = async (build: (root: Root) => unknown) => {
  await new TestPipeline().run((root) => {
    build(root);
  });
};

/** Applies `look` to the side input beside each number. */
function beside<S>(
  numbers: PCollection<number>,
  side: SideInputParam<never, S>,
  look: (value: S, n: number) => unknown,
) {
  return numbers.apply(
    withName(
      'look',
      map((n: number, { side: given }: { side: typeof side }) => look(given.lookup(), n), { side }),
    ),
  );
}

type Change = [of: string, side: (root: Root) => unknown, change: (value: never) => void];
const CHANGES: Change[] = [
  [
    'an entry less in a Map of key-values',
    (root) => mapSideInput(root.apply(create([{ key: 'a', value: 1 }]))),
    (map: Map<string, number>) => map.delete('a'),
  ],
  [
    'another value in a Map of key-values',
    (root) => mapSideInput(root.apply(create([{ key: 'a', value: 1 }]))),
    (map: Map<string, number>) => map.set('a', 2),
  ],
  [
    'an entry more in a Map of lists',
    (root) => multimapSideInput(root.apply(create([{ key: 'a', value: 1 }]))),
    (map: Map<string, number[]>) => map.set('b', [1]),
  ],
  [
    'a Map in a Map of key-values',
    (root) => mapSideInput(root.apply(create([{ key: 'a', value: new Map([['n', 1]]) }]))),
    (map: Map<string, Map<string, number>>) => map.get('a')!.set('n', 2),
  ],
  [
    'the only element',
    (root) => singletonSideInput(root.apply(create([new Set([1])]))),
    (set: Set<number>) => set.add(2),
  ],
  [
    'the default of an element',
    (root) => singletonSideInput(root.apply(create<{ n: number }>([])), { n: 1 }),
    (given: { n: number }) => {
      given.n = 2;
    },
  ],
  [
    'a Date in a list',
    (root) => listSideInput(root.apply(create([new Date(0)]))),
    ([date]: Date[]) => date!.setTime(1),
  ],
  [
    'numbers in a list',
    (root) => listSideInput(root.apply(create([new Float64Array(1)]))),
    ([numbers]: Float64Array[]) => numbers!.fill(1),
  ],
  [
    'a registered instance',
    (root) => listSideInput(root.apply(create([new Total()]))),
    ([total]: Total[]) => {
      total!.n = 1;
    },
  ],
];

for (const [of, side, change] of CHANGES) {
  test(`a step that changes a side input fails by its name: ${of}`, async () => {
    const build = (look: (value: never, n: number) => void) =>
      run((root) => beside(root.apply(create([1, 2])), side(root) as never, look));
    await assert.rejects(build(change), mutated('look'));
    // The last element is looked at as well.
    await assert.rejects(
      build((value, n) => n === 2 && change(value)),
      mutated('look'),
    );
    await build(() => {});
  });
}

test('a side input of a window that is left long since is looked at too', async () => {
  const hours = Array.from({ length: 40 }, (_, i) => i * 3_600_000);
  const inHours = (root: Root) =>
    root
      .apply(create(hours))
      .apply(assignTimestamps((at) => at))
      .apply(windowInto(fixedWindows(3600)));
  const build = (isChanged: boolean) =>
    run((root) => {
      const side = mapSideInput(inHours(root).map((at) => ({ key: 'at', value: at })));
      beside(inHours(root), side as never, (map: Map<string, number>, at) => {
        if (isChanged && at === 0) map.clear();
      });
    });
  await assert.rejects(build(true), mutated('look'));
  await build(false);
});

const KEPT: Record<string, [make: (n: number) => unknown, change: (value: never) => void]> = {
  Map: [(n) => new Map([['n', n]]), (value: Map<string, number>) => value.set('n', 99)],
  'Date in an object': [(n) => ({ at: new Date(n) }), ({ at }: { at: Date }) => at.setTime(99)],
  bytes: [(n) => new Uint8Array([n]), (value: Uint8Array) => value.fill(99)],
  'registered instance': [
    (n) => Object.assign(new Total(), { n }),
    (value: Total) => {
      value.n = 99;
    },
  ],
};

for (const [what, [make, change]] of Object.entries(KEPT)) {
  for (const reshuffle of [false, true]) {
    test(`a step that keeps a ${what} and changes it later fails by its name${reshuffle ? ', in several bundles' : ''}`, async () => {
      const build = (isChanged: boolean) =>
        run((root) => {
          let kept: unknown;
          const keep = map((value: unknown) => {
            if (isChanged && kept !== undefined) change(kept as never);
            kept ??= value;
          });
          root
            .apply(create([1, 2, 3], { reshuffle }))
            .map(make)
            .apply(withName('keep', keep));
        });
      await assert.rejects(build(true), mutated('keep'));
      await build(false);
    });
  }
}

test('a DoFn that changes in finishBundle what it was given fails by its name', async () => {
  let kept: Map<string, number> | undefined;
  const late: DoFn<Map<string, number>, never> = {
    process(element) {
      kept = element;
      return [];
    },
    finishBundle() {
      kept?.clear();
    },
  };
  await assert.rejects(
    run((root) => root.apply(create([new Map([['n', 1]])])).apply(withName('late', parDo(late)))),
    mutated('late'),
  );
});

test('a combining function may keep and change what it returned of Maps', async () => {
  await run((root) => {
    const largest = (a: Map<string, number>, b: Map<string, number>) => {
      if (b.get('n')! > a.get('n')!) return b;
      return a.set('seen', b.get('n')!);
    };
    const found = root
      .apply(create([1, 3, 2].map((n) => new Map([['n', n]]))))
      .apply(combineGlobally(largest));
    assertThat(found).containsInAnyOrder(
      new Map([
        ['n', 3],
        ['seen', 2],
      ]),
    );
  });
});
