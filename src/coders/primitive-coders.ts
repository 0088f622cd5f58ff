// SPDX-License-Identifier: Apache-2.0
// Coders of single values that have no components: bytes, text, booleans, doubles.

import type { ByteReader, ByteWriter } from '../base/index.ts';
import { urns } from '../proto/index.ts';
import type { Coder, CoderSpec } from './coder.ts';
import { malformed, mismatch } from './describe.ts';
import { readText, requireWellFormed } from './text.ts';

/** `beam:coder:bytes:v1`: a `Uint8Array` (or Node `Buffer`); decodes to a `Uint8Array` of its own. */
export class BytesCoder implements Coder<Uint8Array> {
  readonly name = 'bytes';
  readonly deterministic = true;

  encode(value: Uint8Array, out: ByteWriter, nested: boolean): void {
    if (!(value instanceof Uint8Array)) throw mismatch(this.name, value);
    if (nested) out.prefixedBytes(value);
    else out.bytes(value);
  }

  decode(input: ByteReader, nested: boolean): Uint8Array {
    return new Uint8Array(nested ? input.prefixedBytes() : input.rest());
  }

  spec(): CoderSpec {
    return { urn: urns.StandardCoders_Enum.BYTES };
  }
}

/**
 * `beam:coder:string_utf8:v1`: text.
 *
 * A string with half a surrogate pair has no UTF-8 form and is refused, never replaced silently.
 */
export class StrUtf8Coder implements Coder<string> {
  readonly name = 'string_utf8';
  readonly deterministic = true;

  encode(value: string, out: ByteWriter, nested: boolean): void {
    if (typeof value !== 'string') throw mismatch(this.name, value);
    requireWellFormed(value);
    if (nested) out.prefixedUtf8(value);
    else out.utf8(value);
  }

  decode(input: ByteReader, nested: boolean): string {
    return readText(input, nested ? input.varint() : input.remaining);
  }

  spec(): CoderSpec {
    return { urn: urns.StandardCoders_Enum.STRING_UTF8 };
  }
}

/** `beam:coder:bool:v1`: one byte, 0 or 1. */
export class BoolCoder implements Coder<boolean> {
  readonly name = 'bool';
  readonly deterministic = true;

  encode(value: boolean, out: ByteWriter): void {
    if (typeof value !== 'boolean') throw mismatch(this.name, value);
    out.byte(value ? 1 : 0);
  }

  decode(input: ByteReader): boolean {
    return readBool(input);
  }

  spec(): CoderSpec {
    return { urn: urns.StandardCoders_Enum.BOOL };
  }
}

export function readBool(input: ByteReader): boolean {
  const byte = input.byte();
  if (byte > 1) throw malformed(`a boolean is 0 or 1, not ${byte}`);
  return byte === 1;
}

/**
 * `beam:coder:double:v1`: eight bytes, big-endian IEEE 754.
 *
 * Deterministic as in Python's SDK: every NaN has the same bytes, while 0 and -0 differ and are
 * two keys.
 */
export class DoubleCoder implements Coder<number> {
  readonly name = 'double';
  readonly deterministic = true;

  encode(value: number, out: ByteWriter): void {
    if (typeof value !== 'number') throw mismatch(this.name, value);
    out.float64(value);
  }

  decode(input: ByteReader): number {
    return input.float64();
  }

  spec(): CoderSpec {
    return { urn: urns.StandardCoders_Enum.DOUBLE };
  }
}
