// SPDX-License-Identifier: Apache-2.0
// Values that the runner sends in chunks.

import { type Coder, StateBackedIterable } from '../../coders/index.ts';

/** All values of a coder in chunks that may be cut anywhere. */
export async function readAll(
  coder: Coder<unknown>,
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (size: number) => void = () => {},
): Promise<unknown[]> {
  const token = new Uint8Array(1);
  const values = new StateBackedIterable<unknown>([], coder, token, async function* () {
    for await (const chunk of chunks) {
      onBytes(chunk.length);
      yield chunk;
    }
  });
  await values.load();
  return [...values];
}
