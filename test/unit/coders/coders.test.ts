// SPDX-License-Identifier: Apache-2.0
// What coders refuse, and what is special about one or the other.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  BoolCoder,
  BytesCoder,
  type Coder,
  CustomWindowCoder,
  Decimal,
  DoubleCoder,
  decodeValue,
  END_OF_GLOBAL_WINDOW,
  encodeValue,
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
  StrUtf8Coder,
  Timing,
  VarIntCoder,
  WindowedValueCoder,
} from '../../../src/coders/index.ts';
import { hasCode, isMalformed } from './properties.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const fromHex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

describe('integers', () => {
  const varint = new VarIntCoder();
  const big = new VarIntCoder({ bigint: true });

  test('a number outside the safe range is INT64_OUT_OF_RANGE on encode and on decode', () => {
    const outside = hasCode('INT64_OUT_OF_RANGE', 'bigint');
    assert.throws(() => encodeValue(varint, 2 ** 53), outside);
    assert.throws(() => encodeValue(varint, -(2 ** 53)), outside);
    const bytes = encodeValue(big, 2n ** 53n);
    assert.throws(() => decodeValue(varint, bytes), outside);
    assert.equal(decodeValue(big, bytes), 2n ** 53n);
  });

  test('a bigint that needs more than 64 bits is INT64_OUT_OF_RANGE', () => {
    assert.throws(() => encodeValue(big, 2n ** 63n), hasCode('INT64_OUT_OF_RANGE'));
    assert.throws(() => encodeValue(big, -(2n ** 63n) - 1n), hasCode('INT64_OUT_OF_RANGE'));
  });

  test('what is no integer is CODER_MISMATCH', () => {
    for (const value of [1.5, NaN, Infinity, '1', null, undefined, 1n, true]) {
      assert.throws(
        () => encodeValue(varint, value as number),
        hasCode('CODER_MISMATCH', 'varint'),
      );
    }
  });
});

describe('values of another type are CODER_MISMATCH and say what was found', () => {
  const cases: [Coder<unknown>, unknown, string][] = [
    [new BytesCoder(), 'text', 'string "text"'],
    [new StrUtf8Coder(), 7, 'number 7'],
    [new StrUtf8Coder(), '\ud800', 'surrogate'],
    [new BoolCoder(), 0, 'number 0'],
    [new DoubleCoder(), '1', 'string "1"'],
    [new KVCoder(new StrUtf8Coder(), new VarIntCoder()), { key: 'a' }, '{ key, value }'],
    [new KVCoder(new StrUtf8Coder(), new VarIntCoder()), null, 'null'],
    [new IterableCoder(new StrUtf8Coder()), 'text', 'string "text"'],
    [new IterableCoder(new StrUtf8Coder()), null, 'null'],
    [new GlobalWindowCoder(), new IntervalWindow(0, 1), 'IntervalWindow'],
    [new IntervalWindowCoder(), { start: 0, end: 1 }, 'Object {start, end}'],
    [new VarIntCoder(), Promise.resolve(1), 'Await the promise'],
  ];
  for (const [coder, value, words] of cases) {
    test(`${coder.name} and ${words}`, () => {
      assert.throws(() => encodeValue(coder, value), hasCode('CODER_MISMATCH', words));
    });
  }
});

describe('damaged bytes are MALFORMED_DATA', () => {
  const cases: [string, Coder<unknown>, string, boolean][] = [
    ['a boolean of 2', new BoolCoder(), '02', false],
    ['text that is not UTF-8', new StrUtf8Coder(), '61ff62', false],
    ['a negative count', new IterableCoder(new VarIntCoder()), 'fffffffe', false],
    ['bytes after the value', new VarIntCoder(), '0100', false],
    [
      'bytes after the value in a length prefix',
      new LengthPrefixCoder(new VarIntCoder()),
      '020100',
      true,
    ],
    [
      'values without bytes by the billion',
      new IterableCoder(new GlobalWindowCoder()),
      '7fffffff',
      true,
    ],
    [
      'values in state for a plain iterable',
      new IterableCoder(new VarIntCoder()),
      `ffffffff${'ff'.repeat(9)}010161`,
      true,
    ],
  ];
  for (const [name, coder, bytes, nested] of cases) {
    test(name, () => {
      assert.throws(() => decodeValue(coder, fromHex(bytes), nested), isMalformed);
    });
  }
});

test('text that truly holds U+FFFD comes back', () => {
  const coder = new StrUtf8Coder();
  assert.equal(decodeValue(coder, encodeValue(coder, 'a\ufffdb')), 'a\ufffdb');
});

test('decoded bytes are a copy that outlives the buffer they came in', () => {
  const message = Buffer.from([3, 1, 2, 3]);
  const value = decodeValue(new BytesCoder(), message, true);
  message.fill(0);
  assert.deepEqual(value, new Uint8Array([1, 2, 3]));
});

