// SPDX-License-Identifier: Apache-2.0
// Answered batches to predictions, and to failed rows where those have an output of their own.

import { ByteReader } from '../base/index.ts';
import { type DoFn, type TaggedOutput, TimestampedValue, tagged } from '../transforms/index.ts';
import { timestampsIn } from './batch-rows.ts';
import { ColumnCodec } from './columns.ts';
import { FAILED, type Failure, readFailures } from './dead-letters.ts';
import { type InferenceTypes, predictedFields } from './packing.ts';

const NONE: ReadonlyMap<number, Failure> = new Map();

/** Batches with predictions to rows, each at its own time. */
export class UnpackPredictions implements DoFn<Uint8Array, unknown> {
  private readonly examples: ColumnCodec;
  private readonly keys: ColumnCodec | undefined;
  private readonly predicted: readonly (readonly [string, ColumnCodec])[];

  constructor(
    types: InferenceTypes,
    /** Names of the output's fields, in their declared order. */
    private readonly fields: readonly string[],
    /** Whether answers say which rows failed. */
    private readonly hasFailures = false,
  ) {
    this.examples = new ColumnCodec('example', types.example);
    this.keys = types.key && new ColumnCodec('key', types.key);
    this.predicted = predictedFields(types).map(([name, type]) => [
      name,
      new ColumnCodec(name, type),
    ]);
  }

  process(answer: Uint8Array): (TimestampedValue<unknown> | TaggedOutput<unknown>)[] {
    const input = new ByteReader(answer);
    const batch = new ByteReader(input.prefixedBytes());
    const count = batch.varint();
    batch.prefixedBytes();
    const timestamps = timestampsIn(batch);
    const keys = batch.prefixedBytes();
    const keyColumn = this.keys?.read(keys, count);
    const examples = this.examples.read(batch.prefixedBytes(), count);
    const failures = this.hasFailures ? readFailures(input.prefixedBytes()) : NONE;
    const columns: Record<string, unknown[]> = {};
    for (const [name, codec] of this.predicted) {
      columns[name] = codec.read(input.prefixedBytes(), count - failures.size);
    }
    const out = new Array<TimestampedValue<unknown> | TaggedOutput<unknown>>(count);
    for (let i = 0, predicted = 0; i < count; i++) {
      const failure = failures.get(i);
      const keyed = (value: unknown) => (keyColumn ? { key: keyColumn[i], value } : value);
      if (failure) {
        const failed = { element: keyed(examples[i]), ...failure };
        out[i] = tagged(FAILED, new TimestampedValue(failed, timestamps[i]!));
        continue;
      }
      const row: Record<string, unknown> = {};
      for (const name of this.fields) {
        row[name] = name === 'example' ? examples[i] : columns[name]![predicted];
      }
      predicted++;
      out[i] = new TimestampedValue(keyed(row), timestamps[i]!);
    }
    return out;
  }
}
