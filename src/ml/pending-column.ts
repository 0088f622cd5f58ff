// SPDX-License-Identifier: Apache-2.0
// A column of rows that wait for their batch: bytes already where the type allows it, and the values
// as they came where it does not, or where one of them does not fit.

import { ByteWriter } from '../base/index.ts';
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

/** About how many bytes a value takes: enough to keep batches of large examples small. */
export function roughSize(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  if (Array.isArray(value)) return typeof value[0] === 'number' ? value.length * 8 : sum(value);
  if (ArrayBuffer.isView(value)) return value.byteLength;
  return sum(value instanceof Map ? [...value.values()] : Object.values(value));
}

function sum(values: readonly unknown[]): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += roughSize(values[i]);
  return total;
}
