// SPDX-License-Identifier: Apache-2.0
// The bytes of a file piece by piece, each read while the one before it is worked on: a piece of the system's memory comes in
// a fraction of a millisecond, but from another thread, and this one would have nothing to do until then.

import type { OpenFile } from '../stores/store.ts';

type Read = Promise<{ readonly bytesRead: number }>;

/**
 * The pieces of a file from a position on. Each is valid until the next is asked for.
 *
 * @param size - of a piece, in bytes
 * @param sure - where they begin, and up to where all bytes will be asked for: what lies behind that is read when it is
 *   asked for, and not before
 */
export async function* piecesAhead(
  file: OpenFile,
  size: number,
  { from, end }: { readonly from: number; readonly end: number },
): AsyncGenerator<Buffer, void, undefined> {
  let current: Buffer = Buffer.allocUnsafeSlow(size);
  let spare: Buffer | undefined;
  let ahead: Read | undefined;
  try {
    for (let position = from, isFirst = true; ; isFirst = false) {
      const { bytesRead } = await (ahead ?? file.read(current, 0, size, position));
      ahead = undefined;
      if (bytesRead === 0) return;
      const piece = current.subarray(0, bytesRead);
      position += bytesRead;
      // Who looks at the beginning of a file only does not ask for a second piece.
      if (!isFirst && position < end) {
        const next = spare ?? Buffer.allocUnsafeSlow(size);
        [spare, current] = [current, next];
        ahead = file.read(next, 0, size, position);
        // Whoever asks for it hears of a failure.
        ahead.catch(() => {});
      }
      yield piece;
    }
  } finally {
    // Nobody closes the file under it.
    await ahead?.catch(() => {});
  }
}
