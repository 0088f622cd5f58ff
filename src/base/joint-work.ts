// SPDX-License-Identifier: Apache-2.0
// Work that is done once for all who need it, such as loading a model: by who comes first, while the others
// wait. It may never end, and belong to a bundle that is aborted: nobody waits for ever then.

import { type Asking, Grace, LOOK_MS } from './asking.ts';
import { Condition } from './condition.ts';

export class JointWork<T> {
  /** Rejects as the work does. */
  readonly result: Promise<T>;
  private isOver = false;
  private readonly grace: Grace;
  private readonly changed = new Condition();

  /** @param asking - for whom it is begun */
  constructor(
    work: Promise<T>,
    private readonly asking: Asking,
  ) {
    this.result = work;
    this.grace = new Grace(asking);
    const end = () => {
      this.isOver = true;
      this.changed.notify();
    };
    work.then(end, end);
  }

  /** Whether its end may be far off, and nobody's who still wants it. */
  get isLost(): boolean {
    return !this.isOver && this.grace.hasBegun;
  }

  get isUnderWay(): boolean {
    return !this.isOver;
  }

  /**
   * Waits for the end: true then, false when whoever began it is gone and it does not come.
   *
   * @throws whatever the work, or `asking`, ended with
   */
  async wait(asking: Asking): Promise<boolean> {
    const goOn = asking === this.asking ? undefined : asking.waits?.();
    try {
      while (!this.isOver) {
        const aborted = asking.aborted();
        if (aborted) throw aborted;
        if (this.grace.isOver) return false;
        await this.changed.wait(LOOK_MS, this.grace.hasBegun);
      }
    } finally {
      goOn?.();
    }
    await this.result;
    return true;
  }
}
