// SPDX-License-Identifier: Apache-2.0
// Answered batches to predictions, and to failed rows where those have an output of their own.

import { ByteReader } from '../../base/index.ts';
import type { Instant } from '../../coders/index.ts';
import { type DoFn, TimestampedValue, tagged, timestampParam } from '../../transforms/index.ts';
import { FAILED, type Failure, readFailures } from '../failures/dead-letters.ts';
import type { Tally } from '../failures/tally.ts';
import { timestampsIn } from './batch-rows.ts';
import { ColumnCodec } from './columns.ts';
import type { InferenceTypes } from './packing.ts';

const NONE: ReadonlyMap<number, Failure> = new Map();

/** Parameters of the unpacking DoFn. */
export function unpackingContext() {
  return { timestamp: timestampParam() };
}
type UnpackContext = ReturnType<typeof unpackingContext>;

/** An output row. */
interface Prediction {
  example: unknown;
  inference: unknown;
  model_id?: unknown;
}

/** Batches with predictions to rows, each at its own time. */
export class UnpackPredictions implements DoFn<Uint8Array, unknown, UnpackContext> {
  private readonly examples: ColumnCodec;
  private readonly keys: ColumnCodec | undefined;
  private readonly inferences: ColumnCodec;
  private readonly modelIds: ColumnCodec | undefined;
  /** A row with its fields in their declared order, which copies of it keep. */
  private readonly blank: Prediction;

  constructor(
    types: InferenceTypes,
    /** Names of the output's fields, in their declared order. */
    fields: readonly string[],
    /** Whether answers say which rows failed. */
    private readonly hasFailures = false,
    private readonly tally?: Tally,
  ) {
    this.examples = new ColumnCodec('example', types.example);
    this.keys = types.key && new ColumnCodec('key', types.key);
    this.inferences = new ColumnCodec('inference', types.inference);
    this.modelIds = types.modelId && new ColumnCodec('model_id', types.modelId);
    this.blank = Object.fromEntries(fields.map((name) => [name, null])) as object as Prediction;
  }

  /** Gives rows one by one, each made when it is asked for: those of a whole batch are much to keep. */
  process(answer: Uint8Array, { timestamp }: UnpackContext): Iterable<unknown> {
    const input = new ByteReader(answer);
    const batch = new ByteReader(input.prefixedBytes());
    const count = batch.varint();
    batch.prefixedBytes();
    const timestamps = timestampsIn(batch);
    const keyColumn = batch.prefixedBytes();
    const nextKey = this.keys?.reader(keyColumn, count);
    const nextExample = this.examples.reader(batch.prefixedBytes(), count);
    const failures = this.hasFailures ? readFailures(input.prefixedBytes()) : NONE;
    this.tally?.answered(count, failures);
    const predicted = count - failures.size;
    const nextInference = this.inferences.reader(input.prefixedBytes(), predicted);
    const nextModelId = this.modelIds?.reader(input.prefixedBytes(), predicted);
    const { blank } = this;
    const ofBatch = timestamp.lookup();
    // Nearly always: what is output without a time has that of its batch.
    const timed = (output: unknown, at: Instant) =>
      at === ofBatch ? output : new TimestampedValue(output, at);
    return new Outputs(count, (i) => {
      const key = nextKey?.();
      const example = nextExample();
      const failure = failures.size > 0 ? failures.get(i) : undefined;
      if (failure) {
        const element = nextKey ? { key, value: example } : example;
        return tagged(FAILED, timed({ element, ...failure }, timestamps[i]!));
      }
      const row = { ...blank };
      row.example = example;
      row.inference = nextInference();
      if (nextModelId) row.model_id = nextModelId();
      return timed(nextKey ? { key, value: row } : row, timestamps[i]!);
    });
  }
}

/** So many outputs, each made when it is asked for. What the iterator gives is one object, which holds one after the other. */
class Outputs implements IterableIterator<unknown, undefined> {
  private readonly result: { done: boolean; value: unknown } = { done: false, value: undefined };
  private index = 0;

  constructor(
    private readonly count: number,
    private readonly make: (index: number) => unknown,
  ) {}

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<unknown, undefined> {
    const { result } = this;
    result.done = this.index === this.count;
    result.value = result.done ? undefined : this.make(this.index++);
    return result as IteratorResult<unknown, undefined>;
  }
}
