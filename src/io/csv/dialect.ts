// SPDX-License-Identifier: Apache-2.0
// How a CSV file is written: RFC 4180 with other characters, where the program says so.

import { BeamBridgeError } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';

/** The characters that mean something. */
export interface Dialect {
  readonly delimiter: string;
  /** Null where quotes are characters like others. */
  readonly quote: string | null;
  /** The beginning of lines that are none of the data. */
  readonly comment: string | undefined;
}

/** What a program says of it. */
export interface DialectOptions {
  delimiter?: string;
  quote?: string | null;
  comment?: string;
}

/** @throws `INVALID_ARGUMENT` for characters that would be confused with each other */
export function checkDialect(transform: string, options: DialectOptions): Dialect {
  const { delimiter = ',', quote = '"', comment } = options;
  const refuse = (name: string, value: unknown, hint: string) => {
    const message = `${transform}: ${name} is ${describeValue(value)}`;
    return new BeamBridgeError('INVALID_ARGUMENT', message, { hint });
  };
  if (typeof delimiter !== 'string' || delimiter === '' || /[\r\n]/.test(delimiter)) {
    throw refuse('delimiter', delimiter, "Give what is between cells: ',', ';' or '\\t'.");
  }
  if (quote !== null && (typeof quote !== 'string' || !/^[^\r\n]$/.test(quote))) {
    throw refuse('quote', quote, 'Give one character, or null where quotes are none.');
  }
  if (quote !== null && delimiter.includes(quote)) {
    throw refuse('delimiter', delimiter, `It holds the quote, ${quote}: choose another.`);
  }
  if (comment === undefined) return { delimiter, quote, comment };
  if (typeof comment !== 'string' || comment === '' || /[\r\n]/.test(comment)) {
    throw refuse('comment', comment, "Give how such lines begin, as in '#'.");
  }
  if (comment === quote || comment.startsWith(delimiter)) {
    throw refuse('comment', comment, 'A line of data may begin so: choose another.');
  }
  return { delimiter, quote, comment };
}
