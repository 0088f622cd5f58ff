// SPDX-License-Identifier: Apache-2.0
// From files to the ranges of them that are read independently of each other.

import { type FileHandle, open } from 'node:fs/promises';
import { mapSome } from '../../base/index.ts';
import { readError } from '../file-error.ts';
import { type Compression, isGzip } from './compression.ts';
import { versionOf } from './file-version.ts';

/** A part of a file: the lines that begin in it. */
export interface FileRange {
  path: string;
  start: number;
  end: number;
  /** Whether `start` is known to be the beginning of a line. */
  atLine: boolean;
  gzip: boolean;
  /** Which contents of the file were looked at. */
  version: string;
}

/** What decides which ranges there are. */
export interface FindOptions {
  compression: Compression;
  skipHeaderLines: number;
  splitBytes: number;
  allowEmptyMatch: boolean;
}

/** The ranges of one file. A compressed file has one, for it can only be read from its beginning. */
export async function rangesOf(path: string, options: FindOptions): Promise<FileRange[]> {
  const gzip = isGzip(path, options.compression);
  try {
    await using file = await open(path, 'r');
    const { size, version } = await versionOf(file);
    if (gzip) return [{ path, start: 0, end: size, atLine: true, gzip, version }];
    const begin = await endOfHeader(file, options.skipHeaderLines);
    const ranges: FileRange[] = [];
    for (let start = begin; start < size; start += options.splitBytes) {
      const end = Math.min(start + options.splitBytes, size);
      ranges.push({ path, start, end, atLine: start === begin, gzip, version });
    }
    return ranges;
  } catch (error) {
    throw readError(error, path);
  }
}

/** The ranges of all files; few are open at the same time, however many there are. */
export async function rangesOfAll(
  paths: Iterable<string>,
  options: FindOptions,
): Promise<FileRange[]> {
  return (await mapSome([...paths], (path) => rangesOf(path, options))).flat();
}

const PIECE = 64 * 1024;

/** Where the line after the first `lines` lines begins. */
async function endOfHeader(file: FileHandle, lines: number): Promise<number> {
  const piece = Buffer.allocUnsafe(PIECE);
  let position = 0;
  for (let left = lines; left > 0; ) {
    const { bytesRead } = await file.read(piece, 0, PIECE, position);
    if (bytesRead === 0) break;
    let at = 0;
    for (; left > 0; left--) {
      const newline = piece.subarray(0, bytesRead).indexOf(10, at);
      if (newline < 0) break;
      at = newline + 1;
    }
    position += left > 0 ? bytesRead : at;
  }
  return position;
}
