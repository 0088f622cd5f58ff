// SPDX-License-Identifier: Apache-2.0
// A strategy of the reference as the transform that a user would write.

import type { WindowFn } from '../../../src/pipeline/index.ts';
import {
  afterAll,
  afterAny,
  afterCount,
  afterEach,
  afterProcessingTime,
  afterWatermark,
  always,
  defaultTrigger,
  fixedWindows,
  globalWindows,
  never,
  repeatedly,
  sessions,
  slidingWindows,
  type Trigger as UserTrigger,
  windowInto,
} from '../../../src/transforms/index.ts';
import type { Strategy, Trigger, Windowing } from './types.ts';

/** The trigger as our own functions make it. */
export function triggerOf(trigger: Trigger): UserTrigger {
  switch (trigger.kind) {
    case 'default':
      return defaultTrigger();
    case 'never':
      return never();
    case 'always':
      return always();
    case 'afterWatermark': {
      let made = afterWatermark();
      if (trigger.early) made = made.withEarlyFirings(triggerOf(trigger.early));
      if (trigger.late) made = made.withLateFirings(triggerOf(trigger.late));
      return made;
    }
    case 'afterCount':
      return afterCount(trigger.count);
    case 'afterProcessingTime':
      return afterProcessingTime(trigger.delay / 1000);
    case 'repeatedly':
      return repeatedly(triggerOf(trigger.inner));
    case 'afterAll':
      return afterAll(...trigger.parts.map(triggerOf));
    case 'afterAny':
      return afterAny(...trigger.parts.map(triggerOf));
    case 'afterEach':
      return afterEach(...trigger.parts.map(triggerOf));
    case 'orFinally':
      return triggerOf(trigger.main).orFinally(triggerOf(trigger.until));
  }
}

function windowFnOf(windowing: Windowing): WindowFn {
  switch (windowing.kind) {
    case 'global':
      return globalWindows() as WindowFn;
    case 'fixed':
      return fixedWindows(windowing.size / 1000, (windowing.offset ?? 0) / 1000) as WindowFn;
    case 'sliding': {
      const { size, period, offset = 0 } = windowing;
      return slidingWindows(size / 1000, period / 1000, offset / 1000) as WindowFn;
    }
    case 'sessions':
      return sessions(windowing.gap / 1000) as WindowFn;
  }
}

/** `windowInto` with all that the strategy says. */
export function windowIntoOf<T>({ windowing, trigger, ...rest }: Strategy) {
  return windowInto<T>(windowFnOf(windowing), {
    ...rest,
    allowedLateness: { milliseconds: rest.allowedLateness ?? 0 },
    accumulationMode: rest.accumulationMode ?? 'discarding',
    ...(trigger ? { trigger: triggerOf(trigger) } : {}),
  });
}
