// SPDX-License-Identifier: Apache-2.0
// Numbers as they lie in columns as those of a declared type, many at once.

import type { Matched } from './columns.ts';
import type { Values } from './decode/values.ts';
import type { TypedLists } from './list-values.ts';
import { NONE } from './values.ts';

/** Elements as those of a kind, in a buffer of their own. @throws {@link Misfit} */
export function elementsOf(
  Typed: Float64ArrayConstructor,
  raw: Float64Array,
  { element: { read, plain: range = NONE }, lies }: TypedLists,
): Float64Array<ArrayBuffer> {
  if (lies && raw instanceof Typed) return new Typed(raw);
  const values = new Typed(raw.length);
  for (let at = 0; at < raw.length; at++) {
    const value: unknown = raw[at];
    const isPlain = typeof value === 'number' && value >= range.least && value <= range.most;
    values[at] = (isPlain ? value : read(value)) as number;
  }
  return values;
}

/** Fills every so many elements of a block, from one on, with the values of a column. */
export function fill(
  block: Float64Array,
  offset: number,
  stride: number,
  raw: Values,
  from: number,
  { plain: range = NONE, read }: Pick<Matched, 'plain' | 'read'>,
): void {
  const { least, most } = range;
  for (let at = from, to = offset; to < block.length; at++, to += stride) {
    const value = raw[at];
    block[to] =
      typeof value === 'number' && value >= least && value <= most
        ? value
        : (read(value) as number);
  }
}
