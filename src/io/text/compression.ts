// SPDX-License-Identifier: Apache-2.0
// Which files are compressed, and how.

import { BeamBridgeError } from '../../base/index.ts';

/** How files are written. `'auto'` goes by the end of their names: `.gz` is gzip, anything else is not compressed. */
export type WriteCompression = 'auto' | 'none' | 'gzip';

/**
 * How files are read. `'auto'` goes by the end of a file's name: `.gz` is gzip, `.bz2` bzip2, `.zst` and `.zstd` are zstd, `.deflate`
 * is deflate (with zlib's header), anything else is not compressed.
 */
export type Compression = WriteCompression | FileCodec;

/** How a file is compressed. */
export type FileCodec = 'none' | 'gzip' | 'bzip2' | 'zstd' | 'deflate';

const WRITTEN: readonly WriteCompression[] = ['auto', 'none', 'gzip'];
const READ: readonly Compression[] = [...WRITTEN, 'bzip2', 'zstd', 'deflate'];

const BY_NAME: readonly [name: RegExp, codec: FileCodec][] = [
  [/\.gz$/i, 'gzip'],
  [/\.bz2$/i, 'bzip2'],
  [/\.zstd?$/i, 'zstd'],
  [/\.deflate$/i, 'deflate'],
];
const OTHERS = /\.(xz|lzo|lzma|zip|snappy|sz|lz4|br|7z)$/i;

/** @throws `INVALID_ARGUMENT` for what is none of the choices of a reader */
export function checkCompression(compression: Compression): void {
  checkChoice(compression, READ);
}

/** @throws `INVALID_ARGUMENT` for what is none of the choices of a writer */
export function checkWriteCompression(compression: WriteCompression): void {
  checkChoice(compression, WRITTEN);
}

function checkChoice(compression: string, choices: readonly string[]): void {
  if (choices.includes(compression)) return;
  throw new BeamBridgeError('INVALID_ARGUMENT', `compression is ${String(compression)}`, {
    hint: `Choose one of ${choices.map((choice) => `'${choice}'`).join(', ')}.`,
  });
}

/**
 * How a file that is read is compressed.
 *
 * @throws `UNSUPPORTED` for a name that tells of another compression
 */
export function codecOf(path: string, compression: Compression): FileCodec {
  if (compression !== 'auto') return compression;
  // Behind the name of a URL may be a question.
  const name = /^https?:\/\//i.test(path) ? path.replace(/[?#].*$/s, '') : path;
  const known = BY_NAME.find(([end]) => end.test(name));
  if (known) return known[1];
  const other = OTHERS.exec(name);
  if (!other) return 'none';
  throw new BeamBridgeError('UNSUPPORTED', `${path}: text in ${other[0]} files is not supported`, {
    hint: "Use gzip (.gz), bzip2 (.bz2) or zstd (.zst), or { compression: 'none' } if the file is plain text all the same.",
  });
}

/**
 * Whether files of a name are written as gzip.
 *
 * @throws `UNSUPPORTED` for a name that tells of another compression
 */
export function isGzip(suffix: string, compression: WriteCompression): boolean {
  if (compression !== 'auto') return compression === 'gzip';
  const codec = OTHERS.test(suffix) ? 'other' : codecOf(suffix, 'auto');
  if (codec === 'none' || codec === 'gzip') return codec === 'gzip';
  throw new BeamBridgeError('UNSUPPORTED', `${suffix}: text in such files is not written`, {
    hint: "Use gzip (.gz), or { compression: 'none' } if the file is plain text all the same.",
  });
}
