// SPDX-License-Identifier: Apache-2.0
// Text of others (a log record of Python's, what an endpoint answered, the id of a worker) on its way
// to a terminal, which obeys escape sequences, and to people, who read a line as what its start says.

// Control characters but for line ends and tabs, and those that turn the direction of text around.
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]|\r(?!\n)/g;

/** The same text with control characters written out, as in `\\x1b`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0);
    return code < 256
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** Lines after the first are indented, so that none looks like one of its own. */
export function asOneRecord(text: string): string {
  return printable(text).replace(/\r?\n/g, '\n    ');
}
