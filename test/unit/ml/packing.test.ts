// SPDX-License-Identifier: Apache-2.0
// Batches by hand: Python's part is an echo that adds a column of inferences.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader, ByteWriter } from '../../../src/base/index.ts';
import {
  GlobalWindow,
  IntervalWindow,
  MIN_TIMESTAMP,
  NO_FIRING,
  type PaneInfo,
  Timing,
  type Window,
} from '../../../src/coders/index.ts';
import { ColumnCodec } from '../../../src/ml/packing/columns.ts';
import { type InferenceTypes, PackExamples, packLimits } from '../../../src/ml/packing/packing.ts';
import { UnpackPredictions } from '../../../src/ml/packing/unpacking.ts';
import { array, float64, int64, nullable, string } from '../../../src/schema/index.ts';
import { fixedWindows, TimestampedValue } from '../../../src/transforms/index.ts';

const TYPES: InferenceTypes = { example: int64, inference: string };
const windowCoder = fixedWindows(1).windowCoder();

interface At {
  window: Window;
  timestamp: number;
  pane: PaneInfo;
}
const somewhere: At = { window: GlobalWindow.INSTANCE, timestamp: MIN_TIMESTAMP, pane: NO_FIRING };

/** What the engine binds for one element. */
function context(at: At) {
  return {
    window: { lookup: () => at.window },
    timestamp: { lookup: () => at.timestamp },
    pane: { lookup: () => at.pane },
  } as unknown as Parameters<PackExamples['process']>[1];
}

/** One bundle: all batches in the order in which they come out. */
function pack(types: InferenceTypes, elements: [unknown, At][]) {
  const doFn = new PackExamples(types, windowCoder);
  doFn.startBundle();
  const full = elements.flatMap(
    ([element, at]) => (doFn.process(element, context(at)) ?? []) as TimestampedValue<Uint8Array>[],
  );
  return { full, rest: doFn.finishBundle() };
}

/** The answer to a batch, with one inference for all rows. */
function answer(batch: Uint8Array, inference: string): Uint8Array {
  const count = new ByteReader(batch).varint();
  const out = new ByteWriter();
  out.prefixedBytes(batch);
  out.prefixed((column) =>
    new ColumnCodec('inference', string).write(Array(count).fill(inference), column),
  );
  return out.take();
}

/** Of a batch in which no row has the time of all. */
const NO_TIME = context({ ...somewhere, timestamp: Number.NaN });

function unpack(types: InferenceTypes, bytes: Uint8Array): TimestampedValue<unknown>[] {
  const doFn = new UnpackPredictions(types, ['example', 'inference']);
  return [...doFn.process(bytes, NO_TIME)] as TimestampedValue<unknown>[];
}

test('rows come back with their own timestamps', () => {
  const { full, rest } = pack(TYPES, [
    [1, { ...somewhere, timestamp: 7 }],
    [2, { ...somewhere, timestamp: 5 }],
    [3, somewhere],
  ]);
  assert.equal(full.length, 0);
  assert.equal(rest.length, 1);
  assert.equal(rest[0]!.timestamp, MIN_TIMESTAMP);
  assert.deepEqual(
    unpack(TYPES, answer(rest[0]!.value, 'x')).map(({ value, timestamp }) => [value, timestamp]),
    [
      [{ example: 1, inference: 'x' }, 7],
      [{ example: 2, inference: 'x' }, 5],
      [{ example: 3, inference: 'x' }, MIN_TIMESTAMP],
    ],
  );
});

test('rows at the time of their batch come back as they are, one by one', () => {
  const { rest } = pack(TYPES, [
    [1, { ...somewhere, timestamp: 7 }],
    [2, { ...somewhere, timestamp: 5 }],
    [3, { ...somewhere, timestamp: 5 }],
  ]);
  const doFn = new UnpackPredictions(TYPES, ['example', 'inference']);
  const at = context({ ...somewhere, timestamp: rest[0]!.timestamp });
  const rows = doFn.process(answer(rest[0]!.value, 'x'), at);
  assert.deepEqual(
    [...rows],
    [
      new TimestampedValue({ example: 1, inference: 'x' }, 7),
      { example: 2, inference: 'x' },
      { example: 3, inference: 'x' },
    ],
  );
  assert.deepEqual([...rows], []);
});

