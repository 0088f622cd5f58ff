// SPDX-License-Identifier: Apache-2.0
// Accumulators that wait in a group become one now and then, so that few are held however many come.

/** How many of a kind are held before they are made one. */
export const MOST_ACCUMULATORS = 64;

/** The values of a group, the oldest first. */
export interface Held {
  values: unknown[];
  /**
   * How many of the first values were made of others, those made of the most in front: of rank
   * `i + 1` there are `ranks[i]`. Undefined when none was, or nobody knows any more.
   */
  ranks: number[] | undefined;
}

/**
 * Makes one of the latest values if they are many: of plain ones, then of those that were made of as
 * many as each other. So each is merged a few times only, be they lists that grow.
 */
export function compactLatest(held: Held, merge: (values: unknown[]) => unknown): void {
  const { values, ranks = [] } = held;
  let count = values.length - ranks.reduce((sum, each) => sum + each, 0);
  for (let rank = 0; count >= MOST_ACCUMULATORS; rank++) {
    values.push(merge(values.splice(values.length - count)));
    if (rank > 0) ranks[rank - 1] = 0;
    count = (ranks[rank] ?? 0) + 1;
    ranks[rank] = count;
    held.ranks = ranks;
  }
}
