// SPDX-License-Identifier: Apache-2.0
// What readers of records give: the records of a declared type, where they are from, and those that are none.

import { type Coder, type KV, KVCoder, StrUtf8Coder } from '../../coders/index.ts';
import {
  array,
  coderOf,
  int64,
  nullable,
  type RowType,
  row,
  type SchemaType,
  string,
} from '../../schema/index.ts';

/** Where a record begins. */
export type RecordPosition = {
  /** Absolute. */
  path: string;
  /** Counted from 1. */
  line: number;
};

/** A record that does not fit the declared type. */
export type FailedRecord = {
  /** Absolute. */
  path: string;
  /** The line that it begins in, counted from 1. */
  line: number;
  /** The column or field, as an error names it; null where all of the record is meant. */
  column: string | null;
  /** The record as it is in the file. */
  record: string;
  /** The code of the error that it would have been, such as `ROW_MISMATCH`. */
  errorType: string;
  /** What the error would have said. */
  message: string;
};

export const positionType: RowType<RecordPosition> = row({ path: string, line: int64 });

export const failedType: RowType<FailedRecord> = row({
  path: string,
  line: int64,
  column: nullable(string),
  record: string,
  errorType: string,
  message: string,
});

/** The records of a piece of a file: one element, so that records are not awaited one by one. */
export interface Batch<T> {
  path: string;
  records: T[];
  /** Of each record, the line that it begins in; empty where nobody asked. */
  lines: number[];
  failed: FailedRecord[];
}

export function batchCoder<T>(schema: SchemaType<T>): Coder<Batch<T>> {
  return coderOf(
    row({
      path: string,
      records: array(schema),
      lines: array(int64),
      failed: array(failedType),
    }),
  ) as Coder<unknown> as Coder<Batch<T>>;
}

/** What comes with each record. */
export type Keyed = 'alone' | 'filename' | 'position';

/** The records of a batch as they leave the transform. */
export function elementsOf<T>({ path, records, lines }: Batch<T>, keyed: Keyed): unknown[] {
  if (keyed === 'alone') return records;
  return records.map((value, at) => ({
    key: keyed === 'filename' ? path : { path, line: lines[at]! },
    value,
  }));
}

export function elementCoder<T>(schema: RowType<T>, keyed: Keyed): Coder<unknown> {
  const value = coderOf(schema);
  if (keyed === 'alone') return value;
  const key: Coder<unknown> = keyed === 'filename' ? new StrUtf8Coder() : coderOf(positionType);
  return new KVCoder(key, value as Coder<unknown>) as Coder<KV<unknown, unknown>>;
}
