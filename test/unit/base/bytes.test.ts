// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BeamBridgeError, ByteReader, ByteWriter } from '../../../src/base/index.ts';

function written(write: (out: ByteWriter) => void): ByteReader {
  // One byte of room, so that every write has to grow the buffer.
  const out = new ByteWriter(1);
  write(out);
  return new ByteReader(out.take());
}

function comesBack<T>(
  values: fc.Arbitrary<T>,
  write: (out: ByteWriter, value: T) => void,
  read: (input: ByteReader) => T | undefined,
): void {
  fc.assert(
    fc.property(fc.array(values), (list) => {
      const input = written((out) => {
        for (const value of list) write(out, value);
      });
      for (const value of list) assert.deepEqual(read(input), value);
      assert.ok(input.done);
    }),
  );
}

const integers = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.constantFrom(
    2 ** 53 - 1,
    -(2 ** 53 - 1),
    2 ** 31,
    -(2 ** 31),
    2 ** 32,
    2 ** 35,
    -(2 ** 35),
    -1,
  ),
);

test('signed varints come back', () => {
  comesBack(
    integers,
    (out, value) => out.signedVarint(value),
    (input) => input.signedVarint(),
  );
});

test('unsigned varints come back', () => {
  const naturals = integers.map(Math.abs);
  comesBack(
    naturals,
    (out, value) => out.varint(value),
    (input) => input.varint(),
  );
});

test('signed varints of numbers and of bigints have the same bytes', () => {
  fc.assert(
    fc.property(integers, (value) => {
      const number = written((out) => out.signedVarint(value)).rest();
      assert.deepEqual(written((out) => out.varint64(BigInt(value))).rest(), number);
    }),
  );
});

const int64s = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

test('64-bit varints and fixed integers come back', () => {
  comesBack(
    int64s,
    (out, value) => out.varint64(value),
    (input) => input.varint64(),
  );
  comesBack(
    int64s,
    (out, value) => out.int64(value),
    (input) => input.int64(),
  );
});

test('a varint outside the safe integers is left for varint64', () => {
  fc.assert(
    fc.property(int64s, (value) => {
      const input = written((out) => out.varint64(value));
      const small = input.signedVarint();
      assert.equal(small === undefined, !Number.isSafeInteger(Number(value)));
      assert.equal(small === undefined ? input.varint64() : BigInt(small), value);
    }),
  );
});

test('fixed-width numbers come back', () => {
  comesBack(
    fc.integer(),
    (out, value) => out.int32(value),
    (input) => input.int32(),
  );
  comesBack(
    fc.nat({ max: 2 ** 32 - 1 }),
    (out, value) => out.uint32(value),
    (input) => input.uint32(),
  );
  comesBack(
    fc.nat({ max: 2 ** 16 - 1 }),
    (out, value) => out.uint16(value),
    (input) => input.uint16(),
  );
  comesBack(
    fc.double(),
    (out, value) => out.float64(value),
    (input) => input.float64(),
  );
  comesBack(
    fc.float(),
    (out, value) => out.float32(value),
    (input) => input.float32(),
  );
});

test('every NaN has the same bytes', () => {
  const odd = new Float64Array(new BigUint64Array([0xfff8_0000_0000_1234n]).buffer)[0]!;
  const bytes = written((out) => out.float64(odd)).rest();
  assert.deepEqual(bytes, written((out) => out.float64(Number.NaN)).rest());
});

test('text of any length comes back with its length in front', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.nat({ max: 40_000 }).map((length) => 'é'.repeat(length)),
  );
  comesBack(
    texts,
    (out, value) => out.prefixedUtf8(value),
    (input) => input.prefixedUtf8(),
  );
});

test('what is written behind its length comes back, at any depth and length', () => {
  const sizes = fc.array(fc.constantFrom(0, 1, 127, 128, 129, 16_383, 16_384, 20_000), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(sizes, (list) => {
      const input = written((out) =>
        out.prefixed((outer) => {
          for (const size of list)
            outer.prefixed((inner) => inner.bytes(new Uint8Array(size).fill(7)));
        }),
      );
      const body = new ByteReader(input.prefixedBytes());
      for (const size of list) assert.deepEqual([...body.prefixedBytes()], Array(size).fill(7));
      assert.ok(body.done && input.done);
    }),
  );
});

test('reading past the end is MALFORMED_DATA and says how much was wanted', () => {
  const short = () => new ByteReader(new Uint8Array([0x80]));
  const reads: ((input: ByteReader) => unknown)[] = [
    (input) => input.bytes(2),
    (input) => input.uint16(),
    (input) => input.int32(),
    (input) => input.uint32(),
    (input) => input.int64(),
    (input) => input.float32(),
    (input) => input.float64(),
    (input) => input.varint(),
    (input) => input.signedVarint(),
    (input) => input.varint64(),
    (input) => input.utf8(2),
    (input) => input.prefixedBytes(),
  ];
  for (const read of reads) {
    assert.throws(
      () => read(short()),
      (error) => error instanceof BeamBridgeError && error.code === 'MALFORMED_DATA',
    );
  }
});

test('a varint that never ends, or a negative length, is MALFORMED_DATA', () => {
  const endless = new Uint8Array(20).fill(0xff);
  const reads: (() => unknown)[] = [
    () => new ByteReader(endless).signedVarint(),
    () => new ByteReader(endless).varint64(),
    () => written((out) => out.signedVarint(-1)).varint(),
    () => written((out) => out.varint64(2n ** 60n)).varint(),
  ];
  for (const read of reads) {
    assert.throws(
      read,
      (error) => error instanceof BeamBridgeError && error.code === 'MALFORMED_DATA',
    );
  }
});

test('take gives a copy, view one that later writes change, detach the buffer itself', () => {
  const out = new ByteWriter();
  out.byte(1);
  const view = out.view();
  const copy = out.take();
  out.byte(2);
  assert.deepEqual([...copy], [1]);
  assert.deepEqual([...view], [2]);
  const own = out.detach();
  out.byte(3);
  assert.deepEqual([...own], [2]);
  assert.equal(out.length, 1);
  out.reset();
  assert.equal(out.length, 0);
});
