// SPDX-License-Identifier: Apache-2.0
// One temporary file of lines, written in large pieces.

import { constants } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { isWellFormed, requireWellFormed } from '../../coders/index.ts';
import { writeError } from '../file-error.ts';

const PIECE = 256 * 1024;
const SMALL_PIECE = 8 * 1024;
/** Appends to a file that is there: one that was removed meanwhile is not begun anew. */
const APPEND = constants.O_WRONLY | constants.O_APPEND;
/** What all files of a bundle may hold together. */
const ALL_PIECES = 64 * PIECE;
const compress = promisify(gzip);

/**
 * The bytes of `text` in a file. Compressed ones are a gzip member of their own, and a file of
 * several members one after the other is a gzip file: pieces and files can simply be joined.
 *
 * @throws `CODER_MISMATCH` for half a surrogate pair, with the line that holds it
 */
export async function encodeText(text: string, gzipped: boolean): Promise<Buffer> {
  if (!isWellFormed(text)) for (const line of text.split('\n')) requireWellFormed(line);
  const bytes = Buffer.from(text, 'utf8');
  return gzipped && bytes.length > 0 ? compress(bytes) : bytes;
}

/** The bytes of a file that holds nothing: even that is a gzip member. */
export async function emptyFile(gzipped: boolean): Promise<Buffer> {
  return gzipped ? compress(Buffer.alloc(0)) : Buffer.alloc(0);
}

/** How much of a file's text comes together before it is written, when there are so many files. */
export function pieceSize(files: number): number {
  return Math.max(SMALL_PIECE, Math.min(PIECE, Math.floor(ALL_PIECES / files)));
}

/**
 * Appends lines to a new file, which is open only while a piece is written: there may be more shards
 * than descriptors.
 */
export class TextWriter {
  private pending = '';
  private written = 0;

  private constructor(
    readonly path: string,
    private readonly gzipped: boolean,
    private readonly piece: number,
  ) {}

  /** @throws `OUTPUT_NOT_WRITABLE` when the file cannot be made */
  static async create(path: string, gzipped: boolean, piece = PIECE): Promise<TextWriter> {
    try {
      await writeFile(path, '', { flag: 'wx' });
      return new TextWriter(path, gzipped, piece);
    } catch (error) {
      throw writeError(error, path);
    }
  }

  /** How many bytes are in the file. */
  get size(): number {
    return this.written;
  }

  /** Gives a promise only when enough came together for the disk. */
  append(text: string): Promise<void> | undefined {
    this.pending += text;
    return this.pending.length >= this.piece ? this.flush() : undefined;
  }

  private async flush(): Promise<void> {
    const text = this.pending;
    this.pending = '';
    if (text === '') return;
    const bytes = await encodeText(text, this.gzipped);
    try {
      await appendFile(this.path, bytes, { flag: APPEND });
    } catch (error) {
      throw writeError(error, this.path);
    }
    this.written += bytes.length;
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    await this.flush();
  }
}
