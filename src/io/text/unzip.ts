// SPDX-License-Identifier: Apache-2.0
// The bytes that a gzip file, or one of another form of zlib's, holds: all members of it, with the zeros that some programs put between
// and after them. Node's own stream ends at the first zero and drops what follows.

import type { Gunzip, Inflate, ZlibOptions } from 'node:zlib';

const PIECE = 256 * 1024;

type Unzip = Gunzip | Inflate;

/** What one run of members left: bytes that it did not take, or nothing when the file is at its end. */
interface Feed {
  rest: Buffer | undefined;
}

/**
 * Unzips pieces of a file. No bytes at all are no text, as for Beam; what is neither a member nor zeros
 * after one is an error of zlib's.
 *
 * @param create - makes what takes a run of members
 */
export async function* unzipped(
  pieces: AsyncIterable<Buffer>,
  create: (options: ZlibOptions) => Unzip,
): AsyncGenerator<Buffer, void, void> {
  const source = pieces[Symbol.asyncIterator]();
  try {
    let first = await nextPiece(source);
    while (first) {
      const gunzip = create({ chunkSize: PIECE });
      const feed: Feed = { rest: undefined };
      const fed = write(source, first, gunzip, feed);
      // Whoever reads the stream below is told first.
      fed.catch(() => {});
      yield* gunzip as AsyncIterable<Buffer>;
      await fed;
      first = await withoutPadding(feed.rest, source);
    }
  } finally {
    await source.return?.();
  }
}

/** Writes pieces until there are no more or the stream takes no more, which it tells by ending. */
async function write(
  source: AsyncIterator<Buffer>,
  first: Buffer,
  gunzip: Unzip,
  feed: Feed,
): Promise<void> {
  // A stream that ends before its input does calls back with less than all taken, or never.
  const over = new Promise<'over'>((resolve) => {
    gunzip.once('end', () => resolve('over')).once('close', () => resolve('over'));
  });
  let sent = 0;
  for (let piece: Buffer | undefined = first; piece; piece = await pieceFor(gunzip, source)) {
    sent += piece.length;
    const taken = new Promise<'taken'>((resolve, reject) => {
      gunzip.write(piece, (error) => (error ? reject(error) : resolve('taken')));
    });
    taken.catch(() => {});
    if ((await Promise.race([taken, over])) === 'over' || gunzip.bytesWritten < sent) {
      feed.rest = piece.subarray(piece.length - (sent - gunzip.bytesWritten));
      return;
    }
  }
  gunzip.end();
}

async function pieceFor(gunzip: Unzip, source: AsyncIterator<Buffer>): Promise<Buffer | undefined> {
  try {
    return await nextPiece(source);
  } catch (error) {
    gunzip.destroy(error as Error);
    throw error;
  }
}

async function nextPiece(source: AsyncIterator<Buffer>): Promise<Buffer | undefined> {
  const { value, done } = await source.next();
  return done ? undefined : value;
}

/** The first bytes that are no padding, with those that follow them in the same piece. */
async function withoutPadding(
  rest: Buffer | undefined,
  source: AsyncIterator<Buffer>,
): Promise<Buffer | undefined> {
  for (let piece = rest; piece; piece = await nextPiece(source)) {
    const begin = piece.findIndex((byte) => byte !== 0);
    if (begin >= 0) return piece.subarray(begin);
  }
  return undefined;
}