test('a pane that is not the first and has no index is read and written as Python does', () => {
  const coder = new WindowedValueCoder(new VarIntCoder(), new GlobalWindowCoder());
  const index = 'ffffffffffffffffff01';
  // Timestamp, one window, early with one index, the element.
  const early = `8000000000000000${'00000001'}10${index}07`;
  const element = decodeValue(coder, fromHex(early));
  assert.deepEqual(element.pane, {
    isFirst: false,
    isLast: false,
    timing: Timing.EARLY,
    index: -1,
    onTimeIndex: -1,
  });
  assert.equal(hex(encodeValue(coder, element)), early);
  const below = `8000000000000000${'00000001'}10feffffffffffffffff0107`;
  assert.throws(() => decodeValue(coder, fromHex(below)), hasCode('MALFORMED_DATA'));
});

describe('time', () => {
  const element = (timestamp: number) => ({ value: 0, timestamp, windows: [], pane: NO_FIRING });
  const coder = new WindowedValueCoder(new VarIntCoder(), new IntervalWindowCoder());
  const stamp = (timestamp: number) => hex(encodeValue(coder, element(timestamp)).subarray(0, 8));

  test("Beam's special instants have their exact bytes", () => {
    const shifted = (millis: bigint) =>
      BigInt.asUintN(64, millis + 2n ** 63n)
        .toString(16)
        .padStart(16, '0');
    assert.equal(stamp(MIN_TIMESTAMP), shifted(-9223372036854775n));
    assert.equal(stamp(MAX_TIMESTAMP), shifted(9223372036854775n));
    assert.equal(stamp(END_OF_GLOBAL_WINDOW), shifted(9223371950454775n));
    assert.equal(stamp(0), '8000000000000000');
    assert.equal(stamp(-1), '7fffffffffffffff');
    assert.equal(stamp(2 ** 53 + 2), shifted(2n ** 53n + 2n));
  });

  test('fractions of a millisecond and times outside of Beam are refused', () => {
    assert.throws(() => stamp(0.5), hasCode('CODER_MISMATCH', 'whole milliseconds'));
    assert.throws(() => stamp(Date.now() * 1e6), hasCode('CODER_MISMATCH', 'not microseconds'));
    assert.throws(() => stamp(Number.NaN), hasCode('CODER_MISMATCH'));
  });

  test('a window cannot end before it starts', () => {
    assert.throws(() => new IntervalWindow(2, 1), hasCode('INVALID_ARGUMENT'));
    assert.throws(() => new IntervalWindow(Number.NaN, 1), hasCode('INVALID_ARGUMENT'));
  });

  test('a window at the end of time keeps its last instant', () => {
    const custom = new CustomWindowCoder(new IntervalWindowCoder());
    const window = new IntervalWindow(0, MAX_TIMESTAMP);
    const bytes = encodeValue(custom, window);
    assert.deepEqual(decodeValue(custom, bytes), window);
    assert.equal(bytes.length, 8 + 8 + 8);
  });
});

describe('deterministic forms', () => {
  test('composites take the deterministic forms of their parts', () => {
    const coder = new KVCoder(
      new IterableCoder(new JsCoder()),
      new LengthPrefixCoder(new JsCoder()),
    );
    assert.equal(coder.deterministic, false);
    const form = coder.asDeterministic();
    assert.equal(form.deterministic, true);
    const one = { key: [{ a: 1, b: 2 }], value: { c: 3, d: 4 } };
    const other = { key: [{ b: 2, a: 1 }], value: { d: 4, c: 3 } };
    assert.deepEqual(encodeValue(form, one), encodeValue(form, other));
  });
});

describe('Decimal', () => {
  test('keeps its digits, trailing zeros included', () => {
    for (const text of ['0', '0.0', '1.0', '-100.123', '-0.001', '12345678901234567890.10']) {
      assert.equal(Decimal.from(text).toString(), text);
    }
    assert.equal(Decimal.from('1e3').toString(), '1000');
    assert.equal(Decimal.from('-1.5E-3').toString(), '-0.0015');
    assert.equal(Decimal.from(1e-7).toString(), '0.0000001');
    assert.equal(Decimal.from('.5').toNumber(), 0.5);
    assert.equal(JSON.stringify(Decimal.from(12n)), '"12"');
  });

  test('refuses what is no finite decimal number', () => {
    for (const text of ['', '.', 'x', 'NaN', 'Infinity', '1e999999', '0x1', ' 1']) {
      assert.throws(() => Decimal.from(text), hasCode('INVALID_ARGUMENT'));
    }
    assert.throws(() => new Decimal(1n, -1), hasCode('INVALID_ARGUMENT'));
  });
});

describe('MicrosInstant', () => {
  test('shows its time with six digits and rounds down to a Date', () => {
    assert.equal(new MicrosInstant(1597328054123456n).toString(), '2020-08-13T14:14:14.123456Z');
    assert.equal(new MicrosInstant(-1n).toString(), '1969-12-31T23:59:59.999999Z');
    assert.deepEqual(new MicrosInstant(-1n).toDate(), new Date(-1));
    assert.equal(MicrosInstant.fromDate(new Date(5)).micros, 5000n);
    assert.throws(() => MicrosInstant.fromDate(new Date(Number.NaN)), hasCode('INVALID_ARGUMENT'));
  });
});
