// SPDX-License-Identifier: Apache-2.0
// The number of a line, which a range of a file does not know: it is counted when an error has to tell it.

import { readError } from '../file-error.ts';
import { openFile } from '../stores/store-of.ts';
import type { FileRange } from './find-files.ts';

const PIECE = 1024 * 1024;
const NEWLINE = 10;

/** How many lines of a file begin before the first one that begins in a range. */
export async function linesBefore(range: FileRange): Promise<number> {
  const { start, atLine } = range;
  if (start === 0) return 0;
  // A line that begins at `start` follows the newline in front of it; else the next newline ends a line of before.
  return atLine ? newlinesBefore(range, start) : (await newlinesBefore(range, start - 1)) + 1;
}

async function newlinesBefore({ path, version, stores }: FileRange, end: number): Promise<number> {
  const piece = Buffer.allocUnsafeSlow(PIECE);
  let lines = 0;
  try {
    await using file = await openFile({ path, version, end, stores });
    for (let position = 0; position < end; ) {
      const wanted = Math.min(PIECE, end - position);
      const { bytesRead } = await file.read(piece, 0, wanted, position);
      if (bytesRead === 0) break;
      const bytes = piece.subarray(0, bytesRead);
      for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1))
        lines += 1;
      position += bytesRead;
    }
  } catch (error) {
    throw readError(error, path);
  }
  return lines;
}
