// SPDX-License-Identifier: Apache-2.0
// A coder that only another SDK knows. Its values can still be carried as bytes.

import { BeamBridgeError, type ByteReader, type ByteWriter } from '../base/index.ts';
import type { Coder, CoderSpec } from './coder.ts';
import { mismatch } from './describe.ts';

/**
 * Stands for a coder that nobody registered here. In the outer context, as inside a length prefix,
 * it gives the bytes as they are; anywhere else the bytes' end is unknown.
 *
 * @throws BeamBridgeError `UNKNOWN_CODER` when it is used in the nested context
 */
export class UnknownCoder implements Coder<Uint8Array> {
  readonly name: string;
  readonly deterministic = true;

  /** @param reason - why there is no coder. @default the URN is not registered */
  constructor(
    private readonly unknown: CoderSpec,
    readonly reason = `no coder is known for ${unknown.urn}`,
  ) {
    this.name = `unknown coder ${unknown.urn}`;
  }

  encode(value: Uint8Array, out: ByteWriter, nested: boolean): void {
    if (nested) throw this.error();
    if (!(value instanceof Uint8Array)) throw mismatch(this.name, value);
    out.bytes(value);
  }

  decode(input: ByteReader, nested: boolean): Uint8Array {
    if (nested) throw this.error();
    return new Uint8Array(input.rest());
  }

  spec(): CoderSpec {
    return this.unknown;
  }

  private error(): BeamBridgeError {
    return new BeamBridgeError('UNKNOWN_CODER', this.reason, {
      hint: 'Give the PCollection a schema or a standard coder, or call registerCoder for this URN.',
    });
  }
}
