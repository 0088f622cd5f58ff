// SPDX-License-Identifier: Apache-2.0
// Which files are compressed, and how.

import { BeamBridgeError } from '../../base/index.ts';

/** `'auto'` goes by the end of a file's name: `.gz` is gzip, anything else is not compressed. */
export type Compression = 'auto' | 'none' | 'gzip';

const CHOICES: readonly Compression[] = ['auto', 'none', 'gzip'];
const OTHERS = /\.(bz2|zst|zstd|xz|lzo|lzma|deflate|zip|snappy|sz|lz4|br|7z)$/i;

/** @throws `INVALID_ARGUMENT` for what is none of the choices */
export function checkCompression(compression: Compression): void {
  if (CHOICES.includes(compression)) return;
  throw new BeamBridgeError('INVALID_ARGUMENT', `compression is ${String(compression)}`, {
    hint: `Choose one of ${CHOICES.map((choice) => `'${choice}'`).join(', ')}.`,
  });
}

/** @throws `UNSUPPORTED` for a name that tells of another compression */
export function isGzip(path: string, compression: Compression): boolean {
  if (compression !== 'auto') return compression === 'gzip';
  // Behind the name of a URL may be a question.
  const name = /^https?:\/\//i.test(path) ? path.replace(/[?#].*$/s, '') : path;
  const other = OTHERS.exec(name);
  if (other) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `${path}: text in ${other[0]} files is not supported`,
      {
        hint: "Use gzip (.gz), or { compression: 'none' } if the file is plain text all the same.",
      },
    );
  }
  return /\.gz$/i.test(name);
}
