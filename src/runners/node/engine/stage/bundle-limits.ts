// SPDX-License-Identifier: Apache-2.0
// When a bundle has enough: by elements, by bytes in, by bytes out and by time, whichever comes first.
// What comes out of a Python bundle is kept until it has succeeded, so that what earlier bundles gave
// says how much goes into the next one.

/** Where a bundle ends; infinite where it does not matter. */
export interface BundleLimits {
  readonly elements: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly millis: number;
}

/** What a bundle has come to. */
export type BundleSize = BundleLimits;

/** What decides about the limits of a stage's bundles. */
export interface StageTraits {
  readonly inProcess: boolean;
  readonly isBounded: boolean;
  readonly isSplittable: boolean;
  readonly hasTimers: boolean;
  readonly isStateful: boolean;
  /** Whether a test stream plays: what comes out must not depend on how fast this machine is. */
  readonly isScripted: boolean;
}

/** More elements go into the next bundle, so that a failure costs little. */
const MOST_ELEMENTS = 1_000_000;
/** A bundle holds the state of each key that it has touched until it ends. */
const MOST_ELEMENTS_WITH_STATE = 100_000;
/** Few enough that the next stage soon has something to do, while this one goes on. */
const MOST_BYTES_IN = 2 * 1024 * 1024;
/** A Python worker sends what it gave in pieces of up to 10 MB. */
const MOST_BYTES_OUT = 4 * 1024 * 1024;
/** Of input without an end, of elements that may have none, and where timers wait. */
const STREAM_MS = 500;
/**
 * What the first bundle of a Python stage is given, of which nobody knows what it will give: a worker
 * is told too late to stop when each element becomes a picture.
 */
const FIRST_ELEMENTS = 16;
/** How much larger the next bundle may be. */
const MOST_GROWTH = 8;
/** How long a bundle of a batch keeps what it gave, and how much of it a lost worker can cost. */
const BATCH_MS = 1000;

/** Elements of one event of a test stream stay together, as they were written down. */
const WHOLE: BundleLimits = {
  elements: MOST_ELEMENTS,
  bytesIn: Number.POSITIVE_INFINITY,
  bytesOut: Number.POSITIVE_INFINITY,
  millis: Number.POSITIVE_INFINITY,
};

export function limitsOf(stage: StageTraits): BundleLimits {
  const isPressed = !stage.isBounded || stage.isSplittable || stage.hasTimers;
  const kept = !stage.inProcess;
  if (stage.isScripted && !stage.isSplittable) return WHOLE;
  return {
    elements: stage.isStateful ? MOST_ELEMENTS_WITH_STATE : MOST_ELEMENTS,
    bytesIn: kept ? MOST_BYTES_IN : Number.POSITIVE_INFINITY,
    bytesOut: kept ? MOST_BYTES_OUT : Number.POSITIVE_INFINITY,
    millis: isPressed ? STREAM_MS : kept ? BATCH_MS : Number.POSITIVE_INFINITY,
  };
}

/** Whether a bundle of this size takes no more input. */
export function isFull(size: BundleSize, limits: BundleLimits): boolean {
  return (
    size.elements >= limits.elements ||
    size.bytesIn >= limits.bytesIn ||
    size.bytesOut >= limits.bytesOut ||
    size.millis >= limits.millis
  );
}

/** A bundle that has ended: what it came to, without what was cut off. */
export interface BundleOutcome extends BundleSize {
  readonly wasCut: boolean;
}

/** How many elements to give a bundle, by what the last one did with what it was given. */
export function nextElements(given: number, outcome: BundleOutcome, limits: BundleLimits): number {
  const { elements, bytesOut, millis, wasCut } = outcome;
  // Twice what it can do in its time, since the time is looked at again; not so with memory.
  const used = Math.max(bytesOut / limits.bytesOut, millis / (2 * limits.millis));
  if (wasCut || used > 1) return within(Math.floor(elements / used), limits.elements);
  const growth = Math.min(MOST_GROWTH, Math.floor(0.5 / used));
  return growth > 1 ? within(growth * given, limits.elements) : given;
}

function within(elements: number, most: number): number {
  // Also of what cannot be reckoned: infinite limits over infinite times are no number.
  return elements >= 1 ? Math.min(elements, most) : 1;
}

/** The size of the next bundle of a stage. */
export class BundleSizes {
  private elements: number;
  /** How often in a row a bundle was cut before its first element. */
  private fruitless = 0;

  constructor(private readonly most: BundleLimits) {
    const isUnknown = Number.isFinite(most.bytesOut);
    this.elements = isUnknown ? Math.min(FIRST_ELEMENTS, most.elements) : most.elements;
  }

  get limits(): BundleLimits {
    const { most, elements, fruitless } = this;
    return { ...most, elements, millis: most.millis * 2 ** fruitless };
  }

  ended(outcome: BundleOutcome): void {
    const isFruitless = outcome.wasCut && outcome.elements === 0;
    this.fruitless = isFruitless ? Math.min(this.fruitless + 1, 10) : 0;
    if (!isFruitless && outcome.elements > 0)
      this.elements = nextElements(this.elements, outcome, this.most);
  }
}
