// SPDX-License-Identifier: Apache-2.0
// The transform that every assertion is: all elements of all windows in one place, checked once, also
// when there are none.

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, IterableCoder, type KV, KVCoder, VarIntCoder } from '../coders/index.ts';
import {
  P,
  type PCollection,
  type Pipeline,
  PTransformClass,
  type TransformNode,
} from '../pipeline/index.ts';
import {
  flatten,
  globalWindows,
  groupByKey,
  impulse,
  never,
  windowInto,
  withCoder,
} from '../transforms/index.ts';

/** Looks at elements and throws, or rejects, when they are not as they should be. */
export type Check<T> = (actual: T[]) => void | Promise<void>;

/** Assertions by pipeline that have not been checked yet, by the node that they were applied as. */
const unchecked = new WeakMap<Pipeline, Set<TransformNode>>();

/** Where the assertions of a pipeline were applied that were never checked. */
export function uncheckedAssertions(pipeline: Pipeline): readonly TransformNode[] {
  return [...(unchecked.get(pipeline) ?? [])];
}

/** Fails the run when `check` does. */
export class Assertion<T> extends PTransformClass<PCollection<T>, void> {
  constructor(
    name: string,
    private readonly check: Check<T>,
  ) {
    super(name);
  }

  override expandInternal(input: PCollection<T>, pipeline: Pipeline, node: TransformNode): void {
    const { check } = this;
    const waiting = unchecked.get(pipeline) ?? new Set();
    unchecked.set(pipeline, waiting.add(node));
    const coder: Coder<KV<number, Iterable<T>>> = new KVCoder(
      new VarIntCoder() as Coder<number>,
      new IterableCoder(input.coder),
    );
    // Nobody's element, so that there is a group to check even of nothing.
    const seed = input
      .root()
      .apply(impulse())
      .map(() => ({ key: 0, value: [] as Iterable<T> }))
      .apply(withCoder(coder));
    const elements = input
      .apply(windowInto(globalWindows()))
      .map((value) => ({ key: 0, value: [value] as Iterable<T> }))
      .apply(withCoder(coder));
    const all = P([seed, elements]).apply(flatten());
    const once = all.isBounded
      ? all
      : all.apply(
          windowInto(globalWindows(), { trigger: never(), accumulationMode: 'discarding' }),
        );
    once.apply(groupByKey()).map(async function compare({ value }) {
      const actual: T[] = [];
      for await (const one of value) actual.push(...one);
      waiting.delete(node);
      try {
        await check(actual);
      } catch (error) {
        throw failed(error).with(node.errorDetails);
      }
      return null;
    });
  }
}

function failed(thrown: unknown): BeamBridgeError {
  if (thrown instanceof BeamBridgeError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const [first = 'the assertion does not hold', ...rest] = message.split('\n');
  return new BeamBridgeError('ASSERTION_FAILED', first, {
    detail: rest.join('\n').trim() || undefined,
    cause: thrown,
  });
}
