// SPDX-License-Identifier: Apache-2.0
// Text of UTF-16 as UTF-8, piece by piece, so that whatever reads lines knows one kind of newline.

import { BeamBridgeError } from '../../base/index.ts';

/** How the bytes of such a file are read: the lower byte of each unit first, or last. */
export type Utf16 = 'utf16le' | 'utf16be';

const LABELS = { utf16le: 'utf-16le', utf16be: 'utf-16be' } as const;
/** What a byte order mark is to whoever reads it in the other order. */
const SWAPPED_MARK = '\ufffe';

export function isUtf16(encoding: string): encoding is Utf16 {
  return encoding in LABELS;
}

/**
 * The same text in UTF-8, without its byte order mark.
 *
 * @throws `MALFORMED_DATA` for bytes that are no such text
 */
export async function* utf16AsUtf8(
  pieces: AsyncIterable<Buffer>,
  path: string,
  encoding: Utf16,
): AsyncGenerator<Buffer, void, void> {
  const decoder = new TextDecoder(LABELS[encoding], { fatal: true });
  const decode = (piece: Buffer | undefined) => {
    try {
      return piece ? decoder.decode(piece, { stream: true }) : decoder.decode();
    } catch (cause) {
      throw new BeamBridgeError('MALFORMED_DATA', `${path} is not all ${LABELS[encoding]} text`, {
        hint: 'Is it UTF-8, or was it cut in the middle of a character?',
        cause,
      });
    }
  };
  let isFirst = true;
  for await (const piece of pieces) {
    const text = decode(piece);
    if (isFirst && text.startsWith(SWAPPED_MARK)) {
      const other = encoding === 'utf16le' ? 'utf16be' : 'utf16le';
      throw new BeamBridgeError('MALFORMED_DATA', `${path} is no ${LABELS[encoding]} text`, {
        hint: `Its byte order mark says { encoding: '${other}' }.`,
      });
    }
    isFirst &&= text === '';
    if (text !== '') yield Buffer.from(text, 'utf8');
  }
  const rest = decode(undefined);
  if (rest !== '') yield Buffer.from(rest, 'utf8');
}
