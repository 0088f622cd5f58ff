// SPDX-License-Identifier: Apache-2.0
// Reshuffle: elements as they are, spread anew over the workers. Runners that know its URN move the
// elements themselves; for others the expansion below does it with a grouping.

import {
  type Coder,
  DoubleCoder,
  type Instant,
  type KV,
  KVCoder,
  VarIntCoder,
  type Window,
} from '../coders/index.ts';
import {
  type PCollection,
  type PTransformClass,
  TimestampedValue,
  timestampParam,
  type WindowFn,
  type WindowingStrategy,
  windowingStrategy,
} from '../pipeline/index.ts';
import { urns } from '../proto/index.ts';
import { groupKeyed } from './group-by-key.ts';
import { eachValue } from './grouped-values.ts';
import { doFnStep, transform } from './transform.ts';
import { registerWindowFn } from './window-into.ts';

/** Enough keys to occupy any number of workers, few enough that each key has many elements. */
const KEYS = 1024;
const LONGEST_LATENESS = Number.MAX_SAFE_INTEGER;

/**
 * Breaks the chain from one step to the next: what follows is spread over all workers anew, and is
 * not repeated when something after it fails. Elements keep their timestamps and windows.
 *
 * @example
 * ```ts
 * root.apply(create(urls)).apply(reshuffle()).map(download);
 * ```
 */
export function reshuffle<T>(): PTransformClass<PCollection<T>, PCollection<T>> {
  return transform('reshuffle', (input, pipeline, node) => {
    node.spec = { urn: urns.StandardPTransforms_Composites.RESHUFFLE };
    const windowing = input.node.windowing;
    const keyed = input.apply(addKeys(input.coder));
    const strategy = groupingStrategy(windowing, input.isBounded);
    registerWindowFn(strategy.windowFn, pipeline, node);
    keyed.node.windowing = strategy;
    const output = keyed.apply(groupKeyed()).apply(dropKeys(input.coder));
    output.node.windowing = windowing;
    return output;
  });
}

/** An element's timestamp travels beside it, for a grouping gives all its values one timestamp. */
type Stamped<T> = KV<Instant, T>;

function addKeys<T>(coder: Coder<T>) {
  // Instants outside the safe integers are doubles here, so the coder of doubles keeps them.
  const stamped = new KVCoder(new DoubleCoder(), coder);
  let next = 0;
  return doFnStep<T, KV<number, Stamped<T>>, { now: ReturnType<typeof timestampParam> }>(
    'addKeys',
    {
      process(value, { now }) {
        next = (next + 1) % KEYS;
        return [{ key: next, value: { key: now.lookup(), value } }];
      },
    },
    new KVCoder(new VarIntCoder(), stamped),
    { now: timestampParam() },
  );
}

function dropKeys<T>(coder: Coder<T>) {
  return doFnStep<KV<number, Iterable<Stamped<T>>>, T>(
    'dropKeys',
    {
      process: ({ value }) =>
        eachValue(value, (stamped) => new TimestampedValue(stamped.value, stamped.key)),
    },
    coder,
  );
}

/** Windows must neither merge nor hold elements back while they are only being moved. */
function groupingStrategy(windowing: WindowingStrategy, bounded: boolean): WindowingStrategy {
  const windowFn = windowing.windowFn.isMerging()
    ? keepWindows(windowing.windowFn)
    : windowing.windowFn;
  if (bounded) return windowingStrategy(windowFn);
  return windowingStrategy(windowFn, {
    trigger: { trigger: { case: 'always', value: {} } },
    allowedLateness: LONGEST_LATENESS,
    timestampCombiner: 'earliest',
  });
}

/** Windows of a merging function, before they merge. */
function keepWindows(merging: WindowFn): WindowFn {
  return {
    beamName: 'keepWindows',
    assignWindows: (timestamp, element): Window[] => merging.assignWindows(timestamp, element),
    windowCoder: () => merging.windowCoder(),
    toProto: () => undefined,
    isMerging: () => false,
    assignsToOneWindow: () => merging.assignsToOneWindow(),
  };
}
