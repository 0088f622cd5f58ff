// SPDX-License-Identifier: Apache-2.0
// One value to bytes and back, for callers that hold a single value and not a stream.

import { ByteReader, ByteWriter } from '../base/index.ts';
import type { Coder } from './coder.ts';
import { malformed } from './describe.ts';

/** Its buffer is not the value's: a new one for each value would take most of the time. */
let spare: ByteWriter | undefined;
/** A writer that grew beyond this is not kept. */
const SPARE_BYTES = 4096;

/** The bytes of one value. @param nested - see {@link Coder}. @default false */
export function encodeValue<T>(coder: Coder<T>, value: T, nested = false): Uint8Array {
  const out = spare ?? new ByteWriter();
  // A coder may come here for what is inside its value, and one that throws leaves half a value.
  spare = undefined;
  coder.encode(value, out, nested);
  const bytes = out.take();
  if (bytes.length <= SPARE_BYTES) spare = out;
  return bytes;
}

/**
 * The value of `bytes`, all of which must belong to it.
 *
 * @param nested - see {@link Coder}. @default false
 * @throws BeamBridgeError `MALFORMED_DATA` when bytes are missing or left over
 */
export function decodeValue<T>(
  coder: Pick<Coder<T>, 'name' | 'decode'>,
  bytes: Uint8Array,
  nested = false,
): T {
  const input = new ByteReader(bytes);
  const value = coder.decode(input, nested);
  if (!input.done) throw malformed(`${input.remaining} bytes are left over after a ${coder.name}`);
  return value;
}

/**
 * The value as it is on the other side of a coder: what it would be on another worker. It shares
 * nothing with the value that went in.
 */
export function transcode<T>(coder: Coder<T>, value: T): T {
  return coder.decode(new ByteReader(encodeValue(coder, value, true)), true);
}
