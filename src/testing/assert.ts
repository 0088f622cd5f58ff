// SPDX-License-Identifier: Apache-2.0
// Assertions that run inside a pipeline: one that does not hold fails the run.

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, IterableCoder, type KV, KVCoder, VarIntCoder } from '../coders/index.ts';
import { extractName, P, type PCollection, PTransformClass } from '../pipeline/index.ts';
import {
  flatten,
  globalWindows,
  groupByKey,
  impulse,
  windowInto,
  withCoder,
} from '../transforms/index.ts';
import { difference } from './difference.ts';

/**
 * Fails the pipeline unless the PCollection holds exactly these elements, in any order, equal in
 * depth and in type (as `node:assert` compares strictly). It runs for an empty PCollection too.
 *
 * @throws `ASSERTION_FAILED` from the run, with the difference as its detail
 *
 * @example
 * ```ts
 * await createRunner().run((root) => {
 *   root.apply(create([1, 2])).map((n) => n * n).apply(assertDeepEqual([4, 1]));
 * });
 * ```
 */
export function assertDeepEqual<T>(expected: Iterable<T>): PTransformClass<PCollection<T>, void> {
  const wanted = [...expected];
  return new Assertion<T>('assertDeepEqual', (actual) => {
    const detail = difference(actual, wanted);
    if (detail === undefined) return;
    throw new BeamBridgeError(
      'ASSERTION_FAILED',
      `the PCollection does not hold the expected elements (${actual.length} found, ${wanted.length} expected)`,
      { detail },
    );
  });
}

/**
 * Fails the pipeline when `check`, called once with all elements of all windows, throws or rejects.
 * The elements have no order. It is called for an empty PCollection too.
 *
 * @throws `ASSERTION_FAILED` from the run, with what `check` threw as its cause
 *
 * @example
 * ```ts
 * scores.apply(assertContentsSatisfies((all) => assert.ok(all.every((score) => score >= 0))));
 * ```
 */
export function assertContentsSatisfies<T>(
  check: (actual: T[]) => void | Promise<void>,
): PTransformClass<PCollection<T>, void> {
  if (typeof check !== 'function') {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'assertContentsSatisfies was given no function', {
      hint: 'Pass a function that throws when the elements are not as they should be.',
    });
  }
  const name = extractName(check);
  return new Assertion<T>(`assertContentsSatisfies${name ? `(${name})` : ''}`, check);
}

class Assertion<T> extends PTransformClass<PCollection<T>, void> {
  constructor(
    name: string,
    private readonly check: (actual: T[]) => void | Promise<void>,
  ) {
    super(name);
  }

  override expand(input: PCollection<T>): void {
    const { check } = this;
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
    P([seed, elements])
      .apply(flatten())
      .apply(groupByKey())
      .map(async function compare({ value }) {
        const actual: T[] = [];
        for await (const one of value) actual.push(...one);
        try {
          await check(actual);
        } catch (error) {
          throw failed(error);
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
