// SPDX-License-Identifier: Apache-2.0
// What goes to which output; Python's part is written by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader, ByteWriter } from '../../../src/base/index.ts';
import { GlobalWindow, IntervalWindow, NO_FIRING, type Window } from '../../../src/coders/index.ts';
import { RunInference } from '../../../src/ml/index.ts';
import { ColumnCodec } from '../../../src/ml/packing/columns.ts';
import { type InferenceTypes, PackExamples } from '../../../src/ml/packing/packing.ts';
import { UnpackPredictions } from '../../../src/ml/packing/unpacking.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { array, float32, float64, int64, string } from '../../../src/schema/index.ts';
import {
  create,
  fixedWindows,
  TaggedOutput,
  TimestampedValue,
} from '../../../src/transforms/index.ts';

const TYPES: InferenceTypes = { example: int64, inference: string };

/** One bundle: how many rows each batch has, and what was rejected. */
function pack(types: InferenceTypes, elements: readonly unknown[], window?: Window) {
  const doFn = new PackExamples(types, fixedWindows(1).windowCoder(), true);
  doFn.startBundle();
  const during = elements.flatMap((element, i) => {
    const context = {
      window: { lookup: () => window ?? GlobalWindow.INSTANCE },
      timestamp: { lookup: () => i },
      pane: { lookup: () => NO_FIRING },
    };
    return doFn.process(element, context as never) ?? [];
  });
  return { during, rest: doFn.finishBundle() };
}

test('what does not fit its type is rejected at its own time, the rest is sent', () => {
  const window = new IntervalWindow(0, 1000);
  const { during, rest } = pack(TYPES, [1, 'two', 2 ** 60, 4], window);
  assert.deepEqual(during, []);
  assert.equal(new ByteReader(rest[0]!.value).varint(), 2);
  assert.equal(rest[0]!.timestamp, 0);
  const rejected = rest.slice(1).map(({ value, timestamp, windows }) => {
    assert.ok((value as unknown) instanceof TaggedOutput);
    const { tag, value: failed } = value as unknown as TaggedOutput<Record<string, unknown>>;
    const { element, errorType, traceback } = failed as Record<string, unknown>;
    return [tag, element, errorType, traceback, timestamp, windows];
  });
  assert.deepEqual(rejected, [
    ['rejected', 'two', 'ROW_MISMATCH', '', 1, [window]],
    ['rejected', 2 ** 60, 'INT64_OUT_OF_RANGE', '', 2, [window]],
  ]);
});

test('no batch is sent when nothing fits', () => {
  const { rest } = pack(TYPES, ['one', null]);
  assert.equal(rest.length, 2);
  assert.ok(rest.every(({ value }) => (value as unknown) instanceof TaggedOutput));
});

test('a full batch leaves in the middle of a bundle with what it rejects', () => {
  const elements = Array.from({ length: 4096 }, (_, i) => (i === 7 ? undefined : i));
  const { during, rest } = pack(TYPES, elements);
  const [batch, rejected] = during;
  assert.equal(rest.length, 0);
  assert.equal(during.length, 2);
  assert.ok(batch instanceof TimestampedValue && batch.value instanceof Uint8Array);
  assert.equal(new ByteReader(batch.value).varint(), 4095);
  assert.ok(rejected instanceof TaggedOutput && rejected.value instanceof TimestampedValue);
  assert.equal(rejected.value.timestamp, 7);
});

test('keys and elements that are no key-values are rejected whole', () => {
  const types: InferenceTypes = { ...TYPES, example: array(float64), key: string };
  const good = { key: 'a', value: [1] };
  const badKey = { key: 1, value: [1] };
  const badValue = { key: 'a', value: ['x'] };
  const { during, rest } = pack(types, [5, good, badKey, badValue]);
  const elements = [...during, ...rest.slice(1).map(({ value }) => value as unknown)].map(
    (output) => ((output as TaggedOutput<unknown>).value as { element: unknown }).element,
  );
  assert.deepEqual(elements, [5, badKey, badValue]);
});

test('an element whose key does not fit is told as it came, not as its type says', () => {
  const example = Float64Array.of(0.1, 0.2);
  for (const [key, badKey] of [
    [string, 5],
    [int64, 'five'],
  ] as const) {
    const types: InferenceTypes = { ...TYPES, example: array(float32), key };
    const good = { key: key === string ? 'a' : 1, value: [1.5] };
    const bad = { key: badKey, value: example };
    const { rest } = pack(types, [good, bad, good]);
    assert.equal(rest.length, 2);
    const { value: failed } = rest[1]!.value as unknown as TaggedOutput<unknown>;
    assert.equal((failed as { element: typeof bad }).element.value, example);
  }
});

test('failures take the place of predictions', () => {
  const { rest } = pack({ ...TYPES, key: string }, [
    { key: 'a', value: 1 },
    { key: 'b', value: 2 },
    { key: 'c', value: 3 },
  ]);
  const answer = new ByteWriter();
  answer.prefixedBytes(rest[0]!.value);
  answer.prefixed((failures) => {
    failures.varint(1);
    failures.varint(1);
    for (const text of ['postprocess 1', 'ValueError', 'no 2', 'trace']) {
      failures.prefixedBytes(new TextEncoder().encode(text));
    }
  });
  answer.prefixed((column) => new ColumnCodec('inference', string).write(['x', 'z'], column));
  const unpack = new UnpackPredictions({ ...TYPES, key: string }, ['example', 'inference'], true);
  const failed = {
    element: { key: 'b', value: 2 },
    step: 'postprocess',
    index: 1,
    errorType: 'ValueError',
    message: 'no 2',
    traceback: 'trace',
  };
  assert.deepEqual(
    // Joined with a batch whose rows are of other times.
    [...unpack.process(answer.take(), { timestamp: { lookup: () => -1 } } as never)],
    [
      new TimestampedValue({ key: 'a', value: { example: 1, inference: 'x' } }, 0),
      new TaggedOutput('failed', new TimestampedValue(failed, 1)),
      new TimestampedValue({ key: 'c', value: { example: 3, inference: 'z' } }, 2),
    ],
  );
});

test('dead letters keep the settings, and settings keep dead letters', () => {
  const root = new Root(new Pipeline());
  const { predictions, failed } = root
    .apply(create([1]))
    .apply(
      RunInference.of('my.Handler', { example: int64, inference: int64 })
        .withKwarg('a', 1)
        .withDeadLetters()
        .withExtraPackages(['x']),
    );
  assert.equal(predictions.coder.name, 'row{example: int64, inference: int64}');
  predictions.map(({ inference }) => inference satisfies number);
  failed.map(
    ({ element, errorType }) => `${element satisfies number}${errorType satisfies string}`,
  );
});
