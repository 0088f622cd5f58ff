// SPDX-License-Identifier: Apache-2.0
// 64-bit integers: JavaScript numbers inside the safe range, bigints on request, nothing rounded.

import { BeamBridgeError, type ByteReader, type ByteWriter } from '../base/index.ts';
import { urns } from '../proto/index.ts';
import type { Coder, CoderSpec } from './coder.ts';
import { mismatch, outOfRange } from './describe.ts';

/** Payload that asks for bigints. SDKs that know only the standard coder ignore it. */
const BIGINT_PAYLOAD = new TextEncoder().encode('bigint');
const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;

/** How a {@link VarIntCoder} shows 64-bit integers. */
export interface VarIntOptions<B extends boolean = boolean> {
  /** Decode to `bigint` and take the whole int64 range. @default false */
  bigint?: B;
}

/**
 * `beam:coder:varint:v1`: a 64-bit integer, as a `number`, or as a `bigint` when asked for.
 *
 * @throws BeamBridgeError `INT64_OUT_OF_RANGE` for an integer outside ±(2^53 - 1) without `bigint`,
 *   on encode and on decode; `CODER_MISMATCH` for anything that is no integer
 * @example
 * ```ts
 * new VarIntCoder(); // Coder<number>
 * new VarIntCoder({ bigint: true }); // Coder<bigint>
 * ```
 */
export class VarIntCoder<B extends boolean = false>
  implements Coder<B extends true ? bigint : number>
{
  readonly name: string;
  readonly deterministic = true;
  readonly bigint: boolean;

  constructor(options: VarIntOptions<B> = {}) {
    this.bigint = options.bigint ?? false;
    this.name = this.bigint ? 'varint(bigint)' : 'varint';
  }

  encode(value: B extends true ? bigint : number, out: ByteWriter): void {
    if (this.bigint) out.varint64(checkBigInt(value, this.name));
    else out.signedVarint(checkSafeInteger(value, this.name));
  }

  decode(input: ByteReader): B extends true ? bigint : number {
    const value = this.bigint ? input.varint64() : readSafeVarint(input, this.name);
    return value as B extends true ? bigint : number;
  }

  spec(): CoderSpec {
    const urn = urns.StandardCoders_Enum.VARINT;
    return this.bigint ? { urn, payload: BIGINT_PAYLOAD } : { urn };
  }
}

/** The coder that a varint coder's payload asks for. */
export function varIntCoderFromPayload(payload: Uint8Array): VarIntCoder<boolean> {
  return new VarIntCoder<boolean>({ bigint: Buffer.compare(payload, BIGINT_PAYLOAD) === 0 });
}

/** The value when it is a safe integer; the fitting error, which names `what`, when it is not. */
export function checkSafeInteger(value: unknown, what: string): number {
  if (Number.isSafeInteger(value)) return value as number;
  if (Number.isInteger(value)) throw outOfRange(what, value);
  if (typeof value === 'bigint') {
    throw mismatch(what, value, 'Use a number, or declare the type as bigint64.');
  }
  throw mismatch(what, value);
}

/** The value as a bigint when it is an integer that fits 64 bits. */
export function checkBigInt(value: unknown, what: string): bigint {
  if (Number.isSafeInteger(value)) return BigInt(value as number);
  if (typeof value !== 'bigint') throw mismatch(what, value);
  if (value >= MIN_INT64 && value <= MAX_INT64) return value;
  throw new BeamBridgeError('INT64_OUT_OF_RANGE', `${what}: ${value}n does not fit 64 bits`);
}

/** A varint as a number; `INT64_OUT_OF_RANGE` when no number holds it exactly. */
export function readSafeVarint(input: ByteReader, what: string): number {
  const value = input.signedVarint();
  if (value === undefined) throw outOfRange(what, input.varint64());
  return value;
}
