// SPDX-License-Identifier: Apache-2.0
// A grouping in the graph: elements go in as they come, panes come out as the watermark lets them.

import { Condition, yieldIfDue } from '../../../base/index.ts';
import {
  type Instant,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  type WindowedValue,
} from '../../../coders/index.ts';
import type { MaybePromise } from '../../../harness/index.ts';
import { type Block, BlockQueue, QUEUE_BYTES } from './block.ts';
import type { Grouping } from './grouping/index.ts';
import type { LateReport } from './late-report.ts';
import type { EngineNode, Surroundings } from './node.ts';

/** What a grouping can do. */
export type Groups = Pick<
  Grouping,
  'add' | 'fire' | 'due' | 'pass' | 'hold' | 'nextProcessingTime' | 'dropped' | 'close'
>;

export class GroupNode implements EngineNode {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  outputWatermark: Instant = MIN_TIMESTAMP;
  inputWatermark: Instant = MIN_TIMESTAMP;
  private readonly waiting = new BlockQueue();
  private busy = false;
  private readonly free = new Condition();
  /** What is being fired may have timestamps from here on. */
  private firingHold: Instant = MAX_TIMESTAMP;

  constructor(
    input: string,
    output: string,
    private readonly grouping: Groups,
    private readonly around: Surroundings,
    /** Takes the panes. @default to whoever wants the output */
    private readonly emit: (panes: WindowedValue<unknown>[]) => MaybePromise<void> = (panes) =>
      around.deliver(output, panes),
    /** Hears of elements that were dropped. */
    private readonly report?: LateReport,
  ) {
    this.inputs = [input];
    this.outputs = [output];
  }

  take(block: Block): MaybePromise<void> {
    if (this.busy) {
      this.waiting.push(block);
      return this.waiting.bytes >= QUEUE_BYTES ? this.free.wait().then(() => {}) : undefined;
    }
    const pending = this.grouping.add(block.elements, this.inputWatermark, this.around.now());
    if (!pending) {
      this.report?.update(this.grouping.dropped);
      if (this.isDue) this.around.wake();
      return;
    }
    const done = this.whileBusy(() => pending);
    this.around.track(done);
    return done;
  }

  private get isDue(): boolean {
    return this.grouping.due(this.inputWatermark, this.around.now());
  }

  step(): boolean {
    const [input] = this.inputs as readonly [string];
    const before = this.outputWatermark;
    if (!this.busy) {
      this.inputWatermark = Math.max(this.inputWatermark, this.around.watermark(input));
      if (this.isDue) {
        this.firingHold = this.grouping.hold;
        this.around.track(this.whileBusy(() => this.fire()));
        return true;
      }
      this.grouping.pass(this.inputWatermark);
    }
    const bound = Math.min(
      this.inputWatermark,
      this.grouping.hold,
      this.firingHold,
      this.waiting.hold,
    );
    this.outputWatermark = Math.max(before, bound);
    return this.outputWatermark > before;
  }

  private async whileBusy(work: () => Promise<void>): Promise<void> {
    this.busy = true;
    try {
      await work();
      for (;;) {
        const block = this.waiting.shift();
        if (!block) break;
        await this.grouping.add(block.elements, this.inputWatermark, this.around.now());
        await yieldIfDue();
      }
      this.report?.update(this.grouping.dropped);
    } finally {
      this.busy = false;
      this.free.notify();
      this.firingHold = MAX_TIMESTAMP;
    }
    this.around.wake();
  }

  private async fire(): Promise<void> {
    for await (const panes of this.grouping.fire(this.inputWatermark, this.around.now())) {
      this.around.signal.throwIfAborted();
      const pending = this.emit(panes) ?? yieldIfDue();
      if (pending) await pending;
    }
  }

  get wakeAt(): Instant | undefined {
    return this.busy ? undefined : this.grouping.nextProcessingTime;
  }

  get isQuiet(): boolean {
    return !this.busy && this.waiting.isEmpty;
  }

  close(): Promise<void> {
    return this.grouping.close();
  }
}
