// SPDX-License-Identifier: Apache-2.0
// What is said of row groups that were written: where they are in the file that they come to lie in, and bounds of
// their values.

import type { ColumnChunk, ColumnStatistics, RowGroup } from './package.ts';

/** A row group so many bytes further on. */
export function movedGroup(group: RowGroup, by: number): RowGroup {
  const move = BigInt(by);
  const columns = group.columns.map((column): ColumnChunk => {
    const { meta_data, file_offset } = column;
    const { data_page_offset, dictionary_page_offset } = meta_data!;
    return {
      ...column,
      file_offset: file_offset! + move,
      meta_data: {
        ...meta_data!,
        data_page_offset: data_page_offset + move,
        dictionary_page_offset:
          dictionary_page_offset === undefined ? undefined : dictionary_page_offset + move,
      },
    };
  });
  return { ...group, columns };
}

const LONGEST_BOUND = 1024;

/** Without bounds that are long: those of all row groups are in memory until a file's footer is written. */
export function withoutLongBounds(group: RowGroup): RowGroup {
  const columns = group.columns.map((column): ColumnChunk => {
    const { statistics, ...others } = column.meta_data!;
    return { ...column, meta_data: { ...others, statistics: statistics && short(statistics) } };
  });
  return { ...group, columns };
}

function short(statistics: ColumnStatistics): ColumnStatistics {
  const { min_value, max_value, ...others } = statistics;
  return isLong(min_value) || isLong(max_value) ? others : statistics;
}

function isLong(bound: unknown): boolean {
  const isSequence = typeof bound === 'string' || bound instanceof Uint8Array;
  return isSequence && bound.length > LONGEST_BOUND;
}
