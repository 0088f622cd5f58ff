// SPDX-License-Identifier: Apache-2.0
// Keeps elements out of a stage with state when their window is over. State goes with its window, so
// that they would find none: what has been seen would be new. Java's `LateDataDroppingDoFnRunner`.

import type { Instant, Window, WindowedValue } from '../../../../coders/index.ts';
import { windowExpiry } from '../../../../pipeline/index.ts';
import { type Block, blockOf } from '../block.ts';
import type { LateReport } from '../late-report.ts';

export class LateElements {
  private dropped = 0;

  constructor(
    private readonly allowedLateness: number,
    private readonly report: Pick<LateReport, 'update'>,
  ) {}

  /** What still counts; undefined when nothing does. @param watermark - of the stage's input */
  without(block: Block, watermark: Instant): Block | undefined {
    // No window ends before its elements.
    if (block.minTimestamp + this.allowedLateness >= watermark) return block;
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
    return kept.length === 0 ? undefined : blockOf(kept);
  }

  private isOver(window: Window, watermark: Instant): boolean {
    return windowExpiry(window, this.allowedLateness) < watermark;
  }
}
