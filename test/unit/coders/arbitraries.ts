// SPDX-License-Identifier: Apache-2.0
// Coders with the values that they take, for property tests.

import fc, { type Arbitrary } from 'fast-check';
import {
  BoolCoder,
  BytesCoder,
  type Coder,
  CustomWindowCoder,
  Decimal,
  DoubleCoder,
  END_OF_GLOBAL_WINDOW,
  GlobalWindow,
  GlobalWindowCoder,
  IntervalWindow,
  IntervalWindowCoder,
  IterableCoder,
  JsCoder,
  KVCoder,
  LengthPrefixCoder,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  MicrosInstant,
  NO_FIRING,
  NullableCoder,
  type PaneInfo,
  ParamWindowedValueCoder,
  requireForSerialization,
  ShardedKeyCoder,
  StrUtf8Coder,
  Tensor,
  type Timer,
  TimerCoder,
  Timing,
  VarIntCoder,
  WindowedValueCoder,
} from '../../../src/coders/index.ts';

export interface CoderCase {
  readonly coder: Coder<unknown>;
  readonly values: Arbitrary<unknown>;
}

function of<T>(coder: Coder<T>, values: Arbitrary<T>): CoderCase {
  return { coder, values };
}

export const safeIntegers = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.nat({ max: 300 }));
export const int64s = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
export const texts = fc.string({ unit: 'grapheme' });
export const byteArrays = fc.uint8Array({ maxLength: 200 });
export const doubles = fc.double();

/** Records as plain objects: decoders make no null prototypes. */
function plain<T>(fields: { [K in keyof T]: Arbitrary<T[K]> }): Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true }) as Arbitrary<T>;
}

const millis = fc.integer({ min: -8e12, max: 8e12 });
export const instants = fc.oneof(
  fc.constantFrom(MIN_TIMESTAMP, MAX_TIMESTAMP, END_OF_GLOBAL_WINDOW, 0, -1),
  millis,
);

export const intervals: Arbitrary<IntervalWindow> = fc
  .tuple(instants, instants)
  .map(([a, b]) => new IntervalWindow(Math.min(a, b), Math.max(a, b)));

/** Python has -1 for a pane that does not say which it is. */
const indices = fc.integer({ min: -1, max: 1000 });
const flags = { isFirst: fc.boolean(), isLast: fc.boolean() };

/** Panes as Beam makes them: an early pane has no on-time index, an unknown one no index at all. */
export const panes: Arbitrary<PaneInfo> = fc.oneof(
  fc.constant(NO_FIRING),
  plain({
    ...flags,
    timing: fc.constant(Timing.UNKNOWN),
    index: fc.constant(0),
    onTimeIndex: fc.constant(0),
  }),
  plain({
    ...flags,
    timing: fc.constant(Timing.EARLY),
    index: indices,
    onTimeIndex: fc.constant(-1),
  }),
  plain({
    ...flags,
    timing: fc.constantFrom(Timing.ON_TIME, Timing.LATE),
    index: indices,
    onTimeIndex: indices,
  }),
);

const base = {
  userKey: texts,
  dynamicTimerTag: texts,
  windows: fc.array(intervals, { minLength: 1, maxLength: 3 }),
};
const timers: Arbitrary<Timer<string>> = fc.oneof(
  plain({ ...base, clearBit: fc.constant(true as const) }),
  plain({
    ...base,
    clearBit: fc.constant(false as const),
    fireTimestamp: instants,
    holdTimestamp: instants,
    pane: panes,
  }),
);

const constant = {
  timestamp: 5,
  windows: [new IntervalWindow(0, 10)],
  pane: { isFirst: true, isLast: false, timing: Timing.LATE, index: 3, onTimeIndex: 2 },
};

/** Any value that the JavaScript coder keeps. */
export const jsValues: Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, undefined, true, false, -0, NaN, Infinity, -Infinity),
    doubles,
    safeIntegers,
    fc.bigInt(),
    texts,
    fc.string({ unit: 'binary' }),
    fc
      .array(fc.integer({ min: 0xd7f0, max: 0xe010 }))
      .map((units) => String.fromCharCode(...units)),
    fc.date({ noInvalidDate: true }),
    byteArrays,
    byteArrays.map((bytes) => Buffer.from(bytes)),
    byteArrays.map((bytes) => new Uint8Array(bytes).buffer),
    fc.oneof(
      fc.int8Array(),
      fc.uint8ClampedArray(),
      fc.int16Array(),
      fc.uint16Array(),
      fc.int32Array(),
      fc.uint32Array(),
      fc.float32Array(),
      fc.float64Array(),
      fc.bigInt64Array(),
      fc.bigUint64Array(),
    ),
    intervals,
    fc.constant(GlobalWindow.INSTANCE),
    fc.bigInt().map((micros) => new MicrosInstant(micros)),
    fc
      .tuple(fc.bigInt(), fc.nat({ max: 50 }))
      .map(([unscaled, scale]) => new Decimal(unscaled, scale)),
    fc.float32Array().map((data) => new Tensor('float32', [data.length, 1], data)),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.oneof(texts, fc.constant('__proto__')), tie('value'), {
      noNullPrototype: true,
    }),
    fc
      .array(fc.tuple(tie('value'), tie('value')), { maxLength: 4 })
      .map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => new Set(items)),
  ),
})).value;

