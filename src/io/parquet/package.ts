// SPDX-License-Identifier: Apache-2.0
// The packages of Parquet, which users install if they want it: what we use of them, and loading them no earlier
// than something is read or written.

import { optionalPackage } from '../optional-package.ts';

/** A node of a file's schema, as the footer lists them: each before its children. */
export interface SchemaElement {
  readonly name: string;
  readonly type?: string | undefined;
  readonly type_length?: number | undefined;
  readonly repetition_type?: string | undefined;
  readonly num_children?: number | undefined;
  readonly converted_type?: string | undefined;
  readonly scale?: number | undefined;
  readonly precision?: number | undefined;
  readonly logical_type?:
    | {
        readonly type?: string;
        readonly scale?: number;
        readonly precision?: number;
        readonly unit?: string;
        readonly isAdjustedToUTC?: boolean;
        readonly bitWidth?: number;
        readonly isSigned?: boolean;
      }
    | undefined;
}

/** What a footer says of the values of a column. */
export interface ColumnStatistics {
  readonly min_value?: unknown;
  readonly max_value?: unknown;
  readonly null_count?: bigint | undefined;
}

/** A column of a row group. */
export interface ColumnChunk {
  readonly file_path?: string | undefined;
  readonly file_offset?: bigint | undefined;
  readonly crypto_metadata?: unknown;
  readonly meta_data?:
    | {
        readonly path_in_schema: string[];
        readonly codec: string;
        readonly num_values: bigint;
        readonly total_compressed_size: bigint;
        readonly data_page_offset: bigint;
        readonly dictionary_page_offset?: bigint | undefined;
        readonly statistics?: ColumnStatistics | undefined;
      }
    | undefined;
  readonly [other: string]: unknown;
}

export interface RowGroup {
  readonly columns: readonly ColumnChunk[];
  readonly num_rows: bigint;
  readonly [other: string]: unknown;
}

/** A footer. */
export interface FileMetadata {
  readonly schema: readonly SchemaElement[];
  readonly num_rows: bigint;
  readonly row_groups: readonly RowGroup[];
  readonly metadata_length: number;
}

