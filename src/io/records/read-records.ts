// SPDX-License-Identifier: Apache-2.0
// The transforms that read records: whatever the format, they are given with their file, their position and those
// that do not fit in the same way.

import type { KV } from '../../coders/index.ts';
import {
  MultiParDo,
  type PCollection,
  type Pipeline,
  PTransformClass,
  type Root,
  type TransformNode,
  tagged,
} from '../../pipeline/index.ts';
import { coderOf, type RowType } from '../../schema/index.ts';
import { flatMapStep, reshuffle } from '../../transforms/index.ts';
import type { FileRange } from '../text/find-files.ts';
import { type FileFinder, rangesOfFiles, rangesOfPatterns } from '../text/read-files.ts';
import {
  type Batch,
  batchCoder,
  elementCoder,
  elementsOf,
  type FailedRecord,
  failedType,
  type Keyed,
  type RecordPosition,
} from './records.ts';

/** How records are asked for. */
export interface RecordOptions {
  /** Whether batches have the lines that records begin in. */
  readonly withLines: boolean;
  /** Whether records that do not fit are part of a batch, and no error. */
  readonly withFailed: boolean;
}

/** Files of records, and how a range of one is read. */
export interface RecordSource<T> extends FileFinder {
  /** The transform's name. */
  readonly name: string;
  /** None where they come in a PCollection. */
  readonly patterns?: readonly string[];
  readonly schema: RowType<T>;
  read(range: FileRange, options: RecordOptions): AsyncIterable<Batch<T>>;
}

/** What {@link ReadRecords.withBadRecords} gives. */
export type ReadWithBadRecords<O> = {
  /** What the transform gives without it. */
  records: PCollection<O>;
  /** Records that do not fit the declared type. */
  failed: PCollection<FailedRecord>;
};

/** Where files are from: patterns that the transform has, or those in a PCollection. */
export type RecordInput = Root | PCollection<string>;

/**
 * Made by `readFromCsv`, `readFromJson`, `readFromParquet`, `readFromArrow` and `readFromAvro`, and by `readAllFromCsv` and the like, whose input `I` is a PCollection of
 * paths and patterns: records of the type `T`, as elements of the type `O`.
 */
export class ReadRecords<T, O = T, I extends RecordInput = Root> extends PTransformClass<
  I,
  PCollection<O>
> {
  /** @internal */
  constructor(
    private readonly source: RecordSource<T>,
    private readonly keyed: Keyed = 'alone',
  ) {
    super(source.name);
  }

  override expandInternal(input: I, pipeline: Pipeline, node: TransformNode): PCollection<O> {
    const { source, keyed } = this;
    const take = (batch: Batch<T>) => elementsOf(batch, keyed) as O[];
    return batchesOf(source, keyed, false, input, pipeline, node).apply(
      // A step of its own, fused with the one before, so that records are not awaited one by one.
      flatMapStep('records', take, elementCoder(source.schema, keyed) as never),
    );
  }

  /** Each record with the file that it is of: `{ key: path, value: record }`. Paths are absolute. */
  withFilename(): ReadRecords<T, KV<string, T>, I> {
    return new ReadRecords<T, KV<string, T>, I>(this.source, 'filename');
  }

  /**
   * Each record with where it is: `{ key: { path, line }, value: record }`. Lines are counted from 1, and a record is in
   * the one that it begins in. Files are not split then, since only who has read all lines knows their numbers.
   */
  withPosition(): ReadRecords<T, KV<RecordPosition, T>, I> {
    return new ReadRecords<T, KV<RecordPosition, T>, I>(this.source, 'position');
  }

  /**
   * Records that do not fit the declared type are an output of their own, with where they are and what is wrong, instead
   * of an error. A file of which nobody can say where its records end is an error all the same.
   *
   * @example
   * ```ts
   * const { records, failed } = root.apply(readFromCsv('birds.csv', { schema: bird }).withBadRecords());
   * failed.map(({ path, line, message }) => `${path}:${line}: ${message}`);
   * ```
   */
  withBadRecords(): PTransformClass<I, ReadWithBadRecords<O>> {
    return new ReadBoth<T, O, I>(this.source, this.keyed);
  }
}

class ReadBoth<T, O, I extends RecordInput> extends PTransformClass<I, ReadWithBadRecords<O>> {
  constructor(
    private readonly source: RecordSource<T>,
    private readonly keyed: Keyed,
  ) {
    super(source.name);
  }

  override expandInternal(
    input: I,
    pipeline: Pipeline,
    node: TransformNode,
  ): ReadWithBadRecords<O> {
    const { source, keyed } = this;
    const take = (batch: Batch<T>) => [
      ...elementsOf(batch, keyed),
      ...batch.failed.map((failed) => tagged('failed', failed)),
    ];
    const coders = { records: elementCoder(source.schema, keyed), failed: coderOf(failedType) };
    type Outputs = { records: O; failed: FailedRecord };
    const both = new MultiParDo<Batch<T>, Outputs>(
      { kind: 'flatMap', fn: take as never },
      'records',
      ['failed'],
      coders as never,
      false,
    );
    both.beamName = 'records';
    return batchesOf(source, keyed, true, input, pipeline, node).apply(both);
  }
}

function batchesOf<T>(
  source: RecordSource<T>,
  keyed: Keyed,
  withFailed: boolean,
  input: RecordInput,
  pipeline: Pipeline,
  node: TransformNode,
): PCollection<Batch<T>> {
  const withLines = keyed === 'position';
  const options = withLines ? { ...source.options, splitBytes: Infinity } : source.options;
  const { patterns } = source;
  const ranges = patterns
    ? rangesOfFiles({ ...source, patterns, options }, input as Root, pipeline, node)
    : rangesOfPatterns({ ...source, options }, input as PCollection<string>);
  const read = (range: FileRange) => source.read(range, { withLines, withFailed });
  return ranges.apply(reshuffle()).apply(flatMapStep('read', read, batchCoder(source.schema)));
}
