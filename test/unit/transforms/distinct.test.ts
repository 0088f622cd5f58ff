// SPDX-License-Identifier: Apache-2.0
// distinct looks at panes only where there are several: Prism says of no pane of merged sessions that it
// is the first.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import {
  create,
  distinct,
  fixedWindows,
  sessions,
  windowInto,
} from '../../../src/transforms/index.ts';

function lastStepOf(...how: Parameters<typeof windowInto>): string {
  const pipeline = new Pipeline();
  new Root(pipeline)
    .apply(create(['a', 'a']))
    .apply(windowInto(...how))
    .apply(distinct());
  return pipeline.transforms.at(-1)!.name;
}

test('where a window fires once, no pane is asked whether it is the first', () => {
  assert.match(lastStepOf(sessions(5)), /\/key$/);
  assert.match(lastStepOf(fixedWindows(5)), /\/key$/);
});

test('where late elements give further panes, the first one counts', () => {
  assert.match(lastStepOf(fixedWindows(5), { allowedLateness: 60_000 }), /\/firstPane$/);
});
