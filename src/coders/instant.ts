// SPDX-License-Identifier: Apache-2.0
// Instants on the wire: eight bytes, big-endian, shifted so that they sort as unsigned bytes.

import { BeamBridgeError, type ByteReader, type ByteWriter } from '../base/index.ts';
import type { Coder, CoderSpec } from './coder.ts';
import { mismatch } from './describe.ts';
import {
  END_OF_GLOBAL_WINDOW,
  END_OF_GLOBAL_WINDOW_MILLIS,
  type Instant,
  MAX_TIMESTAMP,
  MAX_TIMESTAMP_MILLIS,
  MIN_TIMESTAMP,
  MIN_TIMESTAMP_MILLIS,
} from './values.ts';

const TWO_32 = 2 ** 32;
const SHIFT = 2n ** 63n;

/** Instants as a coder, for coders of windows of one's own: eight bytes each. */
export class InstantCoder implements Coder<Instant> {
  readonly name = 'instant';
  readonly deterministic = true;

  encode(value: Instant, out: ByteWriter): void {
    writeInstant(value, out);
  }

  decode(input: ByteReader): Instant {
    return readInstant(input);
  }

  spec(): CoderSpec {
    return { urn: INSTANT_CODER_URN };
  }
}

export const INSTANT_CODER_URN = 'beambridge:coder:instant:v1';

/** The exact milliseconds that an instant stands for. */
export function exactMillis(instant: Instant): bigint {
  if (instant === MIN_TIMESTAMP) return MIN_TIMESTAMP_MILLIS;
  if (instant === MAX_TIMESTAMP) return MAX_TIMESTAMP_MILLIS;
  if (instant === END_OF_GLOBAL_WINDOW) return END_OF_GLOBAL_WINDOW_MILLIS;
  if (!Number.isInteger(instant)) {
    throw mismatch('instant', instant, 'Event times are whole milliseconds since 1970 (a number).');
  }
  if (instant < MIN_TIMESTAMP || instant > MAX_TIMESTAMP) {
    throw new BeamBridgeError(
      'CODER_MISMATCH',
      `instant ${instant} lies outside Beam's time, from MIN_TIMESTAMP to MAX_TIMESTAMP`,
      { hint: 'Event times are milliseconds since 1970, not microseconds or nanoseconds.' },
    );
  }
  return BigInt(instant);
}

/** Writes an instant. @throws BeamBridgeError `CODER_MISMATCH` for anything but whole milliseconds */
export function writeInstant(instant: Instant, out: ByteWriter): void {
  if (!Number.isSafeInteger(instant)) {
    writeExactMillis(exactMillis(instant), out);
    return;
  }
  const high = Math.floor(instant / TWO_32);
  out.int32(high ^ -0x80_00_00_00);
  out.uint32(instant - high * TWO_32);
}

/** Writes milliseconds that a number might not hold. */
export function writeExactMillis(millis: bigint, out: ByteWriter): void {
  out.int64(BigInt.asIntN(64, millis + SHIFT));
}

/** Reads an instant; one outside the safe integers becomes the nearest double. */
export function readInstant(input: ByteReader): Instant {
  const high = input.int32() ^ -0x80_00_00_00;
  return high * TWO_32 + input.uint32();
}

/** Reads an instant as exact milliseconds. */
export function readExactMillis(input: ByteReader): bigint {
  return BigInt.asIntN(64, input.int64() + SHIFT);
}
