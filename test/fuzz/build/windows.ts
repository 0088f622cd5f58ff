// SPDX-License-Identifier: Apache-2.0
// Window functions and triggers by their names in random pipelines.

import {
  afterAny,
  afterCount,
  afterWatermark,
  fixedWindows,
  globalWindows,
  repeatedly,
  sessions,
  slidingWindows,
  type Trigger,
  type WindowFn,
} from '../../../src/transforms/index.ts';
import type { TRIGGERS, WindowSpec } from '../program.ts';

export function windowFnOf(spec: WindowSpec): WindowFn {
  switch (spec.kind) {
    case 'global':
      return globalWindows() as WindowFn;
    case 'fixed':
      return fixedWindows(spec.size, spec.offset) as WindowFn;
    case 'sliding':
      return slidingWindows(spec.size, spec.period) as WindowFn;
    case 'sessions':
      return sessions(spec.gap) as WindowFn;
  }
}

/** Those with which each element comes out once. */
export const triggers: Record<(typeof TRIGGERS)[number], (() => Trigger) | undefined> = {
  default: undefined,
  'count 1': () => repeatedly(afterCount(1)),
  'count 3': () => repeatedly(afterCount(3)),
  'watermark early': () => afterWatermark().withEarlyFirings(afterCount(2)),
  any: () => repeatedly(afterAny(afterCount(9), afterWatermark())),
  'or finally': () => repeatedly(afterCount(2)).orFinally(afterWatermark()),
};
