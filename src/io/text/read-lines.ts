// SPDX-License-Identifier: Apache-2.0
// The lines of one range of a file, in batches, with memory for two pieces of the file at a time.

import { readError } from '../file-error.ts';
import { changed } from '../stores/changed.ts';
import type { OpenFile } from '../stores/store.ts';
import { openFile } from '../stores/store-of.ts';
import { decompressed } from './decompress.ts';
import type { FileRange } from './find-files.ts';
import {
  ByteSplitter,
  type LineBytes,
  type LineOptions,
  LineSplitter,
  type TextEncoding,
} from './line-splitter.ts';
import { piecesAhead } from './pieces-ahead.ts';
import { isUtf16, type Utf16, utf16AsUtf8 } from './utf16.ts';

/** Large enough for the cost of reading to vanish; its lines fit into the processor's cache. */
const PIECE = 256 * 1024;
const NEWLINE = 10;
/** What tells compressions and encodings. */
const BEGIN_BYTES = 4;

/** Options of {@link readLines}. */
export interface ReadOptions extends LineOptions {
  /** Text of UTF-16 is read in whole files only: its newlines are not those that ranges are cut at. */
  encoding: TextEncoding | Utf16;
  /** For ranges that are whole files; those of others lie before their first range. */
  skipHeaderLines: number;
}

/**
 * The lines that begin in a range, in batches. Ranges that cover a file give each of its lines once,
 * wherever they are cut.
 *
 * @throws `FILE_NOT_FOUND`, `MALFORMED_DATA`, `IO_FAILED`, also for a file that is not the listed one
 */
export function readLines(
  range: FileRange,
  options: ReadOptions,
): AsyncGenerator<string[], void, undefined> {
  const begin = Buffer.alloc(BEGIN_BYTES);
  const splitter = new LineSplitter(range.path, decodedAs(options.encoding), begin, options);
  let header = range.whole ? options.skipHeaderLines : 0;
  const withoutHeader = (lines: string[]) => {
    const skipped = Math.min(header, lines.length);
    header -= skipped;
    return skipped > 0 ? lines.slice(skipped) : lines;
  };
  return readPieces(range, options.encoding, begin, {
    push: (piece) => withoutHeader(splitter.push(piece)),
    end: () => withoutHeader(splitter.end()),
  });
}

/**
 * The same lines as bytes, for readers that make values of them without a string in between.
 *
 * @throws as {@link readLines} does
 */
export function readLineBytes(
  range: FileRange,
  { encoding, longest }: Pick<ReadOptions, 'encoding' | 'longest'>,
): AsyncGenerator<LineBytes[], void, undefined> {
  const begin = Buffer.alloc(BEGIN_BYTES);
  const splitter = new ByteSplitter(range.path, decodedAs(encoding), begin, longest);
  return readPieces(range, encoding, begin, splitter);
}

/** Text of UTF-16 is made UTF-8 before anybody looks at it. */
function decodedAs(encoding: TextEncoding | Utf16): TextEncoding {
  return isUtf16(encoding) ? 'utf8' : encoding;
}

/** What is made of the pieces of a file. */
export interface PieceTaker<T> {
  /** The piece may be overwritten afterwards. */
  push(piece: Buffer): T[];
  end(): T[];
}

/**
 * What is made of the pieces of a range, in UTF-8 or what else its encoding is, without a byte order mark.
 *
 * @param begin - is given the first bytes of the file
 */
export async function* readPieces<T>(
  range: FileRange,
  encoding: TextEncoding | Utf16,
  begin: Buffer,
  taker: PieceTaker<T>,
): AsyncGenerator<T[], void, undefined> {
  let atStart = range.start === 0;
  try {
    await using file = await openFile(range.whole ? { ...range, end: undefined } : range);
    if (!atStart) await file.read(begin, 0, begin.length, 0);
    const pieces = decoded(
      range.whole
        ? decompressed(allPieces(file), range.codec, range.path)
        : rangePieces(file, range),
      range.path,
      encoding,
    );
    try {
      for await (const piece of pieces) {
        if (atStart) piece.copy(begin);
        const taken = taker.push(atStart ? withoutMark(piece, encoding) : piece);
        atStart = false;
        if (taken.length > 0) yield taken;
      }
    } catch (error) {
      // What looks like damage may be a part of another version.
      await file.checkVersion();
      throw error;
    }
    // Also what changed under our hands: a part of the old file and a part of the new one are neither.
    await file.checkVersion();
    const last = taker.end();
    if (last.length > 0) yield last;
  } catch (error) {
    throw readError(error, range.path);
  }
}

function decoded(
  pieces: AsyncIterable<Buffer>,
  path: string,
  encoding: TextEncoding | Utf16,
): AsyncIterable<Buffer> {
  return isUtf16(encoding) ? utf16AsUtf8(pieces, path, encoding) : pieces;
}

/** Without the byte order mark that some programs put before UTF-8. */
function withoutMark(piece: Buffer, encoding: TextEncoding | Utf16): Buffer {
  const marked = piece[0] === 0xef && piece[1] === 0xbb && piece[2] === 0xbf;
  return marked && encoding === 'utf8' ? piece.subarray(3) : piece;
}

/**
 * The bytes from the first line that begins in the range to the end of the last one.
 * Each piece is valid until the next is asked for.
 */
async function* rangePieces(
  file: OpenFile,
  range: FileRange,
): AsyncGenerator<Buffer, void, undefined> {
  // A line that begins exactly at `start` follows a newline at `start - 1`.
  let searching = !range.atLine;
  let position = searching ? range.start - 1 : range.start;
  // The last line may go on behind the end, which only its bytes tell.
  const sure = { from: position, end: range.end };
  const size = Math.min(PIECE, range.end - range.start + PIECE / 16);
  for await (const piece of piecesAhead(file, size, sure)) {
    const { length } = piece;
    let from = 0;
    if (searching) {
      const newline = piece.indexOf(NEWLINE);
      if (newline >= 0) {
        searching = false;
        from = newline + 1;
      }
      // The line that the range begins in goes on beyond its end.
      if (position + (searching ? length : from) >= range.end) return;
    }
    if (!searching) {
      const last = piece.indexOf(NEWLINE, Math.max(from, range.end - 1 - position));
      if (last >= 0) {
        yield piece.subarray(from, last + 1);
        return;
      }
      if (from < length) yield piece.subarray(from);
    }
    position += length;
  }
  if (position < range.end) throw changed(range.path);
}

/** All bytes of a file. Each piece is valid until the next is asked for. */
function allPieces(file: OpenFile): AsyncGenerator<Buffer, void, void> {
  return piecesAhead(file, PIECE, { from: 0, end: Infinity });
}
