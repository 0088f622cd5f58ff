// SPDX-License-Identifier: Apache-2.0
// One temporary file of lines, written in large pieces.

import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { writeError } from '../file-error.ts';

const PIECE = 256 * 1024;
const compress = promisify(gzip);

/**
 * The bytes of `text` in a file. Compressed ones are a gzip member of their own, and a file of
 * several members one after the other is a gzip file: pieces and files can simply be joined.
 */
export async function encodeText(text: string, gzipped: boolean): Promise<Buffer> {
  const bytes = Buffer.from(text, 'utf8');
  return gzipped && bytes.length > 0 ? compress(bytes) : bytes;
}

/** The bytes of a file that holds nothing: even that is a gzip member. */
export async function emptyFile(gzipped: boolean): Promise<Buffer> {
  return gzipped ? compress(Buffer.alloc(0)) : Buffer.alloc(0);
}

/** Appends lines to a new file. */
export class TextWriter implements AsyncDisposable {
  private pending = '';
  private written = 0;

  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    private readonly gzipped: boolean,
  ) {}

  /** @throws `OUTPUT_NOT_WRITABLE` when the file cannot be made */
  static async create(path: string, gzipped: boolean): Promise<TextWriter> {
    try {
      return new TextWriter(path, await open(path, 'wx'), gzipped);
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
    return this.pending.length >= PIECE ? this.flush() : undefined;
  }

  private async flush(): Promise<void> {
    const text = this.pending;
    this.pending = '';
    if (text === '') return;
    const bytes = await encodeText(text, this.gzipped);
    try {
      // Unlike write, this goes on after a part was written.
      await this.file.appendFile(bytes);
    } catch (error) {
      throw writeError(error, this.path);
    }
    this.written += bytes.length;
  }

  /** Writes what is left and closes the file. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  /** Closes the file as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close().catch((error) => {
      throw writeError(error, this.path);
    });
  }
}
