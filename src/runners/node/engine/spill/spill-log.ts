// SPDX-License-Identifier: Apache-2.0
// Pieces in one file, read in any order: what waits in many places and goes on when its place is ready.

import type { FileHandle } from 'node:fs/promises';
import { ByteReader, ByteWriter } from '../../../../base/index.ts';
import { fileError, openUnnamed } from './unnamed-file.ts';

/** So much is written at once. */
const WRITE_BYTES = 256 * 1024;

/** Where a piece lies. */
export interface Piece {
  readonly position: number;
  readonly length: number;
}

export class SpillLog {
  private readonly buffer = new ByteWriter(WRITE_BYTES);
  private handle: FileHandle | undefined;
  /** Bytes that were handed to the file. */
  private handed = 0;
  private pieces = 0;
  private writing: Promise<void> = Promise.resolve();

  /** @param folder - @default the system's temporary folder */
  constructor(private readonly folder?: string) {}

  /** Whether {@link flush} should be called before more is appended. */
  get isFull(): boolean {
    return this.buffer.length >= WRITE_BYTES;
  }

  append(write: (out: ByteWriter) => void): Piece {
    const before = this.buffer.length;
    write(this.buffer);
    this.pieces += 1;
    return { position: this.handed + before, length: this.buffer.length - before };
  }

  /** Puts into the file what was appended. */
  flush(): Promise<void> {
    if (this.buffer.length > 0) {
      const data = this.buffer.take();
      const position = this.handed;
      this.handed += data.length;
      this.writing = this.writing.then(() => this.write(data, position));
      // Whoever reads or flushes next hears of a failure.
      this.writing.catch(() => {});
    }
    return this.writing;
  }

  private async write(data: Uint8Array, position: number): Promise<void> {
    this.handle ??= await openUnnamed(this.folder);
    try {
      for (let at = 0; at < data.length; ) {
        const left = data.length - at;
        const { bytesWritten } = await this.handle.write(data, at, left, position + at);
        at += bytesWritten;
      }
    } catch (error) {
      throw fileError(error, 'a file in the temporary folder');
    }
  }

  private async empty(): Promise<void> {
    try {
      await this.handle?.truncate(0);
    } catch (error) {
      throw fileError(error, 'a file in the temporary folder');
    }
  }

  /** Reads a piece, once. */
  async read({ position, length }: Piece): Promise<ByteReader> {
    await this.flush();
    const { handle } = this;
    const data = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; ) {
      const { bytesRead } = await handle!.read(data, at, length - at, position + at);
      if (bytesRead === 0) throw fileError(new Error('it ends early'), 'a temporary file');
      at += bytesRead;
    }
    this.pieces -= 1;
    // What was read is of no more use: a file that nobody needs begins anew.
    if (this.pieces === 0 && this.buffer.length === 0) {
      this.handed = 0;
      // In its turn among the writes: what is appended meanwhile goes to the beginning, behind it.
      this.writing = this.writing.then(() => this.empty());
      this.writing.catch(() => {});
    }
    return new ByteReader(data);
  }

  async close(): Promise<void> {
    const { handle } = this;
    await this.writing.catch(() => {});
    this.handle = undefined;
    await handle?.close();
  }
}
