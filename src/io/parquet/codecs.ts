// SPDX-License-Identifier: Apache-2.0
// How pages are compressed. Node knows most of it; the rest is a package's.

import * as zlib from 'node:zlib';
import { BeamBridgeError } from '../../base/index.ts';
import { compressorsPackage, type Decompress } from './package.ts';

/** Those that `hyparquet` knows itself. */
const OWN = new Set(['UNCOMPRESSED', 'SNAPPY']);
const OF_PACKAGE = new Set(['ZSTD', 'LZ4', 'LZ4_RAW']);

const OF_NODE: Readonly<Record<string, Decompress>> = {
  GZIP: (input, length) => zlib.gunzipSync(input, { maxOutputLength: atLeastOne(length) }),
  BROTLI: (input, length) =>
    zlib.brotliDecompressSync(input, { maxOutputLength: atLeastOne(length) }),
};

/** Node takes no bound of 0. */
function atLeastOne(length: number): number {
  return Math.max(length, 1);
}

/** Whether pages of a codec can be read, given all packages. */
export function isReadable(codec: string): boolean {
  return OWN.has(codec) || OF_PACKAGE.has(codec) || Object.hasOwn(OF_NODE, codec);
}

/**
 * What reads pages of these codecs.
 *
 * @throws `PACKAGE_NOT_FOUND` for one whose package is not there
 */
export async function decompressors(
  codecs: Iterable<string>,
): Promise<Readonly<Record<string, Decompress>>> {
  const other = [...codecs].find((codec) => OF_PACKAGE.has(codec));
  if (other === undefined) return OF_NODE;
  const { ZSTD, LZ4, LZ4_RAW } = await compressorsPackage(other);
  return { ...OF_NODE, ZSTD: orNothing(ZSTD!), LZ4: orNothing(LZ4!), LZ4_RAW: orNothing(LZ4_RAW!) };
}

/** A page of nulls alone has no bytes, which the package takes for ones that are missing. */
function orNothing(decompress: Decompress): Decompress {
  return (input, length) => (length === 0 ? new Uint8Array(0) : decompress(input, length));
}

/** How pages are compressed when they are written. */
export type ParquetCompression = 'snappy' | 'gzip' | 'zstd' | 'brotli' | 'none';

/** Gives the bytes of a page as they are in the file. */
export type Compress = (input: Uint8Array) => Uint8Array;

/** A codec, and what compresses by it where that is not `hyparquet-writer`. */
export interface WrittenCodec {
  readonly codec: string;
  readonly compressors: Readonly<Record<string, Compress>>;
}

/** Brotli's own default takes ten times as long for a few percent. */
const BROTLI_QUALITY = 5;

export const PARQUET_COMPRESSIONS: readonly ParquetCompression[] = [
  'snappy',
  'gzip',
  'zstd',
  'brotli',
  'none',
];

/** @throws `UNSUPPORTED` for one that this Node.js lacks */
export function writtenCodec(compression: ParquetCompression): WrittenCodec {
  switch (compression) {
    case 'snappy':
      return { codec: 'SNAPPY', compressors: {} };
    case 'gzip':
      return { codec: 'GZIP', compressors: { GZIP: (input) => zlib.gzipSync(input) } };
    case 'brotli': {
      const params = { [zlib.constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY };
      const compress: Compress = (input) => zlib.brotliCompressSync(input, { params });
      return { codec: 'BROTLI', compressors: { BROTLI: compress } };
    }
    case 'zstd': {
      // In Node.js 22.15, and not in the types of 20.
      const compress = (zlib as { zstdCompressSync?: Compress }).zstdCompressSync;
      if (compress) return { codec: 'ZSTD', compressors: { ZSTD: (input) => compress(input) } };
      throw new BeamBridgeError('UNSUPPORTED', `Node.js ${process.version} cannot write zstd`, {
        hint: "Use Node.js 22.15 or newer, or another compression: 'snappy', 'gzip', 'brotli'.",
      });
    }
    case 'none':
      return { codec: 'UNCOMPRESSED', compressors: {} };
  }
}
