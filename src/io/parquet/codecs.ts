// SPDX-License-Identifier: Apache-2.0
// How pages are compressed. Node knows most of it; the rest is a package's.

import * as zlib from 'node:zlib';
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
