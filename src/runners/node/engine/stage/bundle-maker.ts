// SPDX-License-Identifier: Apache-2.0
// Makes the bundles of a stage: what goes into the next one of a kind of work, and how much of it, by
// what became of those before.

import { steadyNow } from '../../../../base/index.ts';
import { type Instant, MAX_TIMESTAMP } from '../../../../coders/index.ts';
import { Bundle, type BundleOwner } from './bundle.ts';
import {
  type BundleFeed,
  chunksOf,
  ElementFeed,
  FiringFeed,
  RestFeed,
  type ToChunk,
} from './bundle-feed.ts';
import { type BundleLimits, type BundleOutcome, BundleSizes, isFull } from './bundle-limits.ts';
import type { InputQueue } from './input-queue.ts';
import type { WorkKind } from './next-bundle.ts';
import type { Residues } from './residues.ts';

/** Keys whose timers fire in one bundle: the others are next. */
const MOST_KEYS = 2000;

export class BundleMaker {
  private readonly sizes: Readonly<Record<WorkKind, BundleSizes>>;
  private readonly toChunk: ToChunk;

  constructor(
    private readonly owner: BundleOwner,
    private readonly queue: InputQueue,
    private readonly residues: Residues,
  ) {
    const { descriptor, inputByReference, limits, stage, wire } = owner;
    this.toChunk = chunksOf(
      descriptor.source,
      inputByReference ? undefined : wire.windowedCoder(stage.input),
    );
    this.sizes = {
      rests: new BundleSizes(limits),
      timers: new BundleSizes({ ...limits, elements: MOST_KEYS }),
      elements: new BundleSizes(limits),
    };
  }

  /**
   * A bundle of what there is of a kind.
   *
   * @param watermark - of the stage's input: timers that it has passed fire
   * @param isLastTurn - whether what never ends by itself has its last turn in it
   */
  bundle(kind: WorkKind, watermark: Instant, isLastTurn: boolean): Bundle {
    const { owner, residues, toChunk } = this;
    const { limits } = this.sizes[kind];
    const of = (feed: BundleFeed) =>
      new Bundle(owner, { kind, feed, limits, isLastTurn }, () => this.queue.lookAgain());
    switch (kind) {
      case 'rests':
        return of(new RestFeed(residues.takeDue(steadyNow()), toChunk));
      case 'timers': {
        const now = owner.around.now();
        return of(new FiringFeed(owner.timers!.takeDue(watermark, now, limits.elements)));
      }
      case 'elements':
        return this.ofElements(limits, of);
    }
  }

  private ofElements(limits: BundleLimits, of: (feed: BundleFeed) => Bundle): Bundle {
    const { owner, queue, toChunk } = this;
    const first = queue.shift(Math.min(limits.elements, this.share), limits.bytesIn)!;
    // A bundle of what is there; where all of the input comes anyway, of what comes too.
    const next = () =>
      queue.shift(
        Math.min(limits.elements - feed.elements, this.share),
        limits.bytesIn - feed.bytes,
      );
    const feed: ElementFeed = new ElementFeed(first, {
      more: next,
      ...(owner.staysOpen && { arrival: () => this.arrival(), wake: () => queue.lookUp() }),
      isFull: () => isFull(bundle.outcome, limits),
      toChunk,
      keeps: owner.executor.canRetry,
    });
    const bundle = of(feed);
    return bundle;
  }

  /** Elements that a bundle takes at once, where others take from the same queue: few at its end. */
  private get share(): number {
    const { mostBundles, staysOpen } = this.owner;
    if (mostBundles === 1 || !staysOpen) return Number.POSITIVE_INFINITY;
    return Math.ceil(this.queue.elements / (2 * mostBundles));
  }

  private arrival(): Promise<void> | undefined {
    const { around, stage } = this.owner;
    if (around.watermark(stage.input) >= MAX_TIMESTAMP || around.signal.aborted) return undefined;
    return this.queue.arrival();
  }

  /** Takes notice of what a bundle came to. */
  ended(kind: WorkKind, outcome: BundleOutcome): void {
    this.sizes[kind].ended(outcome);
  }
}
