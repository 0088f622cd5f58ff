// SPDX-License-Identifier: Apache-2.0
// The transform that every assertion is: all elements of all windows in one place, checked once, also
// when there are none.

import { inspect } from 'node:util';
import { BeamBridgeError } from '../base/index.ts';
import { type Coder, IterableCoder, type KV, KVCoder, VarIntCoder } from '../coders/index.ts';
import {
  callSite,
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

/** Looks at elements and throws, rejects, or says false when they are not as they should be. */
export type Check<T> = (actual: T[]) => void | boolean | Promise<void> | Promise<boolean>;

/** Assertions by pipeline that have not been checked yet, by the node that they were applied as. */
const unchecked = new WeakMap<Pipeline, Set<TransformNode>>();

/** Assertions by pipeline that say nothing yet, with the line on which each stands. */
const empty = new WeakMap<Pipeline, Map<object, string | undefined>>();

/** Notes an assertion that is to be given a check. */
export function awaitCheck(assertion: object, pipeline: Pipeline): void {
  pipeline.refuseLate('assertThat');
  const waiting = empty.get(pipeline) ?? new Map<object, string | undefined>();
  empty.set(pipeline, waiting.set(assertion, callSite()));
}

/** Takes back what {@link awaitCheck} noted. */
export function givenCheck(assertion: object, pipeline: Pipeline): void {
  empty.get(pipeline)?.delete(assertion);
}

/**
 * @throws BeamBridgeError `ASSERTION_FAILED` for an assertion of a constructed pipeline that checks nothing
 */
export function refuseEmptyAssertions(pipeline: Pipeline): void {
  for (const appliedAt of empty.get(pipeline)?.values() ?? []) {
    throw new BeamBridgeError('ASSERTION_FAILED', 'an assertion was never given a check', {
      transform: 'assertThat',
      appliedAt,
      hint: 'Go on with containsInAnyOrder(…), empty() or satisfies(…): assertThat alone looks at nothing.',
    });
  }
}

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
    const checked = once.apply(groupByKey()).map(async function compare({ value }) {
      const actual: T[] = [];
      for await (const one of value) actual.push(...one);
      waiting.delete(node);
      try {
        if ((await check(actual)) === false) throw saidFalse(actual);
      } catch (error) {
        throw failed(error).with(node.errorDetails);
      }
      return null;
    });
    checked.node.producer.staysHere = 'notes for the test that it was checked';
  }
}

function saidFalse(actual: readonly unknown[]): BeamBridgeError {
  return new BeamBridgeError(
    'ASSERTION_FAILED',
    `the check returned false (${actual.length} found)`,
    {
      hint: 'A check that throws, as those of node:assert do, says what is wrong.',
      detail: `found: ${inspect(actual, { maxArrayLength: 20, depth: 6 })}`,
    },
  );
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
