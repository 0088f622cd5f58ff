// SPDX-License-Identifier: Apache-2.0
// Rows to Avro's object container files.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import type { RowType, SchemaType } from '../schema/index.ts';
import { WRITTEN_CODECS } from './avro/codecs.ts';
import { avroFormat } from './avro/file-format.ts';
import { NoSchema, parseSchema } from './avro/schema.ts';
import { Sink } from './avro/sink.ts';
import { Unmatched } from './avro/unmatched.ts';
import { misfitError, writer } from './avro/writer.ts';
import { writtenSchema } from './avro/written-schema.ts';
import { checkAvroType } from './read-from-avro.ts';
import { Misfit } from './records/misfit.ts';
import { checkRowType, refuseOption } from './records/read-options.ts';
import { checkedRender, typedRows } from './records/write-type.ts';
import { WriteFiles, type WrittenFiles } from './text/write-files.ts';
import { checkOutput, WRITE_OPTIONS, type WriteFilesOptions } from './text/write-options.ts';

/** Options of {@link writeToAvro}. */
export interface WriteAvroOptions<T> extends Omit<WriteFilesOptions<T>, 'compression'> {
  /** The type of the rows, each of which is then checked. @default what their PCollection is declared to hold */
  schema?: RowType<T>;
  /**
   * Avro's schema of a record, as JSON or its text: for decimals, names, documentation. It must have all fields of the rows; others of
   * its fields need a default, which is written. @default what follows from the rows' type
   */
  avroSchema?: object | string;
  /** How blocks are compressed. `'zstandard'` needs Node 22.15, `'snappy'` the package `hyparquet-writer`. @default `'deflate'` */
  codec?: 'null' | 'deflate' | 'snappy' | 'zstandard';
}

const { compression: _, ...SHARED } = WRITE_OPTIONS;
const OPTIONS: OptionNames<WriteAvroOptions<unknown>> = {
  ...SHARED,
  schema: true,
  avroSchema: true,
  codec: true,
};

/** The record's name where nobody gives a schema. */
const NAME = 'Row';

/**
 * Writes rows to Avro's object container files `PREFIX-00000-of-0000N.avro`. {@link readFromAvro} with the same type reads the same
 * rows: `int64` and `bigint64` are `long`, smaller whole numbers `int`, `millisInstant` and `microsInstant` are `timestamp-millis` and
 * `timestamp-micros`, enumerations enums (texts where their values are no names in Avro), nullable ones unions with null. Files
 * appear as those of {@link writeToText} do; without rows there is one without records. `maxBytesPerShard` counts records before
 * compression and the header, and not the 20 bytes or so of each block of 64 KiB.
 *
 * @param prefix - folder and beginning of the files' names; missing folders are made
 * @throws `INVALID_ARGUMENT` where nothing says what the rows are, and for options that cannot be
 * @throws `INVALID_SCHEMA` for a type that Avro has no values for, decimals without `avroSchema`, field names that are none in
 *   Avro, and an `avroSchema` that is none or does not hold the rows
 * @throws `ROW_MISMATCH` from the run, for a row that is none of the type, or has a value that `avroSchema` does not hold
 * @throws `PACKAGE_NOT_FOUND`, `UNSUPPORTED` from the run, for a `codec` whose package, or whose Node, is not there
 * @throws `OUTPUT_NOT_WRITABLE`, `UNSUPPORTED` as {@link writeToText} does
 *
 * @example
 * ```ts
 * scores.apply(writeToAvro('out/scores', { schema: row({ id: string, score: float64 }) }));
 * // By key and window: out/country=de/part-20260101T000000Z-20260102T000000Z-00000-of-00001.avro
 * birds
 *   .apply(windowInto(fixedWindows(86_400)))
 *   .apply(writeToAvro('out/', { schema: bird, windowed: true, destination: (b) => `country=${b.country}/part` }));
 * ```
 */
export function writeToAvro<T>(
  prefix: string,
  options: WriteAvroOptions<T> = {},
): (rows: PCollection<T>) => WrittenFiles {
  const name = 'writeToAvro';
  checkOptionNames(name, options, OPTIONS);
  const { schema, avroSchema, codec = 'deflate', fileNameSuffix = '.avro', ...files } = options;
  if (!WRITTEN_CODECS.includes(codec)) {
    const hint = `Choose one of ${WRITTEN_CODECS.map((one) => `'${one}'`).join(', ')}.`;
    throw refuseOption(name, 'codec', codec, hint);
  }
  const settled = { ...files, fileNameSuffix, compression: 'none' as const };
  const given = avroSchema === undefined ? undefined : jsonOf(name, avroSchema);
  // What can be told without the rows is told here.
  checkOutput(name, prefix, settled, () => avroFormat('""', codec));
  if (schema !== undefined) {
    checkRowType(name, schema);
    encoderOf(name, schema, given);
  }
  const write = (input: PCollection<T>) => {
    const typed = typedRows(name, input, schema);
    const { text, encode } = encoderOf(name, typed.schema, given);
    const output = checkOutput(name, prefix, settled, () => avroFormat(text, codec));
    const render = checkedRender<T, Uint8Array>(typed.schema, encode);
    return new WriteFiles(name, output, render).expandInternal(typed.rows, input.pipeline);
  };
  return Object.defineProperty(write, 'name', { value: name });
}

/** @throws `INVALID_SCHEMA` */
function jsonOf(name: string, given: object | string): unknown {
  if (typeof given !== 'string') return given;
  // A name of a type is a schema as well, if none of a record.
  if (!/^\s*[[{"]/.test(given)) return given;
  try {
    return JSON.parse(given);
  } catch (cause) {
    throw wrongSchema(name, (cause as Error).message);
  }
}

/** Avro's schema as text, and what makes records of rows. */
function encoderOf(name: string, type: RowType<unknown>, given: unknown) {
  checkAvroType(name, type);
  const json = given ?? writtenSchema(type as SchemaType, NAME);
  try {
    const write = writer(type as SchemaType, parseSchema(json), '');
    const sink = new Sink();
    const encode = (row: unknown): Uint8Array => {
      sink.at = 0;
      try {
        write(sink, row);
      } catch (error) {
        throw error instanceof Misfit ? misfitError(error, name) : error;
      }
      return sink.taken();
    };
    return { text: JSON.stringify(json), encode };
  } catch (error) {
    if (error instanceof NoSchema) throw wrongSchema(name, error.message);
    if (error instanceof Unmatched) throw wrongSchema(name, error.message, error.hint);
    throw error;
  }
}

function wrongSchema(name: string, why: string, hint?: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_SCHEMA', `${name}: avroSchema: ${why}`, { hint });
}
