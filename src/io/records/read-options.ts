// SPDX-License-Identifier: Apache-2.0
// The options that all readers of records have.

import { BeamBridgeError, type OptionNames } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';
import { isSchemaType, type RowType, typeName } from '../../schema/index.ts';
import { checkStores, type StoreOptions } from '../stores/options.ts';
import { type Compression, checkCompression } from '../text/compression.ts';
import type { FindOptions } from '../text/find-files.ts';
import type { TextEncoding } from '../text/line-splitter.ts';
import type { Utf16 } from '../text/utf16.ts';

/** Options that readers of records share. */
export interface ReadRecordOptions<T> {
  /** The type of the rows, which decides what a text is. */
  schema: RowType<T>;
  /** Where stores such as `s3://` are, as far as the environment does not say it. */
  stores?: StoreOptions;
  /** @default `'auto'`: by the end of a file's name, `.gz`, `.bz2`, `.zst` or `.deflate` */
  compression?: Compression;
  /** @default `'utf8'`; a byte order mark is left out. Files of UTF-16 are read as one, each */
  encoding?: TextEncoding | Utf16;
  /** Whether a pattern may match nothing. @default false */
  allowEmptyMatch?: boolean;
  /**
   * Larger files are read in parts of this many bytes, by several workers, where the format allows it. @default a 16th of
   * all files together, from 16 KiB to 64 MiB
   */
  splitBytes?: number;
  /** A longer record is an error: it is most likely none, and all of it would be in memory. @default 64 MiB */
  maxRecordBytes?: number;
}

export const RECORD_OPTIONS: OptionNames<ReadRecordOptions<unknown>> = {
  stores: true,
  schema: true,
  compression: true,
  encoding: true,
  allowEmptyMatch: true,
  splitBytes: true,
  maxRecordBytes: true,
};

const ENCODINGS = ['utf8', 'latin1', 'utf16le', 'utf16be'];
const MAX_RECORD_BYTES = 64 * 1024 * 1024;
/** What is behind this cannot be a string. */
const LONGEST_RECORD = 512 * 1024 * 1024 - 64;

/** Options that were looked at, with their defaults. */
export interface SettledRecordOptions<T> {
  readonly schema: RowType<T>;
  readonly find: FindOptions;
  readonly encoding: TextEncoding | Utf16;
  readonly maxRecordBytes: number;
}

/** @throws `INVALID_ARGUMENT`, `INVALID_SCHEMA` */
export function checkRecordOptions<T>(
  transform: string,
  options: ReadRecordOptions<T>,
): SettledRecordOptions<T> {
  const {
    schema,
    stores,
    compression = 'auto',
    encoding = 'utf8',
    allowEmptyMatch = false,
    splitBytes,
    maxRecordBytes = MAX_RECORD_BYTES,
  } = options ?? {};
  checkRowType(transform, schema);
  checkStores(transform, stores);
  checkCompression(compression);
  if (!ENCODINGS.includes(encoding)) {
    const hint = `Choose one of ${ENCODINGS.map((one) => `'${one}'`).join(', ')}.`;
    throw refuseOption(transform, 'encoding', encoding, hint);
  }
  if (typeof allowEmptyMatch !== 'boolean') {
    throw refuseOption(transform, 'allowEmptyMatch', allowEmptyMatch, 'Give true or false.');
  }
  if (splitBytes !== undefined && !isCount(splitBytes)) {
    throw refuseOption(transform, 'splitBytes', splitBytes, 'Give a whole number of bytes.');
  }
  if (!isCount(maxRecordBytes) || maxRecordBytes > LONGEST_RECORD) {
    const hint = `Give a whole number of bytes, 1 to ${LONGEST_RECORD}.`;
    throw refuseOption(transform, 'maxRecordBytes', maxRecordBytes, hint);
  }
  const find = { stores, compression, allowEmptyMatch, splitBytes, skipHeaderLines: 0 };
  return { schema, find, encoding, maxRecordBytes };
}

/** @throws `INVALID_SCHEMA` for what is no type of rows, or one without fields */
export function checkRowType(transform: string, schema: unknown): void {
  if (isSchemaType(schema) && schema.kind === 'row' && schema.fields.length > 0) return;
  const given = isSchemaType(schema) ? typeName(schema) : describeValue(schema);
  throw new BeamBridgeError('INVALID_SCHEMA', `${transform}: schema is ${given}`, {
    hint: 'Give a type of beambridge/schema with a field for each column: row({ city: string, age: int64 }).',
  });
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

/** The refusal of an option's value. */
export function refuseOption(
  transform: string,
  option: string,
  value: unknown,
  hint: string,
): BeamBridgeError {
  const message = `${transform}: ${option} is ${describeValue(value)}`;
  return new BeamBridgeError('INVALID_ARGUMENT', message, { hint });
}
