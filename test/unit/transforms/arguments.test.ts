// SPDX-License-Identifier: Apache-2.0
// Every wrong argument is an error with a code and a hint, when the transform is applied.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError, type ErrorCode } from '../../../src/base/index.ts';
import { type Coder, KVCoder, StrUtf8Coder } from '../../../src/coders/index.ts';
import { P, type Root } from '../../../src/pipeline/index.ts';
import { assertContentsSatisfies } from '../../../src/testing/index.ts';
import {
  assignTimestamps,
  coGroupBy,
  combineGlobally,
  combinePerKey,
  create,
  distinct,
  fixedWindows,
  flatten,
  fromAsyncIterable,
  groupBy,
  groupByKey,
  groupIntoBatches,
  partition,
  sample,
  sessions,
  slidingWindows,
  split,
  sum,
  top,
  windowInto,
  withRowCoder,
} from '../../../src/transforms/index.ts';
import { newRoot } from './graph.ts';

/** Nothing that the compiler would let through. */
function wrong(value: unknown): never {
  return value as never;
}

const unstable: Coder<string> = {
  name: 'unstable',
  deterministic: false,
  encode: () => {},
  decode: () => '',
  spec: () => ({ urn: 'test:unstable' }),
};

const cases: Record<string, [ErrorCode, RegExp, (root: Root) => unknown]> = {
  'create of a function': [
    'CODER_MISMATCH',
    /element 1 of create/,
    (r) => r.apply(create([1, () => 1])),
  ],
  'create of text': ['INVALID_ARGUMENT', /create\(\[element\]\)/, (r) => r.apply(create('abc'))],
  'create of an async iterable': [
    'INVALID_ARGUMENT',
    /Collect it into an array/,
    (r) => r.apply(create(wrong((async function* () {})()))),
  ],
  'create of a promise': [
    'INVALID_ARGUMENT',
    /Collect it into an array/,
    (r) => r.apply(create(wrong(Promise.resolve([1])))),
  ],
  'create of nothing at all': [
    'INVALID_ARGUMENT',
    /undefined/,
    (r) => r.apply(create(wrong(undefined))),
  ],
  'create of what its coder cannot write': [
    'CODER_MISMATCH',
    /element 0 of create, number 1/,
    (r) => r.apply(create(wrong([1]), { coder: new StrUtf8Coder() })),
  ],
  'a key whose coder is not deterministic': [
    'NON_DETERMINISTIC_KEY',
    /unstable/,
    (r) =>
      r
        .apply(
          create<{ key: string; value: string }>([], {
            coder: new KVCoder(unstable, new StrUtf8Coder()),
          }),
        )
        .apply(groupByKey()),
  ],
  'groupBy a number': ['INVALID_ARGUMENT', /number 7/, () => groupBy(wrong(7))],
  'groupBy no fields': ['INVALID_ARGUMENT', /array of names/, () => groupBy([])],
  'combining no name': [
    'INVALID_ARGUMENT',
    /no name/,
    () => groupBy('a').combining('b', sum, wrong(undefined)),
  ],
  'combining under one name twice': [
    'INVALID_ARGUMENT',
    /two fields of the combined rows are named "s"/,
    () => groupBy('a').combining('b', sum, 's').combining('c', sum, 's'),
  ],
  'combining under the name of the key': [
    'INVALID_ARGUMENT',
    /two fields of the combined rows are named "a"/,
    () => groupBy(['a', 'b']).combining('c', sum, 'a'),
  ],
  'combining under the name of a key of a function': [
    'INVALID_ARGUMENT',
    /two fields of the combined rows are named "key"/,
    () => groupBy(() => 1).combining(() => 1, sum, 'key'),
  ],
  'combining with no combiner': [
    'INVALID_ARGUMENT',
    /lacks createAccumulator, addInput/,
    () => groupBy('a').combining('b', wrong({}), 's'),
  ],
  'groupIntoBatches of no size': [
    'INVALID_ARGUMENT',
    /the size is number 0/,
    () => groupIntoBatches(0),
  ],
  'groupIntoBatches with no duration': [
    'INVALID_ARGUMENT',
    /maxBufferingDurationMs is number NaN/,
    () => groupIntoBatches(2, { maxBufferingDurationMs: Number.NaN }),
  ],
  'groupIntoBatches with a duration below 0': [
    'INVALID_ARGUMENT',
    /maxBufferingDurationMs is number -1/,
    () => groupIntoBatches(2, { maxBufferingDurationMs: -1 }),
  ],
  'distinct of a stream without windows': [
    'INVALID_ARGUMENT',
    /its window never ends/,
    (r) => r.apply(fromAsyncIterable(async function* () {})).apply(distinct()),
  ],
  'distinct of sessions that may fire twice': [
    'UNSUPPORTED',
    /would repeat elements/,
    (r) =>
      r
        .apply(create(['a']))
        .apply(windowInto(sessions(10), { allowedLateness: { hours: 1 } }))
        .apply(distinct()),
  ],
  'combinePerKey of nothing': [
    'INVALID_ARGUMENT',
    /undefined/,
    () => combinePerKey(wrong(undefined)),
  ],
  'combineGlobally with half a combiner': [
    'INVALID_ARGUMENT',
    /lacks mergeAccumulators/,
    () => combineGlobally(wrong({ ...sum, mergeAccumulators: undefined })),
  ],
  'fixed windows of no length': [
    'INVALID_ARGUMENT',
    /at least one millisecond/,
    () => fixedWindows(0),
  ],
  'fixed windows of a negative length': ['INVALID_ARGUMENT', /size is -1/, () => fixedWindows(-1)],
  'fixed windows of text': [
    'INVALID_ARGUMENT',
    /number of seconds/,
    () => fixedWindows(wrong('1')),
  ],
  'sliding windows without a period': [
    'INVALID_ARGUMENT',
    /period/,
    () => slidingWindows(10, wrong(undefined)),
  ],
  'sessions without an end': ['INVALID_ARGUMENT', /gap/, () => sessions(Number.POSITIVE_INFINITY)],
  'windowInto of a function that was not called': [
    'INVALID_ARGUMENT',
    /fixedWindows, which lacks/,
    () => windowInto(wrong(fixedWindows)),
  ],
  'windowInto with a negative lateness': [
    'INVALID_ARGUMENT',
    /allowedLateness is -1/,
    () => windowInto(fixedWindows(1), { allowedLateness: -1 }),
  ],
  'a merging window function that cannot merge': [
    'INVALID_ARGUMENT',
    /lacks mergeWindows/,
    () => windowInto(wrong({ ...sessions(1), mergeWindows: undefined })),
  ],
  'assignTimestamps of no function': [
    'INVALID_ARGUMENT',
    /no function/,
    () => assignTimestamps(wrong(5)),
  ],
  'partition into no parts': ['INVALID_ARGUMENT', /0 parts/, () => partition(() => 0, 0)],
  'partition without a function': ['INVALID_ARGUMENT', /function/, () => partition(wrong(2), 2)],
  'split without tags': ['INVALID_ARGUMENT', /no tags/, () => split([])],
  'split that renames to nothing': [
    'INVALID_ARGUMENT',
    /unknownTagName/,
    () => split<{ a: 1 }>(['a'], { unknownTagBehavior: 'rename' }),
  ],
  'flatten of differently windowed PCollections': [
    'INVALID_ARGUMENT',
    /windowed differently \(globalWindows, fixedWindows\(1\)\)/,
    (r) => {
      const a = r.apply(create([1]));
      return P([a, a.apply(windowInto(fixedWindows(1)))]).apply(flatten());
    },
  ],
  'coGroupBy of nothing': [
    'INVALID_ARGUMENT',
    /applied to nothing/,
    () => P({}).apply(coGroupBy('a')),
  ],
  'top of no values': ['INVALID_ARGUMENT', /top of 0/, () => top(0)],
  'sample of half a value': ['INVALID_ARGUMENT', /sample of 0.5/, () => sample(0.5)],
  'a row of no known type': ['INVALID_SCHEMA', /tags/, () => withRowCoder({ tags: [] })],
  'an assertion without a function': [
    'INVALID_ARGUMENT',
    /no function/,
    () => assertContentsSatisfies(wrong([1])),
  ],
};