test('a batch holds rows of one window and one pane', () => {
  const window = (start: number) => new IntervalWindow(start, start + 1000);
  const late: PaneInfo = { ...NO_FIRING, timing: Timing.LATE, index: 1, isFirst: false };
  const { rest } = pack(TYPES, [
    [1, { window: window(0), timestamp: 1, pane: NO_FIRING }],
    [2, { window: window(1000), timestamp: 1001, pane: NO_FIRING }],
    [3, { window: window(0), timestamp: 2, pane: { ...NO_FIRING } }],
    [4, { window: window(0), timestamp: 3, pane: late }],
  ]);
  assert.deepEqual(
    rest.map((batch) => [
      unpack(TYPES, answer(batch.value, '')).map(
        ({ value }) => (value as { example: number }).example,
      ),
      batch.timestamp,
      String(batch.windows[0]),
      batch.pane.timing,
    ]),
    [
      [[1, 3], 1, '[0, 1000)', Timing.UNKNOWN],
      [[2], 1001, '[1000, 2000)', Timing.UNKNOWN],
      [[4], 3, '[0, 1000)', Timing.LATE],
    ],
  );
});

test('a batch is full at 4,096 rows, or about two megabytes', () => {
  const many = pack(
    TYPES,
    Array.from({ length: 10_000 }, (_, i) => [i, somewhere]),
  );
  assert.deepEqual(
    [...many.full, ...many.rest].map(({ value }) => new ByteReader(value).varint()),
    [4096, 4096, 1808],
  );
  const large: InferenceTypes = { ...TYPES, example: array(float64) };
  const rows = Array.from({ length: 10 }, () => Array.from({ length: 80_000 }, Math.random));
  const few = pack(
    large,
    rows.map((row) => [row, somewhere]),
  );
  assert.deepEqual(
    [...few.full, ...few.rest].map(({ value }) => new ByteReader(value).varint()),
    [4, 4, 2],
  );
});

test('keys go with their examples', () => {
  const types: InferenceTypes = { ...TYPES, key: string };
  const { rest } = pack(types, [
    [{ key: 'a', value: 1 }, somewhere],
    [{ key: 'b', value: 2 }, somewhere],
  ]);
  assert.deepEqual(
    unpack(types, answer(rest[0]!.value, 'x')).map(({ value }) => value),
    [
      { key: 'a', value: { example: 1, inference: 'x' } },
      { key: 'b', value: { example: 2, inference: 'x' } },
    ],
  );
  assert.throws(() => pack(types, [[5, somewhere]]), {
    code: 'ROW_MISMATCH',
    message: /key, value/,
  });
  assert.throws(() => pack(types, [[{ key: 5, value: 1 }, somewhere]]), {
    code: 'ROW_MISMATCH',
    message: /field key/,
  });
});

test('a declared model id is a field like any other', () => {
  const types: InferenceTypes = { ...TYPES, modelId: nullable(string) };
  const { rest } = pack(types, [[1, somewhere]]);
  const out = new ByteWriter();
  out.bytes(answer(rest[0]!.value, 'x'));
  out.prefixed((column) =>
    new ColumnCodec('model_id', nullable(string)).write(['digits.pkl'], column),
  );
  const [first] = new UnpackPredictions(types, ['model_id', 'example', 'inference']).process(
    out.take(),
    context(somewhere),
  );
  assert.deepEqual(Object.entries(first as object), [
    ['model_id', 'digits.pkl'],
    ['example', 1],
    ['inference', 'x'],
  ]);
});

test('each row is a plain object of its own, with a list of its own', () => {
  const types: InferenceTypes = { ...TYPES, example: array(int64) };
  const { rest } = pack(types, [
    [[1, 2], somewhere],
    [[3], somewhere],
  ]);
  const rows = unpack(types, answer(rest[0]!.value, 'x')).map(({ value }) => value) as {
    example: number[];
    inference: string;
  }[];
  rows[0]!.example.push(9);
  rows[0]!.inference = 'y';
  assert.deepEqual(rows, [
    { example: [1, 2, 9], inference: 'y' },
    { example: [3], inference: 'x' },
  ]);
  assert.ok(rows.every((row) => Object.getPrototypeOf(row) === Object.prototype));
  assert.ok(rows.every((row) => Array.isArray(row.example)));
});

test('what a failed bundle left does not leak into the next', () => {
  const doFn = new PackExamples(TYPES, windowCoder);
  doFn.startBundle();
  doFn.process(1, context(somewhere));
  doFn.startBundle();
  doFn.process(2, context(somewhere));
  const [batch] = doFn.finishBundle();
  assert.equal(new ByteReader(batch!.value).varint(), 1);
});

test('a packed batch is for so many calls of a handler that takes a few rows at a time', () => {
  const rows = (min?: number, max?: number) => packLimits(min, max).rows;
  assert.deepEqual(
    [rows(), rows(undefined, 1), rows(1, 1), rows(undefined, 8)],
    [4096, 32, 32, 256],
  );
  assert.deepEqual([rows(10_000), rows(100, 100), rows(500, 1000)], [10_000, 3200, 4096]);
});
