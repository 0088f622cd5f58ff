// SPDX-License-Identifier: Apache-2.0
// What a coder is. Every other file of this room is one family of coders.

import type { ByteReader, ByteWriter } from '../base/index.ts';

/** How a coder is named on the wire: Beam's `Coder` message with its components still as objects. */
export interface CoderSpec {
  urn: string;
  payload?: Uint8Array;
  components?: readonly Coder<unknown>[];
}

/**
 * Turns values of type `T` into bytes and back.
 *
 * `nested` is Beam's inner context: the bytes must then tell their own end, because others follow.
 * In the outer context (`nested` false) the value owns all bytes to the end of the buffer.
 */
export interface Coder<T> {
  /** Name for people, used in error messages: `kv<string_utf8, varint>`. */
  readonly name: string;
  encode(value: T, out: ByteWriter, nested: boolean): void;
  decode(input: ByteReader, nested: boolean): T;
  spec(): CoderSpec;
  /** Whether equal values always give equal bytes, which a key's coder must promise. */
  readonly deterministic: boolean;
  /** A coder for the same values that is deterministic, where this one is not but could be. */
  asDeterministic?(): Coder<T>;
}