for (const [name, [code, message, construct]] of Object.entries(cases)) {
  test(`${name} is ${code}`, () => {
    assert.throws(
      () => construct(newRoot()),
      (error) => {
        assert.ok(error instanceof BeamBridgeError, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test('a lateness that looks like seconds beside windows of seconds is refused, unless it names its unit', () => {
  for (const [size, allowedLateness] of [
    [60, 60],
    [3600, 3600],
  ] as const) {
    assert.throws(() => windowInto(fixedWindows(size), { allowedLateness }), {
      code: 'INVALID_ARGUMENT',
      message: /windows of \d+ seconds.*Name the unit: \{ seconds: /s,
    });
  }
  windowInto(fixedWindows(60), { allowedLateness: 60_000 });
  windowInto(fixedWindows(60), { allowedLateness: { seconds: 60 } });
  windowInto(fixedWindows(60), { allowedLateness: { milliseconds: 60 } });
  assert.throws(() => windowInto(fixedWindows(60), { allowedLateness: { second: 1 } as never }), {
    code: 'INVALID_ARGUMENT',
  });
});

test('window sizes that convert themselves to a number, as a Long does, count as that number', () => {
  const long = (value: number) => ({ toNumber: () => value }) as unknown as number;
  const [window] = fixedWindows(long(60), long(10)).assignWindows(0);
  assert.deepEqual([window?.start, window?.end], [-50_000, 10_000]);
  assert.equal(slidingWindows(long(60), long(30)).assignWindows(0).length, 2);
  assert.equal(sessions(long(5)).assignWindows(0)[0]?.end, 5000);
});
