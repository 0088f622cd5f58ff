// SPDX-License-Identifier: Apache-2.0
// When bundles are finalized: once all that came of them has gone its way to the end, so that a source which
// then confirms what it gave has it confirmed by those who stored it. Nothing of this run outlives its process: a
// bundle whose outputs merely wait in memory is in nobody's hands yet.

import { NO_ORIGIN } from './block.ts';
import type { EngineNode } from './node.ts';

interface Pending {
  readonly origin: number;
  readonly finalize: () => Promise<void>;
}

export class Finalizations {
  private last = 0;
  /** In the order in which bundles ended. */
  private pending: Pending[] = [];
  private running: Promise<void> | undefined;

  /** The number of a bundle that begins. */
  newOrigin(): number {
    this.last += 1;
    return this.last;
  }

  /** @param origin - the oldest bundle of which this one's outputs come */
  add(origin: number, finalize: () => Promise<void>): void {
    this.pending.push({ origin, finalize });
  }

  /** Finalizes those of which nothing is under way, one after the other. @param track - hears of the work */
  run(nodes: readonly EngineNode[], track: (work: Promise<void>) => void): void {
    if (this.pending.length === 0 || this.running) return;
    const oldest = nodes.reduce(
      (least, { origin = NO_ORIGIN }) => Math.min(least, origin),
      NO_ORIGIN,
    );
    const due = this.pending.filter(({ origin }) => origin < oldest);
    if (due.length === 0) return;
    this.pending = this.pending.filter(({ origin }) => origin >= oldest);
    this.running = inTurn(due).finally(() => {
      this.running = undefined;
    });
    track(this.running);
  }
}

async function inTurn(due: readonly Pending[]): Promise<void> {
  for (const { finalize } of due) await finalize();
}
