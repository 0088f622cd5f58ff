// SPDX-License-Identifier: Apache-2.0
// Bytes in pieces as large as stores want them: at least 5 MiB each but the last, and no more than 10,000.

const PIECE = 8 * 1024 * 1024;
/** From so many pieces on they are larger, so that whatever a store takes has few enough. */
const STEP = 1000;

/** All bytes, in pieces that belong to whoever takes them. None at all are no piece. */
export async function* pieces(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let some: Uint8Array[] = [];
  let size = 0;
  let given = 0;
  const joined = () => {
    const piece = Buffer.concat(some, size);
    some = [];
    size = 0;
    given += 1;
    return piece;
  };
  for await (const chunk of bytes) {
    // A reader may use its buffer again.
    some.push(Uint8Array.prototype.slice.call(chunk));
    size += chunk.length;
    if (size >= PIECE * (1 + Math.floor(given / STEP))) yield joined();
  }
  if (size > 0) yield joined();
}
