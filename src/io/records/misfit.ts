// SPDX-License-Identifier: Apache-2.0
// What is wrong with one record, said without the file and the line, which whoever reads the file adds.

import { BeamBridgeError, type ErrorCode } from '../../base/index.ts';
import type { FailedRecord } from './records.ts';

/**
 * Internal: thrown by what converts a value, and caught where its record is known.
 */
export class Misfit {
  constructor(
    readonly message: string,
    readonly hint?: string,
    readonly code: ErrorCode = 'ROW_MISMATCH',
    /** The column or the field: its name, and what a message calls it. */
    readonly column?: { readonly name: string; readonly label: string },
  ) {}

  /** The same, of a column. */
  of(name: string, label: string): Misfit {
    return new Misfit(this.message, this.hint, this.code, {
      name: wellFormed(name),
      label: wellFormed(label),
    });
  }

  /** The same as seen from the row or the list around it. */
  within(step: string): Misfit {
    const inner = this.column?.name ?? '';
    const name = step + (inner === '' || inner.startsWith('[') ? inner : `.${inner}`);
    return this.of(name, `field ${name}`);
  }

  /**
   * As the record that is set aside, whose text is `record`.
   *
   * @param unit - what `line` counts
   */
  toFailed(path: string, line: number, record: string, unit = 'line'): FailedRecord {
    const { code: errorType, column } = this;
    const { shortMessage: message } = this.toError(path, line, unit);
    return { path, line, column: column?.name ?? null, record, errorType, message };
  }

  /** As the error of a record that ends the run. */
  toError(path: string, line: number, unit = 'line'): BeamBridgeError {
    const { message, hint, code, column } = this;
    const place = column === undefined ? '' : `, ${column.label}`;
    const what = wellFormed(message);
    return new BeamBridgeError(code, `${path}, ${unit} ${line}${place}: ${what}`, { hint });
  }
}

/** Names and excerpts may have half a surrogate pair, which a record that is set aside could not be written with. */
function wellFormed(text: string): string {
  // In Node 20, and not yet in the `es2023` library types.
  return (text as unknown as { toWellFormed(): string }).toWellFormed();
}

const LONGEST = 60;

/** A text from a file as a message quotes it. */
export function quoted(text: string): string {
  const all = JSON.stringify(text.length > LONGEST ? text.slice(0, LONGEST) : text);
  return text.length > LONGEST ? `${all}…` : all;
}
