// SPDX-License-Identifier: Apache-2.0
// When bundles are finalized: once all that came of them has gone its way to the end, so that a source which
// then confirms what it gave has it confirmed by those who stored it. Nothing of this run outlives its process: a
// bundle whose outputs merely wait in memory is in nobody's hands yet.
//
// The bundles of a step are finalized in the order in which they ended, since what confirms a place in a source
// confirms all that is before it. Steps do not wait for each other, and a step whose bundles are finalized more
// slowly than they end waits with its next: what is not confirmed comes again after a crash.
//
// A run whose outputs get their names at its end, and are removed if it fails, has stored nothing before: it
// finalizes then. Bundles of a Python worker do not wait for that, since each of them occupies what ran it.

import type { Origin } from './origin.ts';

/** So many bundles of a step may end while others of it are being finalized. */
const MOST_BEHIND = 2;

interface Pending {
  readonly origin: Origin;
  readonly finalize: () => Promise<void>;
  /** Whether it costs nothing to wait. */
  readonly canWait: boolean;
}

export class Finalizations {
  /** By the step whose bundles they are. */
  private readonly steps = new Map<object, StepFinalizations>();

  /** @param storesAtEnd - whether outputs of the run are stored when it has succeeded, and not before */
  constructor(private readonly storesAtEnd: () => boolean = () => false) {}

  /**
   * @param origin - the bundle, of which what it gave comes
   * @param canWait - whether it costs nothing to finalize it late
   */
  add(step: object, origin: Origin, finalize: () => Promise<void>, canWait = true): void {
    const known = this.steps.get(step) ?? new StepFinalizations();
    this.steps.set(step, known);
    known.add({ origin, finalize, canWait });
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
    const storesAtEnd = this.storesAtEnd();
    for (const step of this.steps.values()) step.run(track, isOver, storesAtEnd);
  }

  /** Finalizes what has waited for the end of the run, whose outputs are stored. */
  async runKept(isOver: () => boolean): Promise<void> {
    for (const { kept } of this.steps.values()) await inTurn(kept.splice(0), isOver);
  }

  /** Whether none waits for its turn, but those that wait for the end of the run. */
  get isEmpty(): boolean {
    const storesAtEnd = this.storesAtEnd();
    for (const { pending, kept } of this.steps.values()) {
      if (pending.length > 0 || (kept.length > 0 && !storesAtEnd)) return false;
    }
    return true;
  }
}

class StepFinalizations {
  pending: Pending[] = [];
  /** Those of which nothing is under way, and that wait for the end of the run. */
  readonly kept: Pending[] = [];
  private isRunning = false;
  private addedMeanwhile = 0;

  add(one: Pending): void {
    this.pending.push(one);
    if (this.isRunning) this.addedMeanwhile += 1;
  }

  get isBehind(): boolean {
    return this.addedMeanwhile >= MOST_BEHIND;
  }

  run(track: (work: Promise<void>) => void, isOver: () => boolean, storesAtEnd: boolean): void {
    if (this.isRunning) return;
    const firstInUse = this.pending.findIndex(({ origin }) => !origin.isFree);
    const free = this.pending.splice(0, firstInUse < 0 ? this.pending.length : firstInUse);
    if (storesAtEnd) this.kept.push(...free.filter(({ canWait }) => canWait));
    // A run that is told late to be a stream stores from then on: what has waited comes first.
    const due = storesAtEnd
      ? free.filter(({ canWait }) => !canWait)
      : [...this.kept.splice(0), ...free];
    if (due.length === 0) return;
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
