// SPDX-License-Identifier: Apache-2.0
// From patterns to the ranges of files that are read independently of each other.

import { type FileHandle, open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BeamBridgeError } from '../../base/index.ts';
import { readError } from '../file-error.ts';
import { type Compression, isGzip } from './compression.ts';

/** A part of a file: the lines that begin in it. */
export interface FileRange {
  path: string;
  start: number;
  end: number;
  /** Whether `start` is known to be the beginning of a line. */
  atLine: boolean;
  gzip: boolean;
}

/** What decides which ranges there are. */
export interface FindOptions {
  compression: Compression;
  skipHeaderLines: number;
  splitBytes: number;
  allowEmptyMatch: boolean;
}

/**
 * A path or pattern that means the same wherever the program's folder is later.
 *
 * @throws `INVALID_ARGUMENT` for what is no text, `UNSUPPORTED` for files that are not local
 */
export function checkPattern(pattern: string): string {
  if (typeof pattern !== 'string' || pattern === '') {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${String(pattern)} is no path`, {
      hint: "Pass a path or a pattern such as 'data/*.csv', or an array of them.",
    });
  }
  if (pattern.startsWith('file:')) return fileURLToPath(pattern);
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(pattern);
  if (!scheme) return pattern;
  throw new BeamBridgeError('UNSUPPORTED', `${pattern}: only local files can be read here`, {
    hint: `Use pythonTransform('apache_beam.io.ReadFromText', …) for ${scheme[1]} files.`,
  });
}

/** @throws `FILE_NOT_FOUND` when nothing matches, unless that is allowed */
export async function findFiles(
  pattern: string,
  cwd: string,
  allowEmptyMatch: boolean,
): Promise<string[]> {
  const plain = resolve(cwd, pattern);
  const found = await stat(plain).catch(() => undefined);
  // First as a path: names may hold characters that mean something in a pattern.
  if (found?.isFile()) return [plain];
  // Late, since loading it takes longer than most programs' own code, and few read by pattern.
  const { glob, isDynamicPattern } = await import('tinyglobby');
  const paths = isDynamicPattern(pattern)
    ? await glob(pattern, { cwd, absolute: true, expandDirectories: false, onlyFiles: true })
    : [];
  if (paths.length > 0 || allowEmptyMatch) return paths.sort();
  throw new BeamBridgeError(
    'FILE_NOT_FOUND',
    found?.isDirectory() ? `${pattern} is a folder` : `no file matches ${pattern}`,
    {
      hint: found?.isDirectory()
        ? `Say which files in it: '${pattern.replace(/\/$/, '')}/*'.`
        : `Paths are relative to ${cwd}.`,
    },
  );
}

/** The ranges of one file. A compressed file has one, for it can only be read from its beginning. */
export async function rangesOf(path: string, options: FindOptions): Promise<FileRange[]> {
  const gzip = isGzip(path, options.compression);
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (gzip) return [{ path, start: 0, end: size, atLine: true, gzip }];
    const begin = await endOfHeader(file, options.skipHeaderLines);
    const ranges: FileRange[] = [];
    for (let start = begin; start < size; start += options.splitBytes) {
      const end = Math.min(start + options.splitBytes, size);
      ranges.push({ path, start, end, atLine: start === begin, gzip });
    }
    return ranges;
  } catch (error) {
    throw readError(error, path);
  }
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
