// SPDX-License-Identifier: Apache-2.0
// Side inputs of Python stages on `node`: a worker keeps them from bundle to bundle, and never sees what
// is not their contents any more.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  afterCount,
  afterWatermark,
  create,
  createRunner,
  filter,
  fixedWindows,
  globalWindows,
  P,
  type PCollection,
  pythonTransform,
  repeatedly,
  timestamped,
  windowInto,
  withSchema,
} from '../../src/index.ts';
import type { fn } from '../../src/proto/index.ts';
import { StateAnswers } from '../../src/runners/node/python/state.ts';
import { int64, string } from '../../src/schema/index.ts';
import { testStream } from '../../src/testing/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'side-inputs-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** How often a worker asked for a side input, and for how many bytes. */
const asked = { times: 0, bytes: 0 };
const answer = StateAnswers.prototype.answer;
before(() => {
  StateAnswers.prototype.answer = async function (request: fn.StateRequest) {
    const answered = await answer.call(this, request);
    if (request.stateKey?.type.case?.endsWith('SideInput') && answered.response?.case === 'get') {
      asked.times += 1;
      asked.bytes += answered.response.value.data?.length ?? 0;
    }
    return answered;
  };
});
after(() => {
  StateAnswers.prototype.answer = answer;
});

/** For each element of `main`, that and all of `side`. */
const SEES = `
def sees(pcolls):
    import apache_beam as beam
    side = beam.pvalue.AsList(pcolls['side'])
    return pcolls['main'] | beam.Map(lambda x, side: f"{x}: {' '.join(sorted(side))}", side).with_output_types(str)
`;

const sees = () => pythonTransform('__callable__', [], { source: SEES }, { output: string });

/** Elements `side:…` and others of a stream. */
function parts(events: PCollection<string>) {
  const side = events
    .apply(filter((event) => event.startsWith('side:')))
    .map((event) => event.slice(5))
    .apply(withSchema(string));
  const main = events
    .apply(filter((event) => !event.startsWith('side:')))
    .apply(withSchema(string));
  return { main, side };
}

test('a side input that changes in the global window is seen as it is now, in bundle after bundle', async () => {
  const seen: string[] = [];
  await createRunner().run((root) => {
    const { main, side } = parts(
      root.apply(
        testStream(string)
          .addElements('side:a')
          .addElements('1')
          .addElements('2')
          .addElements('side:b')
          .addElements('3')
          .addElements('4')
          .addElements('side:c')
          .addElements('5')
          .advanceWatermarkToInfinity(),
      ),
    );
    const latest = side.apply(
      windowInto(globalWindows(), {
        trigger: repeatedly(afterCount(1)),
        accumulationMode: 'accumulating',
      }),
    );
    P({ main, side: latest })
      .apply(sees())
      .map((line) => seen.push(line));
  });
  assert.deepEqual(seen.sort(), ['1: a', '2: a', '3: a b', '4: a b', '5: a b c']);
});

test('each window of a side input is its own, and one that changes late is seen so', async () => {
  const seen: string[] = [];
  await createRunner().run((root) => {
    const { main, side } = parts(
      root
        .apply(
          testStream(string)
            .addElements(timestamped('side:a', 1_000), timestamped('side:z', 11_000))
            .advanceWatermarkTo(20_000)
            .addElements(timestamped('1', 19_000), timestamped('2', 2_000))
            .addElements(timestamped('side:b', 3_000))
            .addElements(timestamped('3', 4_000), timestamped('4', 18_000))
            .advanceWatermarkToInfinity(),
        )
        .apply(
          windowInto(fixedWindows(10), {
            trigger: afterWatermark().withLateFirings(afterCount(1)),
            accumulationMode: 'accumulating',
            allowedLateness: 60_000,
          }),
        ),
    );
    P({ main, side })
      .apply(sees())
      .map((line) => seen.push(line));
  });
  assert.deepEqual(seen.sort(), ['1: z', '2: a', '3: a b', '4: z']);
});

const LARGE = `
def large(pcoll, flag):
    import apache_beam as beam
    def look(x, side):
        import os
        if flag and x == 1500:
            try:
                os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os._exit(3)
        return f'{x % 10} {len(side)} {side[0]} {side[-1]}'
    side = (
        pcoll.pipeline | beam.Create([0])
        | beam.FlatMap(lambda _: ['y' * 95 + '%05d' % i for i in range(30000)]).with_output_types(str))
    # A bundle takes 2 MB.
    text = pcoll | beam.Map(lambda x: (x, 'x' * 4000)) | beam.Reshuffle()
    return text | beam.Map(lambda x, side: look(x[0], sorted(side)), beam.pvalue.AsList(side)).with_output_types(str)
`;

for (const [name, pythonWorkers, flag] of [
  ['one worker', 1, ''],
  ['two workers', 2, ''],
  ['a worker that dies', 1, join(folder, 'died')],
] as const) {
  test(`a side input of 3 MB is sent to a worker once, whatever number of bundles: ${name}`, async () => {
    const seen = new Map<string, number>();
    Object.assign(asked, { times: 0, bytes: 0 });
    await createRunner({ pythonWorkers }).run((root) => {
      root
        .apply(create(Array.from({ length: 4000 }, (_, i) => i)))
        .apply(withSchema(int64))
        .apply(pythonTransform('__callable__', [], { source: LARGE, flag }, { output: string }))
        .map((line) => seen.set(line, (seen.get(line) ?? 0) + 1));
    });
    const ends = `30000 ${'y'.repeat(95)}00000 ${'y'.repeat(95)}29999`;
    assert.deepEqual(
      [...seen].sort(),
      Array.from({ length: 10 }, (_, i) => [`${i} ${ends}`, 400]),
    );
    const processes = flag ? 2 : pythonWorkers;
    assert.ok(asked.times <= processes, `${asked.times} times`);
    assert.ok(asked.bytes <= processes * 3.2e6, `${asked.bytes} bytes`);
  });
}

test('a side input that is too large to be kept whole is right in each bundle', async () => {
  const source = LARGE.replace("'y' * 95", "'y' * 1395").replace('range(30000)', 'range(30000)');
  const seen = new Set<string>();
  Object.assign(asked, { times: 0, bytes: 0 });
  await createRunner().run((root) => {
    root
      .apply(create(Array.from({ length: 1200 }, (_, i) => i)))
      .apply(withSchema(int64))
      .apply(
        pythonTransform(
          '__callable__',
          [],
          { source: source.replaceAll('sorted(side)', 'side'), flag: '' },
          { output: string },
        ),
      )
      .map((line) => seen.add(line.slice(2)));
  });
  assert.deepEqual([...seen], [`30000 ${'y'.repeat(1395)}00000 ${'y'.repeat(1395)}29999`]);
  assert.ok(asked.times > 40, `in pieces: ${asked.times}`);
});
