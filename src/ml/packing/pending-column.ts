// SPDX-License-Identifier: Apache-2.0
// A column of rows that wait for their batch: bytes already where the type allows it, and the values
// as they came where it does not, or where one of them does not fit.

import { ByteWriter } from '../../base/index.ts';
import type { ColumnBuilder } from './column-builder.ts';
import type { ColumnCodec } from './columns.ts';

export class PendingColumn {
  private builder: ColumnBuilder | undefined;
  private kept: unknown[] = [];

  constructor(private readonly codec: ColumnCodec) {
    this.builder = codec.builder();
  }

  /** Whether all values fit, which is known of a column that is built. */
  get isBuilt(): boolean {
    return this.builder !== undefined;
  }

  add(value: unknown): void {
    if (this.builder) {
      if (this.builder.add(value)) return;
      this.unbuild();
    }
    this.kept.push(value);
  }

  /** From now on values are kept as they come. */
  unbuild(): void {
    const { builder } = this;
    if (!builder) return;
    this.builder = undefined;
    this.kept = this.codec.read(Buffer.concat(builder.parts()), builder.count);
  }

  values(): readonly unknown[] {
    this.unbuild();
    return this.kept;
  }

  /** @throws BeamBridgeError `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` for a value of another type */
  bytes(): Uint8Array[] {
    if (this.builder) return this.builder.parts();
    const out = new ByteWriter();
    this.codec.write(this.kept, out);
    return [out.view()];
  }
}
