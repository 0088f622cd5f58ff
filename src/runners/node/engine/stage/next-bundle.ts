// SPDX-License-Identifier: Apache-2.0
// What a stage does next, as a function of what is due, what waits, and how long it has been at which
// kind of work. A queue that is never empty must not keep timers from their time, and timers that set
// themselves again must not keep elements waiting.

/**
 * Kinds of work, the most urgent first. What is left of elements that were cut has waited longest;
 * timers that are due have a time which passes; elements come when they come.
 */
export const WORK_KINDS = ['rests', 'timers', 'elements'] as const;

export type WorkKind = (typeof WORK_KINDS)[number];

/** How long one kind of work goes on while another waits. Milliseconds. */
export const TURN_MS = 500;
/** No bundle starts while so many have not handed on what they gave. */
const MOST_SHOWING = 4;
/** The same in bytes, since all of that is in memory. */
const MOST_SHOWING_BYTES = 24 * 1024 * 1024;

/** Milliseconds that each kind of work has had in this round. */
export type TimeSpent = Readonly<Record<WorkKind, number>>;

export const NOTHING_SPENT: TimeSpent = { rests: 0, timers: 0, elements: 0 };

/** A stage at one moment. */
export interface StageMoment {
  /** Bundles under way, and how many there may be. */
  readonly running: number;
  readonly mostRunning: number;
  /** Bundles that have succeeded and hand on what they gave, and the bytes of it. */
  readonly showing: number;
  readonly showingBytes: number;
  /** Whether those that have ended are finalized more slowly than they come. */
  readonly isBehind: boolean;
  /** Whether there is work of a kind that could be done now. */
  readonly isThere: Readonly<Record<WorkKind, boolean>>;
  readonly spent: TimeSpent;
}

/** What to do, and the time that counts from then on. */
export interface Choice {
  readonly kind: WorkKind;
  readonly spent: TimeSpent;
}

/** The kind of the next bundle; undefined when none is to start now. */
export function nextBundle(moment: StageMoment): Choice | undefined {
  const { running, mostRunning, showing, showingBytes, isBehind, spent } = moment;
  if (running >= mostRunning || isBehind) return undefined;
  if (showing >= MOST_SHOWING || showingBytes >= MOST_SHOWING_BYTES) return undefined;
  const isPossible = (kind: WorkKind) =>
    // What a bundle under way does may take a timer back.
    moment.isThere[kind] && (kind !== 'timers' || running === 0);
  const possible = WORK_KINDS.filter(isPossible);
  const [first] = possible;
  if (!first) return undefined;
  const kind = possible.find((one) => spent[one] < TURN_MS);
  // All had their turns: another round begins.
  return kind ? { kind, spent } : { kind: first, spent: NOTHING_SPENT };
}

/** After a bundle of some kind that ran for so long. */
export function afterBundle(spent: TimeSpent, kind: WorkKind, millis: number): TimeSpent {
  return { ...spent, [kind]: spent[kind] + Math.max(0, millis) };
}
