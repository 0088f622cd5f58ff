// SPDX-License-Identifier: Apache-2.0
// Keeps elements out of a stage when what it keeps for their window is gone: state, of which they would
// find none, so that what has been seen would be new, and side inputs, which would be empty. Whether
// that is so follows from the end of the window, wherever in time the element itself was moved to.
// Java's `LateDataDroppingDoFnRunner`.

import type { Instant, Window, WindowedValue } from '../../../../coders/index.ts';
import { type Block, blockOf } from '../block.ts';
import type { LateReport } from '../late-report.ts';

export class LateElements {
  private dropped = 0;

  /** @param isOver - whether what is kept for a window goes, or went, at a watermark of the input */
  constructor(
    private readonly isOver: (window: Window, watermark: Instant) => boolean,
    private readonly report: Pick<LateReport, 'update'>,
  ) {}

  /** What still counts; undefined when nothing does. @param watermark - of the stage's input */
  without(block: Block, watermark: Instant): Block | undefined {
    // Windows that have not ended are not over.
    if (block.hold >= watermark) return block;
    const before = this.dropped;
    const kept: WindowedValue<unknown>[] = [];
    for (const element of block.elements) {
      const windows = element.windows.filter((window) => !this.isOver(window, watermark));
      this.dropped += element.windows.length - windows.length;
      if (windows.length === element.windows.length) kept.push(element);
      else if (windows.length > 0) kept.push({ ...element, windows });
    }
    if (this.dropped === before) return block;
    this.report.update({ late: this.dropped, closed: 0 });
    return kept.length === 0 ? undefined : blockOf(kept, block.origin);
  }
}
