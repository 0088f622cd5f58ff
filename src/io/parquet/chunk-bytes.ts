// SPDX-License-Identifier: Apache-2.0
// The bytes of a row group's chunks: those that lie side by side are read at once, since a file of many columns has many
// small ones.

import type { AsyncBuffer } from './package.ts';

/** What is read at once has no more bytes, unless one chunk has. */
const MOST = 4 * 1024 * 1024;
/** What lies between two chunks is read with them up to so many bytes. */
const GAP = 16 * 1024;

interface Range {
  readonly start: number;
  readonly end: number;
}

interface Piece extends Range {
  /** How many chunks of it are still to be taken. */
  left: number;
  bytes?: Promise<ArrayBuffer>;
}

/** The chunks of a row group, each of which is taken once for each time that it was given. */
export class ChunkBytes {
  private readonly pieces: Piece[] = [];

  constructor(
    private readonly file: AsyncBuffer,
    chunks: readonly Range[],
  ) {
    for (const { start, end } of [...chunks].sort((a, b) => a.start - b.start || a.end - b.end)) {
      const last = this.pieces.at(-1);
      const isNear = last && start - last.end <= GAP && end - last.start <= MOST;
      if (!isNear) this.pieces.push({ start, end, left: 1 });
      else {
        const joined = { start: last.start, end: Math.max(last.end, end), left: last.left + 1 };
        this.pieces[this.pieces.length - 1] = joined;
      }
    }
  }

  /** The bytes of a chunk. @throws what reading the file does */
  async take({ start, end }: Range): Promise<Uint8Array> {
    const piece = this.pieces.find((one) => one.start <= start && end <= one.end)!;
    piece.bytes ??= this.file.slice(piece.start, piece.end);
    const bytes = await piece.bytes;
    piece.left -= 1;
    // No longer in memory than they are needed.
    if (piece.left === 0) delete piece.bytes;
    return new Uint8Array(bytes, start - piece.start, end - start);
  }
}
