// SPDX-License-Identifier: Apache-2.0
// When bundles are finalized: once all that came of them has gone its way to the end, so that a source which
// then confirms what it gave has it confirmed by those who stored it. Nothing of this run outlives its process: a
// bundle whose outputs merely wait in memory is in nobody's hands yet.
//
// The bundles of a step are finalized in the order in which they ended, since what confirms a place in a source
// confirms all that is before it. Steps do not wait for each other, and a step whose bundles are finalized more
// slowly than they end waits with its next: what is not confirmed comes again after a crash.

import type { Origin } from './origin.ts';

/** So many bundles of a step may end while others of it are being finalized. */
const MOST_BEHIND = 2;

interface Pending {
  readonly origin: Origin;
  readonly finalize: () => Promise<void>;
}

export class Finalizations {
  /** By the step whose bundles they are. */
  private readonly steps = new Map<object, StepFinalizations>();

  /** @param origin - the bundle, of which what it gave comes */
  add(step: object, origin: Origin, finalize: () => Promise<void>): void {
    const known = this.steps.get(step) ?? new StepFinalizations();
    this.steps.set(step, known);
    known.add({ origin, finalize });
  }

  /** Whether finalizing what a step gave takes longer than giving it. */
  isBehind(step: object): boolean {
    return this.steps.get(step)?.isBehind ?? false;
  }

  /**
   * Finalizes those of which nothing is under way.
   *
   * @param track - hears of the work
   * @param isOver - whether the run has come to a bad end: nothing more is confirmed then
   */
  run(track: (work: Promise<void>) => void, isOver: () => boolean = () => false): void {
    for (const step of this.steps.values()) step.run(track, isOver);
  }

  /** Whether none waits for its turn. */
  get isEmpty(): boolean {
    for (const { pending } of this.steps.values()) if (pending.length > 0) return false;
    return true;
  }
}

class StepFinalizations {
  pending: Pending[] = [];
  private isRunning = false;
  private addedMeanwhile = 0;

  add(one: Pending): void {
    this.pending.push(one);
    if (this.isRunning) this.addedMeanwhile += 1;
  }

  get isBehind(): boolean {
    return this.addedMeanwhile >= MOST_BEHIND;
  }

  run(track: (work: Promise<void>) => void, isOver: () => boolean): void {
    if (this.isRunning) return;
    const firstInUse = this.pending.findIndex(({ origin }) => !origin.isFree);
    if (firstInUse === 0 || this.pending.length === 0) return;
    const due = this.pending.splice(0, firstInUse < 0 ? this.pending.length : firstInUse);
    this.isRunning = true;
    track(
      inTurn(due, isOver).finally(() => {
        this.isRunning = false;
        this.addedMeanwhile = 0;
      }),
    );
  }
}

async function inTurn(due: readonly Pending[], isOver: () => boolean): Promise<void> {
  for (const { finalize } of due) {
    if (isOver()) return;
    await finalize();
  }
}
