// SPDX-License-Identifier: Apache-2.0
// What must hold for every coder.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BeamBridgeError, ByteReader } from '../../../src/base/index.ts';
import {
  coderFromProto,
  coderToProto,
  decodeValue,
  encodeValue,
  internCodersInto,
} from '../../../src/coders/index.ts';
import type { pb } from '../../../src/proto/index.ts';
import type { CoderCase } from './arbitraries.ts';

/** Registers the tests that every coder must pass. */
export function testCoder({ coder, values }: CoderCase, runs = 200): void {
  for (const nested of [false, true]) {
    test(`${coder.name}: values come back ${nested ? 'nested' : 'outer'}`, () => {
      fc.assert(
        fc.property(values, (value) => {
          const bytes = encodeValue(coder, value, nested);
          assert.deepEqual(decodeValue(coder, bytes, nested), value);
        }),
        { numRuns: runs },
      );
    });
  }

  test(`${coder.name}: nested bytes tell their own end`, () => {
    fc.assert(
      fc.property(values, fc.uint8Array({ maxLength: 5 }), (value, tail) => {
        const bytes = encodeValue(coder, value, true);
        const input = new ByteReader(Buffer.concat([bytes, tail]));
        assert.deepEqual(coder.decode(input, true), value);
        assert.equal(input.position, bytes.length);
      }),
      { numRuns: runs },
    );
  });

  test(`${coder.name}: truncated bytes are MALFORMED_DATA`, () => {
    fc.assert(
      fc.property(values, fc.nat(), (value, at) => {
        const bytes = encodeValue(coder, value, true);
        if (bytes.length === 0) return;
        const cut = bytes.subarray(0, at % bytes.length);
        assert.throws(() => coder.decode(new ByteReader(cut), true), isMalformed);
      }),
      { numRuns: runs },
    );
  });

  test(`${coder.name}: random bytes give a value or a coded error`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (bytes, nested) => {
        try {
          coder.decode(new ByteReader(bytes), nested);
        } catch (error) {
          assert.ok(error instanceof BeamBridgeError, String(error));
        }
      }),
      { numRuns: runs },
    );
  });

  test(`${coder.name}: the coder made from its proto writes the same bytes`, () => {
    const coders: Record<string, pb.Coder> = {};
    const id = coderToProto(coder, internCodersInto(coders));
    const copy = coderFromProto(id, coders);
    assert.equal(copy.name, coder.name);
    assert.equal(coderToProto(copy, internCodersInto(coders)), id);
    fc.assert(
      fc.property(values, (value) => {
        const bytes = encodeValue(coder, value, true);
        assert.deepEqual(encodeValue(copy, value, true), bytes);
        assert.deepEqual(decodeValue(copy, bytes, true), value);
      }),
      { numRuns: Math.min(runs, 50) },
    );
  });
}

export function isMalformed(error: unknown): boolean {
  return hasCode('MALFORMED_DATA')(error);
}

/** For `assert.throws`: a BeamBridgeError with this code whose message holds these words. */
export function hasCode(code: string, ...words: string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof BeamBridgeError, String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words)
      assert.ok(error.message.includes(word), `${error.message}\nlacks ${word}`);
    return true;
  };
}
