// SPDX-License-Identifier: Apache-2.0
// UTF-8 without silent replacement: JavaScript strings may hold half a surrogate pair, and bytes
// may be no UTF-8 at all. Both are errors here instead of U+FFFD.

import { isUtf8 } from 'node:buffer';
import { BeamBridgeError, type ByteReader } from '../base/index.ts';
import { describeValue, malformed } from './describe.ts';

/** `String.prototype.isWellFormed` is in Node 20 but not yet in the `es2023` library types. */
interface WellFormedString {
  isWellFormed(): boolean;
}

export function isWellFormed(value: string): boolean {
  return (value as unknown as WellFormedString).isWellFormed();
}

export function requireWellFormed(value: string): void {
  if (isWellFormed(value)) return;
  throw new BeamBridgeError(
    'CODER_MISMATCH',
    `${describeValue(value)} holds half a surrogate pair and has no UTF-8 form`,
    { hint: 'Call toWellFormed() on the string, or carry the data as bytes.' },
  );
}

/** The next `length` bytes as text; `MALFORMED_DATA` when they are not UTF-8. */
export function readText(input: ByteReader, length: number): string {
  const start = input.position;
  const text = input.utf8(length);
  // Decoding puts U+FFFD where bytes were invalid; text that truly holds one is rare.
  if (text.includes('\ufffd')) {
    input.seek(start);
    if (!isUtf8(input.bytes(length))) throw malformed('text is not valid UTF-8');
  }
  return text;
}
