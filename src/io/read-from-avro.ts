// SPDX-License-Identifier: Apache-2.0
// Records of Avro's object container files.

import { BeamBridgeError, checkOptionNames, mapSome, type OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import { type RowType, type SchemaType, typeName } from '../schema/index.ts';
import { AVRO_TYPES, noAvroType } from './avro/declared-type.ts';
import { inspectAvro, readAvro } from './avro/read-range.ts';
import { checkRecordOptions } from './records/read-options.ts';
import { ReadRecords, type RecordSource } from './records/read-records.ts';
import type { StoreOptions } from './stores/options.ts';
import { checkPatterns } from './text/read-files.ts';

/** Options of {@link readFromAvro}. */
export interface ReadAvroOptions<T> {
  /** The type of the rows. Of a record only its fields are read; {@link inferAvroType} has one to begin with. */
  schema: RowType<T>;
  /** Where stores such as `s3://` are, as far as the environment does not say it. */
  stores?: StoreOptions;
  /** Whether a pattern may match nothing. @default false */
  allowEmptyMatch?: boolean;
  /**
   * Larger files are read in parts of this many bytes, by several workers: each has the blocks that begin in it.
   * @default a 16th of all files together, from 16 KiB to 64 MiB
   */
  splitBytes?: number;
}

const OPTIONS: OptionNames<ReadAvroOptions<unknown>> = {
  stores: true,
  schema: true,
  allowEmptyMatch: true,
  splitBytes: true,
};

/**
 * The records of all Avro files (object container files) that match, in no particular order, as the type `schema` declares
 * them. Each file must have its fields, in whatever order; others are left out.
 *
 * Each value is checked, and nothing is converted silently: a field that a type does not fit is an error before a record
 * is read, and so is a number that does not fit when it comes. A `long` is `bigint64`, or `int64` as long as a number holds
 * it exactly; times, with a zone or without one (then UTC), and days are `microsInstant` or `millisInstant`, or the number
 * itself. A union of null and a type is `nullable`; of several types each must fit what is declared. `withPosition()`
 * counts records.
 *
 * Files compressed with snappy, and before Node 22.15 with zstandard, need the npm package `hyparquet-compressors`; with bzip2
 * `seek-bzip`, with xz `xz-decompress`.
 *
 * @param patterns - as those of {@link readFromText}
 * @throws `INVALID_ARGUMENT`, `INVALID_SCHEMA` for options and types that cannot be
 * @throws `PACKAGE_NOT_FOUND` from the run, without the package of a compression; `UNSUPPORTED` for another compression
 * @throws `FILE_NOT_FOUND`, `IO_FAILED` from the run, as {@link readFromText} does
 * @throws `HEADER_MISMATCH` from the run, for a file that lacks a field or has it in another type, before a record is read
 * @throws `MALFORMED_DATA` from the run, with file, block and record, for what is no whole Avro file. A file that was cut
 *   exactly between two blocks is whole: the format does not say how many there are
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` from the run, with file, block, record and field, for a value that does not
 *   fit; with {@link ReadRecords.withBadRecords | withBadRecords()} it is an output
 *
 * @example
 * ```ts
 * const order = row({ id: bigint64, price: decimal, note: nullable(string) });
 * root.apply(readFromAvro('orders/*.avro', { schema: order }));
 * ```
 */
export function readFromAvro<T>(
  patterns: string | readonly string[],
  options: ReadAvroOptions<T>,
): ReadRecords<T> {
  const name = 'readFromAvro';
  const checked = checkPatterns(name, patterns);
  return new ReadRecords({ ...avroSource<T>(name, options), patterns: checked });
}

/**
 * As {@link readFromAvro}, of the paths and patterns in a PCollection, such as {@link watchFiles} gives.
 *
 * @throws as `readFromAvro` does
 *
 * @example
 * ```ts
 * root.apply(watchFiles('inbox/*.avro')).apply(readAllFromAvro({ schema: order }));
 * ```
 */
export function readAllFromAvro<T>(
  options: ReadAvroOptions<T>,
): ReadRecords<T, T, PCollection<string>> {
  return new ReadRecords<T, T, PCollection<string>>(avroSource('readAllFromAvro', options));
}

function avroSource<T>(name: string, options: ReadAvroOptions<T>): RecordSource<T> {
  checkOptionNames(name, options, OPTIONS);
  const { schema, allowEmptyMatch, splitBytes, stores } = options ?? {};
  // What is compressed in such a file is its blocks, whatever it is called.
  const given = { schema, allowEmptyMatch, splitBytes, stores, compression: 'none' as const };
  const { find } = checkRecordOptions<T>(name, given as never);
  checkAvroType(name, schema);
  const type = schema as RowType<unknown>;
  return {
    name,
    schema,
    cwd: process.cwd(),
    options: find,
    inspect: async (paths) => {
      await mapSome([...paths], (path) => inspectAvro({ path, stores }, type));
    },
    read: (range, wanted) => readAvro<T>(range, type, wanted),
  };
}

/** @throws `INVALID_SCHEMA` for a type that Avro has no values for */
export function checkAvroType(transform: string, schema: SchemaType): void {
  const found = noAvroType(schema, '');
  if (!found) return;
  const message = `${transform}: field ${found.path} is declared ${typeName(found.type)}, which Avro has no value for`;
  throw new BeamBridgeError('INVALID_SCHEMA', message, { hint: AVRO_TYPES });
}
