// SPDX-License-Identifier: Apache-2.0
// What goes by an element's key refuses an element that has none, in the same words however it runs.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import type { KV } from '../../../src/coders/index.ts';
import type { PCollection, Root } from '../../../src/pipeline/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import {
  combinePerKey,
  count,
  create,
  eventTimeTimer,
  groupByKey,
  groupIntoBatches,
  latestPerKey,
  mapSideInput,
  multimapSideInput,
  parDo,
  valueState,
  withName,
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
