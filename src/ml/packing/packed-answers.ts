// SPDX-License-Identifier: Apache-2.0
// A model of this process in the place of Python's: it takes and gives the same packed batches, so
// that all around it stays the same. See packing.ts for the bytes.

import { BeamBridgeError, ByteReader, ByteWriter } from '../../base/index.ts';
import { ownCopy, ownCopyOr } from '../../coders/index.ts';
import { type Failure, failureOf, isMisfit, writeFailures } from '../failures/dead-letters.ts';
import { readUpdates, type Update } from '../updates/updates.ts';
import { ColumnCodec } from './columns.ts';
import { checkCount, checkInPlace } from './model-answer.ts';
import { type InferenceTypes, predictedFields } from './packing.ts';

/** What answers the examples of a batch. */
export interface InProcessModel {
  /** What errors call it, such as `the test model`. */
  readonly what: string;
  /**
   * Makes the model ready for a batch. Gives its identity, which comes out as `model_id` where that is
   * declared.
   *
   * @param updates - the models that may score the batch, newest first
   */
  use(updates: readonly Update[]): string | null | Promise<string | null>;
  /** Whether nobody waits for the answer any more. @default false */
  isOver?(): boolean;
  /**
   * Where the call ends whose first example is at `start`. Throws when that one cannot be scored.
   *
   * @default all examples are one call
   */
  endOf?(examples: readonly unknown[], start: number): number;
  /**
   * One call: a prediction for each of its examples, in order. Throws when the examples cannot be scored. The arrays
   * are the model's own; examples that it leaves in another order are refused.
   *
   * @param isOnly - whether no other call comes before the predictions are looked at. A model may fill one array in
   *   each call: of other calls there are copies.
   */
  predict(
    examples: unknown[],
    keys: unknown[] | undefined,
    isOnly: boolean,
  ): readonly unknown[] | Promise<readonly unknown[]>;
}

/** A row's prediction, or why it has none. */
type Outcome = { prediction: unknown } | { failure: Failure };

/** Answers packed batches as Python does. */
export class PackedAnswers {
  private readonly examples: ColumnCodec;
  private readonly keys: ColumnCodec | undefined;
  private readonly predicted: readonly (readonly [string, ColumnCodec])[];

  constructor(
    types: InferenceTypes,
    private readonly model: InProcessModel,
    private readonly hasFailures: boolean,
  ) {
    this.examples = new ColumnCodec('example', types.example);
    this.keys = types.key && new ColumnCodec('key', types.key);
    this.predicted = predictedFields(types).map(([name, type]) => [
      name,
      new ColumnCodec(name, type),
    ]);
  }

  /**
   * @throws BeamBridgeError `INFERENCE_MISMATCH` for predictions that do not fit; whatever the model
   *   throws, where failed rows have no output of their own
   */
  async answer(batch: Uint8Array): Promise<Uint8Array> {
    const input = new ByteReader(batch);
    const count = input.varint();
    const modelId = await this.model.use(readUpdates(input.prefixedBytes()));
    input.prefixedBytes();
    const keyColumn = input.prefixedBytes();
    const keys = this.keys?.read(keyColumn, count);
    const examples = this.examples.read(input.prefixedBytes(), count);
    const outcomes = await this.inCalls(examples, keys);
    const failures = new Map<number, Failure>();
    const predictions: unknown[] = [];
    outcomes.forEach((outcome, row) => {
      if ('failure' in outcome) failures.set(row, outcome.failure);
      else predictions.push(outcome.prediction);
    });
    const out = new ByteWriter();
    out.prefixedBytes(batch);
    if (this.hasFailures) out.prefixed((part) => writeFailures(failures, part));
    for (const [name, codec] of this.predicted) {
      const values = name === 'inference' ? predictions : predictions.map(() => modelId);
      out.prefixed((column) => this.writeColumn(name, codec, values, column));
    }
    return out.detach();
  }

  /** Call after call, so that one that fails costs none of the others a second one. */
  private async inCalls(examples: unknown[], keys: unknown[] | undefined): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    while (outcomes.length < examples.length) {
      const start = outcomes.length;
      const end = this.endOf(examples, start);
      if (typeof end !== 'number') {
        outcomes.push(end);
        continue;
      }
      const part = examples.slice(start, end);
      const keysOfPart = keys?.slice(start, end);
      if (this.hasFailures) {
        for (const outcome of await this.inHalves(part, keysOfPart)) outcomes.push(outcome);
        continue;
      }
      const predictions = await this.predict(part, keysOfPart, part.length === examples.length);
      for (const prediction of predictions) outcomes.push({ prediction });
    }
    return outcomes;
  }

  /** Where the call from `start` on ends, or why the example there is part of none. */
  private endOf(examples: readonly unknown[], start: number): number | Outcome {
    try {
      return this.model.endOf?.(examples, start) ?? examples.length;
    } catch (error) {
      if (!this.hasFailures) throw error;
      return { failure: failureOf(error, 'inference') };
    }
  }

  private async predict(
    examples: unknown[],
    keys: unknown[] | undefined,
    isOnly: boolean,
  ): Promise<readonly unknown[]> {
    const before = [...examples];
    const predictions = await this.model.predict(examples, keys && [...keys], isOnly);
    checkInPlace(this.model.what, examples, before);
    checkCount(this.model.what, predictions, before.length);
    return predictions;
  }

  /** What a call gives, with exactly the bad rows failed: one that fails is tried again in halves. */
  private async inHalves(examples: unknown[], keys: unknown[] | undefined): Promise<Outcome[]> {
    let predictions: readonly unknown[];
    try {
      // Copies, for a model may change what it is given, and the halves are to be as they came.
      predictions = await this.predict(examples.map(ownCopy), keys, false);
    } catch (error) {
      if (this.model.isOver?.()) throw error;
      // Another number of predictions than of rows is wrong for every row, and right by chance in some halves.
      if (error instanceof BeamBridgeError && error.code === 'INFERENCE_MISMATCH') throw error;
      if (examples.length === 1) return [{ failure: failureOf(error, 'inference') }];
      const half = examples.length >> 1;
      return [
        ...(await this.inHalves(examples.slice(0, half), keys?.slice(0, half))),
        ...(await this.inHalves(examples.slice(half), keys?.slice(half))),
      ];
    }
    return predictions.map((prediction) => this.checked(prediction));
  }

  private checked(given: unknown): Outcome {
    try {
      const codec = this.predicted[0]![1];
      this.writeColumn('inference', codec, [given], new ByteWriter());
      // A model may fill one object in each call, and the other half is the next.
      return { prediction: ownCopyOr(given, (value) => codec.transcoded(value)) };
    } catch (error) {
      return { failure: failureOf(error, 'prediction') };
    }
  }

  private writeColumn(
    name: string,
    codec: ColumnCodec,
    values: readonly unknown[],
    out: ByteWriter,
  ): void {
    try {
      codec.write(values, out);
    } catch (error) {
      if (!isMisfit(error)) throw error;
      const hint =
        name === 'inference'
          ? `Declare the type that the model gives, or convert in ${this.model.what}.`
          : 'Declare model_id: nullable(string).';
      throw new BeamBridgeError('INFERENCE_MISMATCH', error.shortMessage, { hint });
    }
  }
}
