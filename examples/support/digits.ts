// SPDX-License-Identifier: Apache-2.0
// Lines of `label,pixel,pixel,…`, the form in which every digits example reads its data.

/** One handwritten digit: what it shows, and its pixels row by row. */
export interface Digit {
  key: number;
  value: number[];
}

/** A header line starts with `label`, as in the Java example that this one mirrors. */
export function isData(line: string): boolean {
  return line !== '' && !line.startsWith('label');
}

/** `7,0,0,12,…` is the digit 7 and its pixels, all whole numbers. */
export function parseDigit(line: string): Digit {
  const [key, ...value] = line.split(',').map(Number);
  return { key: key!, value };
}
