// SPDX-License-Identifier: Apache-2.0
// The life of DoFn objects. Beam gives each worker a copy of its own; here the user's object itself
// is used, wherever a bundle needs it, so that closures, private fields and open connections just
// work. For that, `setup` and `teardown` are called once for all who share the object, and an object
// that keeps something per bundle (`startBundle`, `finishBundle`) works on one bundle at a time.

import { getLogger, within } from '../../base/index.ts';
import type { DoFn } from '../../pipeline/index.ts';

type AnyDoFn = DoFn<unknown, unknown, unknown>;

const log = getLogger('harness');
/** How long an object that is used again waits for its teardown. */
const TEARDOWN_MS = 10_000;
const shared = new WeakMap<AnyDoFn, DoFnInstance>();
let nextOrder = 0;

/** A DoFn object with whoever uses it. */
export class DoFnInstance {
  /** Locks are taken in this order, so that two bundles never wait for each other. */
  readonly order = nextOrder++;
  readonly isExclusive: boolean;
  private holders = 0;
  private inUse = 0;
  private ready: Promise<void> | undefined;
  /** Over when the teardowns so far are: what comes later must not be torn down by them. */
  private tornDown: Promise<void> = Promise.resolve();
  private broken = false;
  private lock: Promise<void> = Promise.resolve();
  /** Bundles that wait for the lock. */
  private waiting = 0;
  /** Tells the bundle that has the lock that another waits for it. */
  private wanted: (() => void) | undefined;

  private constructor(readonly doFn: AnyDoFn) {
    this.isExclusive = Boolean(doFn.startBundle ?? doFn.finishBundle);
  }

  /** The instance of an object; the same for all who ask. */
  static of(doFn: AnyDoFn): DoFnInstance {
    let instance = shared.get(doFn);
    if (!instance) {
      instance = new DoFnInstance(doFn);
      shared.set(doFn, instance);
    }
    return instance;
  }

  /** Says that someone will go on using the object, bundle after bundle. */
  hold(): void {
    this.holders += 1;
  }

  /** The opposite of {@link hold}; the last to let go tears the object down. */
  async letGo(): Promise<void> {
    this.holders -= 1;
    if (this.inUse === 0 && (this.holders === 0 || this.broken)) await this.tearDown();
  }

  /**
   * Waits until a bundle may use the object; resolves with what ends the use.
   *
   * @param wanted - called while the bundle uses the object, when another waits for it
   */
  async acquire(wanted: () => void): Promise<() => void> {
    const unlock = this.isExclusive ? await this.takeLock(wanted) : () => {};
    this.inUse += 1;
    return () => {
      this.inUse -= 1;
      unlock();
    };
  }

  private async takeLock(wanted: () => void): Promise<() => void> {
    const before = this.lock;
    let unlock = () => {};
    this.lock = new Promise((resolve) => {
      unlock = resolve;
    });
    this.waiting += 1;
    this.wanted?.();
    await before;
    this.waiting -= 1;
    this.wanted = wanted;
    if (this.waiting > 0) wanted();
    return () => {
      this.wanted = undefined;
      unlock();
    };
  }

  /** Calls `setup` unless that was done. A `setup` that failed is tried again by the next bundle. */
  setUp(): Promise<void> {
    if (this.ready) return this.ready;
    const ready = this.settled().then(() => this.doFn.setup?.());
    this.ready = ready;
    ready.catch(() => {
      if (this.ready === ready) this.ready = undefined;
    });
    return ready;
  }

  /** A teardown that never ends is that of a run which was left behind: it must not keep others for ever. */
  private async settled(): Promise<void> {
    const isOver = await Promise.race([
      this.tornDown.then(() => true),
      within(TEARDOWN_MS, this.tornDown).then(() => false),
    ]);
    if (!isOver) log.warn('a teardown does not end: the object is set up again beside it');
  }

  /** Says that a bundle failed in the object: nobody knows what state it is in. */
  markBroken(): void {
    this.broken = true;
  }

  /** Tears a broken object down, to be set up anew, as soon as no other bundle uses it. */
  async recover(): Promise<void> {
    if (this.broken && this.inUse === 0) await this.tearDown();
  }

  private tearDown(): Promise<void> {
    this.broken = false;
    const { ready } = this;
    this.ready = undefined;
    if (ready) this.tornDown = this.tearDownAfter(ready);
    return this.tornDown;
  }

  private async tearDownAfter(ready: Promise<void>): Promise<void> {
    try {
      await ready;
      await this.doFn.teardown?.();
    } catch (error) {
      // The results are out already; a failing teardown must not undo them.
      log.warn('teardown failed', error);
    }
  }
}
