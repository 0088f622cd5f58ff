// SPDX-License-Identifier: Apache-2.0
// The life of DoFn objects. Beam gives each worker a copy of its own; here the user's object itself
// is used, wherever a bundle needs it, so that closures, private fields and open connections just
// work. For that, `setup` and `teardown` are called once for all who share the object, and an object
// that keeps something per bundle (`startBundle`, `finishBundle`) works on one bundle at a time: one that
// has a `forBundle` gives each plan an object of its own instead.

import {
  type Asking,
  BeamBridgeError,
  getLogger,
  JointWork,
  type TurnAsking,
  Turns,
  within,
} from '../../base/index.ts';
import { type DoFn, setUpFor } from '../../pipeline/index.ts';

export type AnyDoFn = DoFn<unknown, unknown, unknown>;

const log = getLogger('harness');
/** How long an object that is used again waits for its teardown. */
const TEARDOWN_MS = 10_000;
const shared = new WeakMap<AnyDoFn, DoFnInstance>();
let nextOrder = 0;

/** A bundle's use of a DoFn object. */
export interface DoFnUse {
  /** Calls what uses it. */
  run<T>(call: () => T): T;
  end(): void;
}

/** A DoFn object with whoever uses it. */
export class DoFnInstance {
  /** Turns are taken in this order, so that two bundles never wait for each other. */
  readonly order = nextOrder++;
  /** Undefined where any number of bundles use it at once. */
  private readonly turns: Turns | undefined;
  private holders = 0;
  /** Of each bundle that uses it now, whether it was ended. */
  private readonly users = new Set<() => boolean>();
  private ready: JointWork<void> | undefined;
  /** Over when the teardowns so far are: what comes later must not be torn down by them. */
  private tornDown: Promise<void> = Promise.resolve();
  /** What of it is under way since nobody uses it any more. */
  unfinished: 'setup' | 'teardown' | undefined;
  private broken = false;

  private constructor(readonly doFn: AnyDoFn) {
    if (doFn.startBundle ?? doFn.finishBundle) {
      this.turns = new Turns({
        what: `the ${nameOf(doFn)}`,
        because: 'an object with startBundle or finishBundle works on one bundle at a time',
        hint: 'It has startBundle or finishBundle, and works on one bundle at a time, so that this one would wait for ever. Make a new object for the inner run.',
        room: 'harness',
      });
    }
  }

  get isExclusive(): boolean {
    return this.turns !== undefined;
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
    if (this.users.size === 0 && (this.holders === 0 || this.broken)) await this.tearDown();
  }

  /**
   * Waits until a bundle may use the object.
   *
   * @throws BeamBridgeError `TIMEOUT` where a bundle uses it that does not come back, of a run that has ended;
   *   `INVALID_ARGUMENT` in a bundle of the object itself; whatever `bundle` is aborted with
   */
  async acquire(bundle: TurnAsking): Promise<DoFnUse> {
    const turn = this.turns && (await this.turns.take(bundle));
    if (this.turns && !turn) throw this.lost();
    const user = () => bundle.aborted() !== undefined;
    this.users.add(user);
    return {
      run: (call) => (turn ? turn.run(call) : call()),
      end: () => {
        this.users.delete(user);
        turn?.end();
      },
    };
  }

  private lost(): BeamBridgeError {
    return new BeamBridgeError(
      'TIMEOUT',
      `the ${nameOf(this.doFn)} is still at work for a run that has ended`,
      {
        hint: 'A call of it does not come back, and an object with startBundle or finishBundle works on one bundle at a time. Make a new object for each run.',
      },
    );
  }

  /**
   * Calls `setup` unless that was done. A `setup` that failed is tried again by the next bundle, and so is one
   * that does not end, of a run that has.
   */
  async setUp(bundle: Asking): Promise<void> {
    for (;;) {
      if (this.ready?.isLost) this.ready = undefined;
      this.ready ??= this.begin(bundle);
      if (await this.ready.wait(bundle)) return;
    }
  }

  private begin(bundle: Asking): JointWork<void> {
    const { doFn } = this;
    const setup = this.settled().then(() =>
      doFn[setUpFor] ? doFn[setUpFor](bundle) : doFn.setup?.(),
    );
    const ready = new JointWork<void>(setup, bundle);
    setup.catch(() => {
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
    if (!isOver)
      log.warn(`${nameOf(this.doFn)}: a setup or teardown does not end: it is set up again`);
  }

  /** Whether only bundles that were ended, and do not come back, keep it from its teardown. */
  get isLeft(): boolean {
    const users = [...this.users];
    return this.ready !== undefined && users.length > 0 && users.every((wasEnded) => wasEnded());
  }

  /** Says that a bundle failed in the object: nobody knows what state it is in. */
  markBroken(): void {
    this.broken = true;
  }

  /** Tears a broken object down, to be set up anew, as soon as no other bundle uses it. */
  async recover(): Promise<void> {
    if (this.broken && this.users.size === 0) await this.tearDown();
  }

  private tearDown(): Promise<void> {
    this.broken = false;
    const { ready } = this;
    this.ready = undefined;
    if (ready) {
      this.unfinished = ready.isUnderWay ? 'setup' : 'teardown';
      const tornDown = this.tearDownAfter(ready.result).finally(() => {
        if (this.tornDown === tornDown) this.unfinished = undefined;
      });
      this.tornDown = tornDown;
    }
    // A setup whose bundle has gone without it may never end.
    return this.unfinished === 'setup' ? Promise.resolve() : this.tornDown;
  }

  private async tearDownAfter(ready: Promise<void>): Promise<void> {
    try {
      await ready;
    } catch {
      // There is nothing to tear down.
      return;
    }
    this.unfinished = 'teardown';
    try {
      await this.doFn.teardown?.();
    } catch (error) {
      // The results are out already; a failing teardown must not undo them.
      log.warn('teardown failed', error);
    }
  }
}

function nameOf({ beamName, constructor: type }: AnyDoFn): string {
  const name = beamName ?? type?.name;
  return name === undefined || name === '' || name === 'Object' ? 'DoFn object' : `DoFn ${name}`;
}
