// SPDX-License-Identifier: Apache-2.0
// What a program may say of the digits of decimals in the columns that it writes.

import type { RowType } from '../../schema/index.ts';
import { refuseOption } from '../records/read-options.ts';
import type { ParquetDecimal } from './write-leaf.ts';

/** What all readers know. */
const MOST_DIGITS = 38;

/** @throws `INVALID_ARGUMENT` */
export function checkDecimals(
  name: string,
  decimals: unknown,
  schema: RowType<unknown> | undefined,
): void {
  const hint = `Give digits by field, ${MOST_DIGITS} at most: { decimals: { price: { precision: 10, scale: 2 } } }.`;
  if (typeof decimals !== 'object' || decimals === null)
    throw refuseOption(name, 'decimals', decimals, hint);
  for (const [field, digits] of Object.entries(decimals)) {
    if (digits === undefined) continue;
    const { precision, scale } = (digits ?? {}) as Partial<ParquetDecimal>;
    const fits = isBetween(1, precision, MOST_DIGITS) && isBetween(0, scale, precision as number);
    const isField = schema === undefined || schema.fields.some((one) => one.name === field);
    if (!fits || !isField) throw refuseOption(name, `decimals.${field}`, digits, hint);
  }
}

function isBetween(least: number, value: unknown, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}
