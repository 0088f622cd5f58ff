// SPDX-License-Identifier: Apache-2.0
// What goes by an element's key refuses an element that has none, in the same words however it runs.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import type { KV } from '../../../src/coders/index.ts';
import { type PCollection, Pipeline, Root } from '../../../src/pipeline/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import {
  array,
  int64,
  map,
  nullable,
  row,
  type SchemaType,
  string,
} from '../../../src/schema/index.ts';
import { testStream } from '../../../src/testing/index.ts';
import {
  combinePerKey,
  count,
  create,
  type DoFn,
  eventTimeTimer,
  groupByKey,
  groupIntoBatches,
  latestPerKey,
  mapSideInput,
  multimapSideInput,
  parDo,
  type ValueState,
  valueState,
  withName,
  withSchema,
} from '../../../src/transforms/index.ts';

type Pairs = PCollection<KV<unknown, unknown>>;

const state = { seen: valueState<number>() };
const timer = { end: eventTimeTimer() };

const TAKERS: Record<string, (pairs: Pairs, root: Root) => PCollection<unknown>> = {
  groupByKey: (pairs) => pairs.apply(withName('takes', groupByKey())),
  combinePerKey: (pairs) => pairs.apply(withName('takes', combinePerKey(count))),
  latestPerKey: (pairs) => pairs.apply(withName('takes', latestPerKey())),
  groupIntoBatches: (pairs) => pairs.apply(withName('takes', groupIntoBatches(5))),
  'a DoFn with state': (pairs) =>
    pairs.apply(withName('takes', parDo({ process: () => [1] }, state))),
  'a DoFn with state and several outputs': (pairs) =>
    pairs.apply(
      withName(
        'takes',
        parDo({ process: () => [1] }, state).withOutputs<{ main: number }>({
          main: 'main',
          tags: [],
        }),
      ),
    ).main,
  'a DoFn with a timer': (pairs) =>
    pairs.apply(withName('takes', parDo({ process: () => [1], onTimer: () => [2] }, timer))),
  mapSideInput: (pairs, root) =>
    root
      .apply(create([0]))
      .apply(
        withName('takes', (input: PCollection<number>) =>
          input.map((_, { side }) => side.lookup().size, { side: mapSideInput(pairs) }),
        ),
      ),
  multimapSideInput: (pairs, root) =>
    root
      .apply(create([0]))
      .apply(
        withName('takes', (input: PCollection<number>) =>
          input.map((_, { side }) => side.lookup().size, { side: multimapSideInput(pairs) }),
        ),
      ),
};

async function outputs(name: string, elements: unknown[], forceEncoding: boolean) {
  const given: unknown[] = [];
  await createRunner({ runner: 'node', progress: false, forceEncoding }).run((root) => {
    TAKERS[name]!(root.apply(create(elements)) as Pairs, root).map((one) => void given.push(one));
  });
  return given;
}

const KEYLESS = [{ id: 1 }, { key: 1 }, { value: 1 }, [1, 2], 'ab', 7, null, undefined, true];

for (const forceEncoding of [false, true]) {
  describe(`elements without a key, ${forceEncoding ? 'encoded' : 'by reference'}`, () => {
    for (const name of Object.keys(TAKERS)) {
      it(`are refused by ${name}`, async () => {
        for (const element of KEYLESS) {
          await assert.rejects(
            outputs(name, [{ key: 'a', value: 1 }, element], forceEncoding),
            (error) => {
              assert.ok(error instanceof BeamBridgeError, String(error));
              assert.equal(error.code, 'CODER_MISMATCH', error.message);
              assert.match(error.shortMessage, /an element with a key is needed here/);
              assert.match(error.transform ?? '', /^takes/);
              assert.match(error.hint ?? '', /\{ key, value \}/);
              return true;
            },
          );
        }
      });

      it(`pass ${name} where a key or a value is undefined`, async () => {
        const pair = { key: undefined, value: undefined };
        assert.equal((await outputs(name, [pair], forceEncoding)).length, 1);
      });
    }
  });
}

const PAIR = row({ key: string, value: int64 });
const PAIRS = [
  { key: 'a', value: 1 },
  { key: 'b', value: 2 },
  { key: 'a', value: 3 },
];

const DECLARED: Record<string, (root: Root) => PCollection<unknown>> = {
  'by create': (root) => root.apply(create(PAIRS, { schema: PAIR })),
  'by withSchema': (root) => root.apply(create(PAIRS)).apply(withSchema(PAIR)),
  'as rows that may be null': (root) => root.apply(create(PAIRS)).apply(withSchema(nullable(PAIR))),
  'with more fields': (root) =>
    root
      .apply(create(PAIRS.map((pair) => ({ ...pair, more: 1 }))))
      .apply(withSchema(row({ key: string, more: int64, value: int64 }))),
  'by testStream': (root) =>
    root.apply(
      testStream(PAIR)
        .addElements(...PAIRS)
        .advanceWatermarkToInfinity(),
    ),
};

describe('key-values of a declared row type', () => {
  for (const [how, declared] of Object.entries(DECLARED)) {
    for (const name of Object.keys(TAKERS)) {
      // A stream in the global window is not grouped without a trigger.
      if (how === 'by testStream' && !/DoFn|Batches/.test(name)) continue;
      it(`declared ${how}, pass ${name} as undeclared ones do`, async () => {
        const of = async (source: (root: Root) => PCollection<unknown>) => {
          const given: unknown[] = [];
          // Of two values of one key a map keeps none.
          const isMap = name === 'mapSideInput';
          await createRunner({ progress: false, forceEncoding: true }).run((root) => {
            const pairs = (source(root) as Pairs).filter(({ value }) => !isMap || value !== 3);
            TAKERS[name]!(pairs, root).map((one) => void given.push(JSON.stringify(one)));
          });
          return given.sort();
        };
        const plain = await of((root) =>
          root.apply(
            create(how === 'with more fields' ? PAIRS.map((one) => ({ ...one, more: 1 })) : PAIRS),
          ),
        );
        assert.ok(plain.length > 0);
        assert.deepEqual(await of(declared), plain);
      });
    }
    it(`declared ${how}, have state by their keys`, async () => {
      const total: DoFn<KV<string, number>, string, { sum: ValueState<number> }> = {
        async process({ key, value }, { sum }) {
          const now = ((await sum.read()) ?? 0) + value;
          sum.write(now);
          return [`${key}${now}`];
        },
      };
      const given: string[] = [];
      await createRunner({ progress: false, forceEncoding: true }).run((root) => {
        (declared(root) as PCollection<KV<string, number>>)
          .apply(parDo(total, { sum: valueState(int64) }))
          .map((one) => void given.push(one));
      });
      // In whichever order the two of `a` came.
      assert.equal(given.length, 3);
      assert.ok(given.includes('a4') && given.includes('b2'), given.join());
    });
  }

  it('without a key or a value are refused by state when it is applied', () => {
    const others: SchemaType[] = [row({ key: string }), map(string, int64), array(int64), string];
    for (const type of others) {
      const elements = new Root(new Pipeline()).apply(create([])).apply(withSchema(type));
      assert.throws(() => elements.apply(parDo({ process: () => [] } as never, state) as never), {
        code: 'INVALID_ARGUMENT',
        message: /belong to keys/,
      });
    }
  });
});