class Point {
  constructor(
    readonly x: unknown,
    readonly y = 0,
  ) {}
}
class Table extends Map<unknown, unknown> {
  label: unknown = 'x';
  // What is read and written are the contents, whatever a class makes of them.
  override *[Symbol.iterator](): MapIterator<[unknown, unknown]> {}
}
class Tags extends Set<unknown> {
  override get size(): number {
    return -1;
  }
}
class Line extends Array<unknown> {
  label: unknown = 'x';
}
class Day extends Date {
  zone: unknown = 'Oslo';
}
class Failed extends RangeError {
  code: unknown = 7;
}
class Block extends ArrayBuffer {
  label: unknown = 'x';
}
class Samples extends Float32Array {
  rate: unknown = 1;
}
class Money extends Decimal {
  currency: unknown = 'NOK';
}
/** Registered as one that a program declares them. */
export const REGISTERED = { Point, Table, Tags, Line, Day, Failed, Block, Samples, Money };
requireForSerialization('arbitraries', REGISTERED);

const errors = fc
  .tuple(
    fc.constantFrom(Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError),
    texts,
    fc.option(jsValues, { nil: undefined }),
    fc.record({ code: jsValues, name: texts }, { requiredKeys: [], noNullPrototype: true }),
  )
  .map(([type, message, cause, fields]) =>
    Object.assign(cause === undefined ? new type(message) : new type(message, { cause }), fields),
  );

/** Instances of classes, of each kind that the JavaScript coder keeps, with any value in them. */
const instances: Arbitrary<object> = fc.oneof(
  errors,
  fc.constantFrom(/(?<n>b)(c)?/, /b/).map((pattern) => {
    const match = pattern.exec('abd')!;
    // Objects without a prototype become plain ones.
    return Object.assign(match, { groups: match.groups && { ...match.groups } });
  }),
  jsValues.map((x) => new Point(x)),
  jsValues.map((label) => Object.assign(new Table().set(label, [label]), { label })),
  jsValues.map((x) => new Tags().add(x)),
  jsValues.map((label) => Object.assign(Line.from([1, label]), { label })),
  jsValues.map((zone) => Object.assign(new Day(5), { zone })),
  jsValues.map((code) => Object.assign(new Failed('x', { cause: code }), { code })),
  jsValues.map((label) => Object.assign(new Block(3), { label })),
  jsValues.map((rate) => Object.assign(Samples.from([1, 2]), { rate })),
  jsValues.map((currency) => Object.assign(new Money(5n, 1), { currency })),
);

/** Any value that the JavaScript coder keeps, with instances of classes at any place. */
export const everyJsValue: Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    jsValues,
    instances,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(texts, tie('value'), { noNullPrototype: true, maxKeys: 3 }),
    tie('value').map((inner) => new Map([[inner, inner]])),
    tie('value').map((inner) => new Table([[1, inner]])),
  ),
})).value;

const keyValues = plain({ key: texts, value: safeIntegers });

/** Every coder but the state backed one, which decodes to an object of its own. */
export const CODERS: readonly CoderCase[] = [
  of(new BytesCoder(), byteArrays),
  of(new StrUtf8Coder(), texts),
  of(new BoolCoder(), fc.boolean()),
  of(new DoubleCoder(), doubles),
  of(new VarIntCoder(), safeIntegers),
  of(new VarIntCoder({ bigint: true }), int64s),
  of(new KVCoder(new StrUtf8Coder(), new VarIntCoder()), keyValues),
  of(
    new KVCoder(new BytesCoder(), new BytesCoder()),
    plain({ key: byteArrays, value: byteArrays }),
  ),
  of(new NullableCoder(new StrUtf8Coder()), fc.option(texts)),
  of(new IterableCoder(new VarIntCoder()), fc.array(safeIntegers)),
  of(new IterableCoder(new DoubleCoder(), { typed: 'float64' }), fc.float64Array()),
  of(new LengthPrefixCoder(new StrUtf8Coder()), texts),
  of(new ShardedKeyCoder(new StrUtf8Coder()), plain({ key: texts, shardId: byteArrays })),
  of(new GlobalWindowCoder(), fc.constant(GlobalWindow.INSTANCE)),
  of(new IntervalWindowCoder(), intervals),
  of(new CustomWindowCoder(new IntervalWindowCoder()), intervals),
  of(
    new WindowedValueCoder(new VarIntCoder(), new IntervalWindowCoder()),
    plain({
      value: safeIntegers,
      timestamp: instants,
      windows: fc.array(intervals, { maxLength: 3 }),
      pane: panes,
    }),
  ),
  of(
    ParamWindowedValueCoder.of(new StrUtf8Coder(), new IntervalWindowCoder(), constant),
    texts.map((value) => ({ value, ...constant })),
  ),
  of(new TimerCoder(new StrUtf8Coder(), new IntervalWindowCoder()), timers),
  of(new JsCoder(), everyJsValue),
];
