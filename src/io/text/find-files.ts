// SPDX-License-Identifier: Apache-2.0
// From files to the ranges of them that are read independently of each other.

import { mapSome } from '../../base/index.ts';
import { readError } from '../file-error.ts';
import type { StoreOptions } from '../stores/options.ts';
import type { OpenFile } from '../stores/store.ts';
import { openFile } from '../stores/store-of.ts';
import { type Compression, codecOf, type FileCodec } from './compression.ts';

/** A part of a file: the lines that begin in it. */
export interface FileRange {
  path: string;
  start: number;
  end: number;
  /** Whether `start` is known to be the beginning of a line. */
  atLine: boolean;
  codec: FileCodec;
  /** Whether the range is the file up to its end, wherever that is, with its header: `end` says nothing then. */
  whole: boolean;
  /** Which contents of the file were looked at. */
  version: string;
  stores?: StoreOptions | undefined;
}

/** What decides which ranges there are. */
export interface FindOptions {
  /** Where they are, as far as the environment does not say it. */
  stores?: StoreOptions | undefined;
  compression: Compression;
  skipHeaderLines: number;
  /** @default so many that all files have about 16 parts, from 16 KiB to 64 MiB */
  splitBytes?: number | undefined;
  allowEmptyMatch: boolean;
}

/** A file that was looked at. */
interface Look {
  readonly path: string;
  /** Where its lines begin, behind its header. */
  readonly begin: number;
  readonly size: number;
  readonly codec: FileCodec;
  readonly whole: boolean;
  readonly version: string;
  readonly stores?: StoreOptions | undefined;
}

async function lookAt(path: string, options: FindOptions): Promise<Look> {
  const codec = codecOf(path, options.compression);
  const { stores } = options;
  try {
    await using file = await openFile({ path, stores });
    const { size, version } = await file.look();
    // Files that a system makes up as they are read, such as those in /proc, do not say how large they are.
    const whole = codec !== 'none' || (size === 0 && (await holdsSomething(file)));
    const begin = whole ? 0 : await endOfHeader(file, options.skipHeaderLines);
    return { path, begin, size, codec, whole, version, ...(stores && { stores }) };
  } catch (error) {
    throw readError(error, path);
  }
}

/** The ranges of one file. A compressed file has one, for it can only be read from its beginning. */
function cut({ begin, size, ...file }: Look, splitBytes: number): FileRange[] {
  if (file.whole) return [{ ...file, start: 0, end: size, atLine: true }];
  const ranges: FileRange[] = [];
  for (let start = begin; start < size; start += splitBytes) {
    const end = Math.min(start + splitBytes, size);
    ranges.push({ ...file, start, end, atLine: start === begin });
  }
  return ranges;
}

/** How large ranges are of so many bytes: there are some for each of many workers, and none is tiny. */
function sizeOfParts(total: number): number {
  return Math.min(Math.max(Math.ceil(total / PARTS), LEAST_BYTES), MOST_BYTES);
}

/** Ranges of all files together, where nobody says how large they are. */
const PARTS = 16;
/** Lines may be prompts, of which a few hundred keep a model busy for minutes: they are shared, too. */
const LEAST_BYTES = 16 * 1024;
const MOST_BYTES = 64 * 1024 * 1024;

/** The ranges of one file. */
export function rangesOf(path: string, options: FindOptions): Promise<FileRange[]> {
  return rangesOfAll([path], options);
}

/** The ranges of all files; few are open at the same time, however many there are. */
export async function rangesOfAll(
  paths: Iterable<string>,
  options: FindOptions,
): Promise<FileRange[]> {
  const looks = await mapSome([...paths], (path) => lookAt(path, options));
  const plain = looks.filter(({ whole }) => !whole);
  const total = plain.reduce((sum, { begin, size }) => sum + Math.max(size - begin, 0), 0);
  const { splitBytes = sizeOfParts(total) } = options;
  return looks.flatMap((look) => cut(look, splitBytes));
}

async function holdsSomething(file: OpenFile): Promise<boolean> {
  const { bytesRead } = await file.read(Buffer.alloc(1), 0, 1, 0);
  return bytesRead > 0;
}

const PIECE = 64 * 1024;

/** Where the line after the first `lines` lines begins. */
async function endOfHeader(file: OpenFile, lines: number): Promise<number> {
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
