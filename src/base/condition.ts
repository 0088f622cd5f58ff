// SPDX-License-Identifier: Apache-2.0
// Some wait until others say that something has changed, and look again then.

/** What is waited for by those who cannot know when it comes. */
export class Condition {
  private waiters: (() => void)[] = [];

  get isAwaited(): boolean {
    return this.waiters.length > 0;
  }

  /**
   * Resolves at the next {@link notify}; true then, false when that took longer than `mostMs`.
   *
   * @param keepsProgram - whether a program that has nothing else to do goes on for those milliseconds
   */
  wait(mostMs?: number, keepsProgram = true): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const go = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.waiters.push(go);
      if (mostMs === undefined) return;
      timer = setTimeout(() => {
        this.waiters = this.waiters.filter((waiter) => waiter !== go);
        resolve(false);
      }, mostMs);
      if (!keepsProgram) timer.unref();
    });
  }

  /** Wakes all who wait now. */
  notify(): void {
    if (this.waiters.length === 0) return;
    for (const go of this.waiters.splice(0)) go();
  }
}
