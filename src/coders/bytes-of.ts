// SPDX-License-Identifier: Apache-2.0
// Values as keys of a Map: what tells them apart are their bytes.

import { ByteWriter, latin1 } from '../base/index.ts';
import type { Coder } from './coder.ts';

/** Turns values into strings that are equal when the values' bytes are. */
export class BytesOf<T> {
  private readonly scratch = new ByteWriter();

  constructor(private readonly coder: Coder<T>) {}

  of(value: T): string {
    this.check(value);
    return latin1(this.scratch.view());
  }

  /** Refuses a value that the coder refuses. */
  check(value: T): void {
    this.scratch.reset();
    this.coder.encode(value, this.scratch, true);
  }
}
