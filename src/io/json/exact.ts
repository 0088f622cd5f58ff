// SPDX-License-Identifier: Apache-2.0
// Numbers of JSON with all their digits. `JSON.parse` makes 9007199254740992 of 9007199254740993, and in the Node.js
// that this package supports nobody can ask it for the text; so numbers that a double does not hold become marked
// texts first, where a field of the type has all of them.

import { randomUUID } from 'node:crypto';

/** No text of a file begins so. */
const MARK = `${randomUUID()}:`;
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi;
/** Where there is none of these, a double holds every number. */
const SUSPECT = /\d{16}|\d\.\d|\de/i;

/**
 * What the text is, with numbers that {@link exactDigits} knows where a double would lose digits.
 *
 * @throws `SyntaxError` for what is no JSON
 */
export function parseExactly(text: string): unknown {
  const value = JSON.parse(text);
  if (!SUSPECT.test(text)) return value;
  return JSON.parse(
    text.replace(TOKEN, (token) =>
      token.startsWith('"') || `${Number(token)}` === token ? token : `"${MARK}${token}"`,
    ),
  );
}

/** The digits of a number that {@link parseExactly} kept, or nothing for any other value. */
export function exactDigits(value: unknown): string | undefined {
  return typeof value === 'string' && value.startsWith(MARK) ? value.slice(MARK.length) : undefined;
}
