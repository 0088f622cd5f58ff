// SPDX-License-Identifier: Apache-2.0
// For whom something is done that others may wait for, and how long they do when that one is gone.

/** A bundle, as far as those who do something for it care. */
export interface Asking {
  /** Why it must not go on; undefined while it may. */
  aborted(): Error | undefined;
  /** Hears that it waits for work of another, such as its call of a model, until the returned function is called. */
  waits?(): () => void;
}

/** Of what is done for the whole program. */
export const NEVER_ABORTED: Asking = { aborted: () => undefined };

/** How often those who wait look whether somebody's bundle was aborted. Milliseconds. */
export const LOOK_MS = 100;
/** How long what was done for a bundle that is aborted may take to come back. Milliseconds. */
const GRACE_MS = 5000;

/** The time in which work for an aborted bundle may still come back: then nobody waits for it. */
export class Grace {
  private began: number | undefined;

  constructor(private readonly asking: Asking) {}

  /** Whether it runs, which is not for long: whoever waits for its end keeps the program. */
  get hasBegun(): boolean {
    return this.asking.aborted() !== undefined;
  }

  get isOver(): boolean {
    if (!this.hasBegun) return false;
    this.began ??= performance.now();
    return performance.now() - this.began >= GRACE_MS;
  }
}
