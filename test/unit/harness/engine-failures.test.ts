// SPDX-License-Identifier: Apache-2.0
// Outputs that fail: the first error is the one that is told, and no rejection goes unheard.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type BeamBridgeError, type LogRecord, setLogSink } from '../../../src/base/index.ts';
import {
  DoubleCoder,
  GlobalWindow,
  JsCoder,
  KVCoder,
  NO_FIRING,
} from '../../../src/coders/index.ts';
import { BundleEngine } from '../../../src/harness/engine/index.ts';
import {
  type OffsetRange,
  OffsetRangeTracker,
  offsetRange,
  type PCollection,
  parDo,
  splittableDoFn,
  tagged,
} from '../../../src/pipeline/index.ts';
import { urns } from '../../../src/proto/index.ts';
import { inputOf, io, type Stage, stageOf } from './support.ts';

async function run(stage: Stage, value: unknown): Promise<void> {
  const engine = new BundleEngine({ functions: stage.pipeline.functions });
  await engine.start(stage.descriptor, io(inputOf(stage.encode([value]))).bundle).done;
}

const flatMapped = (outputs: () => unknown) =>
  stageOf((input: PCollection<number>) => ({ out: input.flatMap(outputs as () => unknown[]) }));

const finished = (outputs: () => unknown) =>
  stageOf((input: PCollection<number>) => ({
    out: input.apply(parDo({ process: () => [], finishBundle: outputs as () => never })),
  }));

const JS = new JsCoder();

function split(outputs: () => unknown) {
  const doFn = splittableDoFn({
    initialRestriction: () => offsetRange(0, 1),
    newTracker: (range: OffsetRange) => new OffsetRangeTracker(range),
    process: (_: number, tracker) => {
      tracker.tryClaim(0);
      return outputs() as unknown[];
    },
  });
  const sized = new KVCoder(new KVCoder(JS, new KVCoder(JS, JS)), new DoubleCoder());
  const stage = stageOf(
    (input: PCollection<number>) => ({ out: input.apply(parDo(doFn as never)) }),
    { input: sized as never },
  );
  stage.descriptor.transforms[stage.idOf('parDo')]!.spec!.urn =
    urns.StandardPTransforms_SplittableParDoComponents.PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS;
  return stage;
}

const SIZED = { key: { key: 1, value: { key: offsetRange(0, 1), value: undefined } }, value: 1 };
const whole = (value: unknown) => ({
  value,
  timestamp: 0,
  windows: [GlobalWindow.INSTANCE],
  pane: NO_FIRING,
});

/** The ways in which a step gives outputs, and what it is given for that. */
const steps = {
  flatMap: { stage: flatMapped, input: 1, wrap: (value: unknown) => value },
  finishBundle: { stage: finished, input: 1, wrap: whole },
  'a splittable DoFn': { stage: split, input: SIZED, wrap: (value: unknown) => value },
};

/** What fails first: what is done with an output, at once or after a wait. */
const failures: Record<string, { output: () => unknown; message: RegExp }> = {
  'an output without a place': { output: () => tagged('nowhere', 1), message: /nowhere/ },
  'a promise': { output: () => Promise.reject(new Error('first')), message: /Error: first/ },
};

for (const [step, { stage, input, wrap }] of Object.entries(steps)) {
  for (const [failure, { output, message }] of Object.entries(failures)) {
    for (const kind of ['generator', 'async generator']) {
      // An async generator awaits a promise itself: that failure is its own.
      if (kind === 'async generator' && failure === 'a promise' && step !== 'finishBundle')
        continue;
      test(`${step}: ${failure} that fails is not hidden by what its ${kind} throws then`, async () => {
        const logged: LogRecord[] = [];
        const restore = setLogSink((record) => logged.push(record));
        function* outputs() {
          try {
            yield wrap(output());
          } finally {
            // biome-ignore lint/correctness/noUnsafeFinally: that is what this is about
            throw new Error('second');
          }
        }
        async function* laterOutputs() {
          yield* outputs();
        }
        const given = stage(kind === 'generator' ? outputs : laterOutputs);
        await assert
          .rejects(run(given, input), (error: BeamBridgeError) => {
            assert.match(error.message, message);
            return error.code === 'USER_CODE_FAILED';
          })
          .finally(restore);
        assert.equal(logged.length, 1, 'what the generator threw is logged');
        assert.match(String(logged[0]?.error), /second/);
        assert.match(logged[0]!.message, /flatMap|parDo/);
      });
    }
  }

  for (const kind of ['an array', 'a Set']) {
    test(`${step}: rejected promises in ${kind} fail the bundle, and none goes unheard`, async () => {
      const outputs = () => {
        const all = [
          wrap(delay(20)),
          wrap(Promise.reject(new Error('lost'))),
          wrap(Promise.reject(new Error('lost too'))),
        ];
        return kind === 'a Set' ? new Set(all) : all;
      };
      const given = stage(outputs);
      await assert.rejects(run(given, input), (error: BeamBridgeError) => {
        assert.match(error.message, /Error: lost/);
        assert.match(error.transform ?? '', /flatMap|parDo/);
        return error.code === 'USER_CODE_FAILED';
      });
      // A rejection that nobody heard of would end this program now.
      await delay(5);
    });
  }
}
