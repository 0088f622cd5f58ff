// SPDX-License-Identifier: Apache-2.0
// Where the rows of a bundle go.

import type { RowTexts } from './target.ts';

/** What takes the rows of one bundle. */
export interface RowSink {
  /** A promise where the server has to be waited for. */
  add(row: RowTexts): Promise<void> | undefined;
  /** All rows are stored when it resolves. */
  finish(): Promise<void>;
}
