// SPDX-License-Identifier: Apache-2.0
// Splittable DoFns of Python on `node` that never come to an end and never give up their turn.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setLogSink } from '../../src/base/index.ts';
import {
  create,
  createRunner,
  fixedWindows,
  groupByKey,
  groupGlobally,
  pythonTransform,
  windowInto,
} from '../../src/index.ts';
import { writeToText } from '../../src/io/index.ts';
import { string } from '../../src/schema/index.ts';

/** One element every 10 ms, each a second later in event time; `try_claim` never says no by itself. */
const ENDLESS = `
def endless(pcoll):
    import time
    import apache_beam as beam
    from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
    from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
    from apache_beam.transforms.core import RestrictionProvider
    from apache_beam.utils.timestamp import Timestamp
    class Tracker(OffsetRestrictionTracker):
        def is_bounded(self):
            return False
    class Provider(RestrictionProvider):
        def initial_restriction(self, element):
            return OffsetRange(0, 1 << 60)
        def create_tracker(self, restriction):
            return Tracker(restriction)
        def restriction_size(self, element, restriction):
            return 1
        def truncate(self, element, restriction):
            return None
    class Endless(beam.DoFn):
        @beam.DoFn.unbounded_per_element()
        def process(self, element, tracker=beam.DoFn.RestrictionParam(Provider()),
                    estimator=beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())):
            at = tracker.current_restriction().start
            while tracker.try_claim(at):
                yield beam.window.TimestampedValue(f'{element}{at}', Timestamp(at))
                estimator.set_watermark(Timestamp(at))
                time.sleep(0.01)
                at += 1
    return pcoll | beam.ParDo(Endless()).with_output_types(str)
`;

test('an endless splittable DoFn that never defers gives its elements, and watermarks move', async () => {
  const over = new AbortController();
  const seen: string[] = [];
  const panes: string[][] = [];
  const running = createRunner().run(
    (root) => {
      const endless = root
        .apply(create(['a', 'b'], { schema: string }))
        .apply(pythonTransform('__callable__', [], { source: ENDLESS }, { output: string }));
      endless.map((each) => seen.push(each));
      endless
        .apply(windowInto(fixedWindows(10)))
        .map((value) => ({ key: value[0]!, value }))
        .apply(groupByKey())
        .map(({ value }) => {
          panes.push([...value].sort());
          // Several windows of both: neither waits for the other's end.
          if (panes.length >= 12) over.abort();
        });
    },
    { signal: over.signal },
  );
  await assert.rejects(running, { code: 'ABORTED' });
  assert.ok(seen.length >= 120, `${seen.length} elements`);
  assert.equal(new Set(seen).size, seen.length, 'none twice');
  for (const letter of ['a', 'b']) {
    const own = panes.filter(([first]) => first!.startsWith(letter)).map((pane) => pane.length);
    assert.ok(own.length >= 2, JSON.stringify(panes));
    assert.ok(
      own.every((length) => length === 10),
      `whole windows: ${own}`,
    );
  }
});

test('a stream of a Python source is drained: what it gave is all there, and the run ends', async () => {
  const seen: string[] = [];
  const counted: number[] = [];
  let enough: () => void = () => {};
  const some = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const result = await createRunner().runAsync((root) => {
    const endless = root
      .apply(create(['a'], { schema: string }))
      .apply(pythonTransform('__callable__', [], { source: ENDLESS }, { output: string }));
    endless.map((each) => {
      seen.push(each);
      if (seen.length > 25) enough();
    });
    endless
      .apply(windowInto(fixedWindows(10)))
      .map((value) => ({ key: 'all', value }))
      .apply(groupByKey())
      .map(({ value }) => counted.push([...value].length));
  });
  await some;
  assert.equal(await result.drain(), 'DRAINED');
  assert.equal(
    counted.reduce((sum, count) => sum + count, 0),
    seen.length,
  );
});

test('beside a stream of a Python source an output has its name as soon as it is whole', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'beambridge-beside-'));
  const path = join(folder, 'out-00000-of-00001');
  const result = await createRunner().runAsync((root) => {
    root.apply(create(['a'])).apply(writeToText(join(folder, 'out')));
    root
      .apply(create(['a'], { schema: string }))
      .apply(pythonTransform('__callable__', [], { source: ENDLESS }, { output: string }))
      .map((each) => each);
  });
  const until = Date.now() + 20_000;
  while (!existsSync(path) && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(await result.cancel(), 'CANCELLED');
  assert.deepEqual(readdirSync(folder), ['out-00000-of-00001']);
  rmSync(folder, { recursive: true });
});

test('what needs an end is warned of a Python source that turns out to have none', async () => {
  const warnings: string[] = [];
  const restore = setLogSink(({ level, message }) => {
    if (level === 'warn') warnings.push(message);
  });
  const folder = mkdtempSync(join(tmpdir(), 'beambridge-endless-'));
  try {
    const result = await createRunner().runAsync((root) => {
      const endless = root
        .apply(create(['a'], { schema: string }))
        .apply(pythonTransform('__callable__', [], { source: ENDLESS }, { output: string }));
      endless.apply(groupGlobally());
      endless.apply(writeToText(join(folder, 'out')));
    });
    assert.equal(await result.cancel(), 'CANCELLED');
  } finally {
    restore();
    rmSync(folder, { recursive: true });
  }
  assert.match(
    warnings[0]!,
    /^groupGlobally: an unbounded PCollection in the global window .* ends/,
  );
  assert.match(warnings[1]!, /^writeToText: an unbounded PCollection cannot be written .* ends/);
  assert.equal(warnings.length, 2);
});