/** Bytes that are read as they are asked for. */
export interface AsyncBuffer {
  readonly byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/** Gives the bytes of a page, whose length the file tells. */
export type Decompress = (input: Uint8Array, outputLength: number) => Uint8Array;

/** What we use of a page's header, where any of it may be missing. */
export interface PageHeader {
  readonly type?: string;
  readonly compressed_page_size?: number;
  readonly uncompressed_page_size?: number;
  readonly data_page_header?: {
    readonly num_values?: number;
    readonly encoding?: string;
    readonly definition_level_encoding?: string;
    readonly repetition_level_encoding?: string;
  };
  readonly dictionary_page_header?: { readonly num_values?: number };
  readonly data_page_header_v2?: {
    readonly num_values?: number;
    readonly num_nulls?: number;
    readonly encoding?: string;
    readonly is_compressed?: boolean;
    readonly repetition_levels_byte_length?: number;
    readonly definition_levels_byte_length?: number;
  };
}

/** Reads the header of a page, and goes on behind it. */
export type ReadPageHeader = (reader: ByteReader) => PageHeader;

/** What we use of `hyparquet`. */
export interface ParquetReaderPackage {
  parquetMetadata(
    footer: Uint8Array,
    options: { parsers: object; geoparquet: false },
  ): FileMetadata;
  parquetRead(options: {
    file: AsyncBuffer;
    metadata: FileMetadata;
    columns: [string];
    compressors: Readonly<Record<string, Decompress>>;
    parsers: object;
    utf8: false;
    onChunk: (chunk: { columnData: ArrayLike<unknown>; rowStart: number }) => void;
  }): Promise<void>;
}

/** Where `hyparquet-writer` puts what it writes. */
export interface ByteSink {
  /** How many bytes there were in all. */
  readonly offset: number;
  /** How many of them are there: 0 when they were taken. */
  index: number;
  /** Those that are there, as a view. */
  getBytes(): Uint8Array;
}

/** Writes a file, whose beginning it writes when it is made. */
export interface RowGroupWriter {
  readonly row_groups: RowGroup[];
  num_rows: bigint;
  write(options: {
    columnData: {
      name: string;
      data: readonly unknown[];
      offsetIndex: false;
      encoding?: 'PLAIN';
    }[];
    rowGroupSize: number;
  }): void;
  /** Writes the footer. */
  finish(): void;
}

/** What we use of `hyparquet-writer`. */
export interface ParquetWriterPackage {
  readonly ByteWriter: new () => ByteSink;
  readonly ParquetWriter: new (options: {
    writer: ByteSink;
    schema: readonly SchemaElement[];
    codec: string;
    compressors: Readonly<Record<string, (input: Uint8Array) => Uint8Array>>;
    createdBy: string;
  }) => RowGroupWriter;
}

/** @throws `PACKAGE_NOT_FOUND` when it is not installed */
export function readerPackage(): Promise<ParquetReaderPackage> {
  return optionalPackage('hyparquet', 'reading Parquet files');
}

/** A place in bytes. */
export interface ByteReader {
  readonly view: DataView;
  offset: number;
}

/** What decodes parts of pages. */
export interface PageDecoders {
  readonly parquetHeader: ReadPageHeader;
  decompressPage(
    bytes: Uint8Array,
    length: number,
    codec: string,
    compressors: Readonly<Record<string, Decompress>>,
  ): Uint8Array;
  readPlain(
    reader: ByteReader,
    type: string,
    count: number,
    typeLength: number | undefined,
  ): ArrayLike<unknown>;
  byteStreamSplit(
    reader: ByteReader,
    count: number,
    type: string,
    typeLength: number | undefined,
  ): ArrayLike<unknown>;
  deltaBinaryUnpack(reader: ByteReader, count: number, out: Int32Array | BigInt64Array): void;
  deltaLengthByteArray(reader: ByteReader, count: number, out: Uint8Array[]): void;
  deltaByteArray(reader: ByteReader, count: number, out: Uint8Array[]): void;
}

const DECODERS: Readonly<Record<keyof PageDecoders, string>> = {
  parquetHeader: 'column',
  decompressPage: 'datapage',
  readPlain: 'plain',
  byteStreamSplit: 'encoding',
  deltaBinaryUnpack: 'delta',
  deltaLengthByteArray: 'delta',
  deltaByteArray: 'delta',
};

let decoders: Promise<Partial<PageDecoders>> | undefined;

function loadedDecoders(): Promise<Partial<PageDecoders>> {
  decoders ??= loadDecoders();
  return decoders;
}

async function loadDecoders(): Promise<Partial<PageDecoders>> {
  const found = await Promise.all(
    Object.entries(DECODERS).map(async ([name, file]) => [name, (await partOf(file))?.[name]]),
  );
  return Object.fromEntries(found.filter(([, value]) => typeof value === 'function'));
}

/** A file of `hyparquet`, which are exported and not documented: nothing where a release has it no more. */
async function partOf(file: string): Promise<Record<string, unknown> | undefined> {
  const name = `hyparquet/src/${file}.js`;
  try {
    return (await import(name)) as Record<string, unknown>;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_PACKAGE_PATH_NOT_EXPORTED' || code === 'ERR_MODULE_NOT_FOUND')
      return undefined;
    throw error;
  }
}

/** What reads headers of pages in `hyparquet`; nothing where a release has it no more. */
export async function pageHeaderReader(): Promise<ReadPageHeader | undefined> {
  return (await loadedDecoders()).parquetHeader;
}

/** What decodes pages in `hyparquet`; nothing where a release lacks a part of it. */
export async function pageDecoders(): Promise<PageDecoders | undefined> {
  const found = await loadedDecoders();
  const names = Object.keys(DECODERS) as (keyof PageDecoders)[];
  return names.every((name) => found[name]) ? (found as PageDecoders) : undefined;
}

/** @throws `PACKAGE_NOT_FOUND` when it is not installed */
export function writerPackage(): Promise<ParquetWriterPackage> {
  return optionalPackage('hyparquet-writer', 'writing Parquet files');
}

/** @throws `PACKAGE_NOT_FOUND` when it is not installed */
export async function compressorsPackage(
  codec: string,
): Promise<Readonly<Record<string, Decompress>>> {
  type Compressors = { compressors: Readonly<Record<string, Decompress>> };
  const what = `Parquet's compression ${codec}`;
  return (await optionalPackage<Compressors>('hyparquet-compressors', what)).compressors;
}
