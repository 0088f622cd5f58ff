// SPDX-License-Identifier: Apache-2.0
// Assertions inside pipelines: those that hold pass, and those that do not fail the run.

import { IntervalWindow } from '../../../src/coders/index.ts';
import type { PCollection, Root } from '../../../src/pipeline/index.ts';
import { assertDeepEqual, assertThat } from '../../../src/testing/index.ts';
import {
  afterCount,
  afterWatermark,
  assignTimestamps,
  create,
  fixedWindows,
  groupBy,
  windowInto,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

/** Numbers that happen at as many seconds, in windows of three. */
function numbers(root: Root, all = [1, 2, 4]): PCollection<number> {
  return root
    .apply(create(all))
    .apply(assignTimestamps((n) => n * 1000))
    .apply(windowInto(fixedWindows(3)));
}

const [FIRST, SECOND, THIRD] = [0, 3000, 6000].map((at) => new IntervalWindow(at, at + 3000));

export const assertions: Cases = [
  {
    name: 'about all elements, those of a window, and none',
    build: (root) => {
      assertThat(numbers(root))
        .containsInAnyOrder(4, 1, 2)
        .satisfies((all) => {
          if (all.length !== 3) throw new Error(`${all.length} elements`);
        })
        .inWindow(FIRST!)
        .containsInAnyOrder(2, 1)
        .inWindow(SECOND!)
        .containsInAnyOrder(4)
        .inWindow(THIRD!)
        .empty();
      assertThat(root.apply(create<number>([]))).empty();
    },
  },
  {
    name: 'about panes',
    build: (root) => {
      const groups = numbers(root)
        .apply(
          windowInto(fixedWindows(3), {
            trigger: afterWatermark().withEarlyFirings(afterCount(100)),
            accumulationMode: 'discarding',
          }),
        )
        .apply(groupBy(() => 'all'))
        .flatMap(({ value }) => value);
      assertThat(groups)
        .inOnTimePane()
        .containsInAnyOrder(1, 2, 4)
        .inOnTimePane(FIRST)
        .containsInAnyOrder(1, 2)
        .inFinalPane(SECOND)
        .containsInAnyOrder(4)
        .inEarlyPanes()
        .empty()
        .inLatePanes()
        .empty();
    },
  },
  {
    name: 'one that does not hold tells what differs, and where it stands',
    build: (root) => {
      assertThat(numbers(root)).inWindow(FIRST!).containsInAnyOrder(1, 3);
    },
    fails: {
      code: 'ASSERTION_FAILED',
      message:
        /does not hold the expected elements in window \[0, 3000\) \(2 found, 2 expected\).*applied at .*cases\/assertions\.ts:\d+.*\+ +2.*- +3/s,
    },
  },
  {
    name: 'one about nothing fails too',
    build: (root) => {
      root.apply(create<number>([])).apply(assertDeepEqual([1]));
    },
    fails: { code: 'ASSERTION_FAILED', message: /0 found, 1 expected/ },
  },
];
