// SPDX-License-Identifier: Apache-2.0
// What comes before a splittable DoFn's `process`: each element gets a restriction, restrictions are
// split in parts with a size, and in a drain truncated.

import { BeamBridgeError } from '../../../base/index.ts';
import type { KV } from '../../../coders/index.ts';
import type { AnyFunction, AnySplittableDoFn } from '../../../pipeline/index.ts';
import type { DoFnInstance } from '../do-fn-instances.ts';
import { FlatMapOperator } from './flat-map.ts';
import type { ParDoParts } from './par-do.ts';

/** An element with its restriction and the state of its watermark estimator. */
export type Paired = KV<unknown, KV<unknown, unknown>>;
/** The same with its size, in units of the DoFn. */
export type Sized = KV<Paired, number>;

/** One of the steps. */
export class SplittableStep extends FlatMapOperator {
  readonly ownsInput = true;
  constructor(
    parts: ParDoParts,
    readonly instance: DoFnInstance,
    step: AnyFunction,
  ) {
    super(parts, step);
  }

  override async startBundle(): Promise<void> {
    await super.startBundle();
    try {
      await this.instance.setUp(this.scope.asking);
    } catch (error) {
      throw this.failed(error);
    }
  }
}

/** From an element to the element with all that is to be done for it. */
export function pairWithRestriction(doFn: AnySplittableDoFn): AnyFunction {
  return async (element): Promise<Paired[]> => {
    const restriction = await doFn.initialRestriction(element);
    return [paired(doFn, element, restriction)];
  };
}

/** From an element with a restriction to several with a part of it each. */
export function splitAndSize(doFn: AnySplittableDoFn): AnyFunction {
  return async function* (given): AsyncGenerator<Sized> {
    const { key: element, value } = given as Paired;
    const parts = doFn.splitRestriction?.(element, value.key) ?? [value.key];
    for await (const part of parts) {
      yield { key: paired(doFn, element, part), value: sizeOf(doFn, element, part) };
    }
  };
}

/** Leaves of a restriction what a drain still has to do. */
export function truncate(doFn: AnySplittableDoFn): AnyFunction {
  return async (given): Promise<Sized[]> => {
    const { key: element, value } = (given as Sized).key;
    const restriction = value.key;
    let left: unknown;
    if (doFn.truncateRestriction) left = await doFn.truncateRestriction(element, restriction);
    else left = doFn.newTracker(restriction).isBounded() ? restriction : undefined;
    if (left === undefined) return [];
    return [sized(doFn, element, left, value.value)];
  };
}

function paired(doFn: AnySplittableDoFn, element: unknown, restriction: unknown): Paired {
  const state = doFn.initialWatermarkState?.(element, restriction);
  return { key: element, value: { key: restriction, value: state } };
}

/** An element with a restriction, an estimator state and a size. */
export function sized(
  doFn: AnySplittableDoFn,
  element: unknown,
  restriction: unknown,
  state: unknown,
): Sized {
  return {
    key: { key: element, value: { key: restriction, value: state } },
    value: sizeOf(doFn, element, restriction),
  };
}

/** @throws `USER_CODE_FAILED` for a size that is none */
function sizeOf(doFn: AnySplittableDoFn, element: unknown, restriction: unknown): number {
  const size = doFn.restrictionSize
    ? doFn.restrictionSize(element, restriction)
    : (doFn.newTracker(restriction).progress?.().remaining ?? 1);
  if (typeof size === 'number' && size >= 0) return size;
  throw new BeamBridgeError('USER_CODE_FAILED', `a restriction cannot have the size ${size}`, {
    hint: 'restrictionSize gives a number from 0 up.',
  });
}
