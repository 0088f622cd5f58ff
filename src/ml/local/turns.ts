// SPDX-License-Identifier: Apache-2.0
// The calls of one model follow each other: a model may fill arrays of its own, which its next call fills
// again. What may go wrong with waiting is looked after here: a call that never comes back, of a run that
// has ended since; a model that asks itself; and calls that wait for one another.

import { AsyncLocalStorage } from 'node:async_hooks';
import { BeamBridgeError, Condition, getLogger } from '../../base/index.ts';

const log = getLogger('ml');

/** How often those who wait look whether the run of the call before them has ended. Milliseconds. */
const LOOK_MS = 100;
const WARN_MS = 10_000;

/** The bundle for which a model is asked. */
export interface Asking {
  /** Why it must not go on; undefined while it may. */
  aborted(): Error | undefined;
}

/** A model's attention. */
export interface Turn {
  /** Calls the model. */
  run<T>(call: () => T): T;
  end(): void;
}

/** Of a model that answers several calls at once. */
export const NO_TURN: Turn = { run: (call) => call(), end: () => {} };

/** The models in whose calls this code is. */
const within = new AsyncLocalStorage<ReadonlySet<Turns>>();

export class Turns {
  private holder: Asking | undefined;
  private readonly changed = new Condition();

  /** @param model - what messages call it */
  constructor(private readonly model: string) {}

  /**
   * Waits until the model answers nobody else.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT` in a call of the same model; whatever `asking` is aborted with
   */
  async take(asking: Asking): Promise<Turn> {
    const outer = within.getStore();
    if (outer?.has(this)) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `${this.model} is asked in a call of itself`, {
        hint: 'Its calls follow each other, so that this one would wait for ever. Give it concurrent: true if each call gives new arrays.',
      });
    }
    const began = performance.now();
    let isWarned = false;
    while (this.holder && !this.holder.aborted()) {
      const aborted = asking.aborted();
      if (aborted) throw aborted;
      await this.changed.wait(LOOK_MS);
      if (isWarned || performance.now() - began < WARN_MS) continue;
      isWarned = true;
      log.warn(
        `${this.model} is still in another call, for which this one waits: the calls of a model follow each other unless it has concurrent: true`,
      );
    }
    this.holder = asking;
    const models = new Set([...(outer ?? []), this]);
    return {
      run: (call) => within.run(models, call),
      end: () => {
        if (this.holder !== asking) return;
        this.holder = undefined;
        this.changed.notify();
      },
    };
  }
}
