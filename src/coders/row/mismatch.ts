// SPDX-License-Identifier: Apache-2.0
// A value that does not fit its field, with the path to it gathered on the way out, so that
// values that fit pay nothing for the names.

import { BeamBridgeError } from '../../base/index.ts';
import { describeValue } from '../describe.ts';
import { type FieldType, fieldName, typeName } from './field-type.ts';

/** Internal: turned into a BeamBridgeError where the outermost coder ends. */
export class FieldMismatch {
  private path = '';

  constructor(
    private readonly code: 'ROW_MISMATCH' | 'INT64_OUT_OF_RANGE',
    private readonly message: string,
    private readonly hint: string | undefined,
  ) {}

  /** The same mismatch as seen from the row or list around it. */
  within(step: string): this {
    this.path = step + (this.path === '' || this.path.startsWith('[') ? '' : '.') + this.path;
    return this;
  }

  toError(coder: string): BeamBridgeError {
    const where = this.path === '' ? 'the value' : `field ${this.path}`;
    return new BeamBridgeError(this.code, `${where} ${this.message}`, {
      hint: this.hint,
      detail: this.path === '' ? undefined : `declared: ${coder}`,
    });
  }
}

/** The mismatch of a value of a wrong type. */
export function wrongType(type: FieldType, value: unknown, hint?: string): FieldMismatch {
  const found = value === undefined ? 'is missing (undefined)' : `holds ${describeValue(value)}`;
  return new FieldMismatch(
    'ROW_MISMATCH',
    `is declared ${typeName(type)} but ${found}`,
    hint ?? hintFor(type, value),
  );
}

function hintFor(type: FieldType, value: unknown): string {
  if (value === null || value === undefined) {
    return `Give it a value, or declare it nullable(${typeName(type)}).`;
  }
  if (typeof value === 'number' && !Number.isInteger(value)) {
    return 'Declare it float64, or round the value yourself.';
  }
  if (typeof value === 'bigint') return 'Declare it bigint64, or convert with Number(value).';
  return 'Change the value or the declared type: nothing is converted silently.';
}

/** The mismatch of an integer that a number cannot hold, found in a value or in bytes. */
export function int64OutOfRange(value: number | bigint): FieldMismatch {
  return new FieldMismatch(
    'INT64_OUT_OF_RANGE',
    `holds ${describeValue(value)}, outside the integers that a number holds exactly (±2^53 - 1)`,
    'Declare the field bigint64 and use bigint values.',
  );
}

/** A mismatch with its own words after the field's name. */
export function mismatchThat(message: string, hint?: string): FieldMismatch {
  return new FieldMismatch('ROW_MISMATCH', message, hint);
}

/** Rethrows with one more step of the path; other errors pass as they are. */
export function rethrowWithin(thrown: unknown, step: string): never {
  throw thrown instanceof FieldMismatch ? thrown.within(step) : thrown;
}

export function fieldStep(name: string): string {
  return fieldName(name);
}
