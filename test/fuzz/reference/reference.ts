// SPDX-License-Identifier: Apache-2.0
// A grouping by key as Beam's model has it, as slow and plain as can be: nothing is indexed, every
// window is looked at after every step, and no line is shared with the engine that it is to check.

import {
  fresh,
  type Look,
  onElement,
  onFire,
  onMerge,
  shouldFire,
  type TriggerState,
} from './triggers.ts';
import type { Element, Outcome, Pane, Step, Strategy, Timing } from './types.ts';
import {
  GLOBAL,
  GLOBAL_END,
  GREATEST_TIME,
  LEAST_TIME,
  merged,
  nameOf,
  type RefWindow,
  windowsAt,
} from './windows.ts';

interface Held<V> {
  readonly key: string;
  readonly window: RefWindow;
  values: V[];
  /** Elements since the last pane. */
  news: number;
  trigger: TriggerState;
  /** The timestamp that the next pane gets, as far as elements that came in time say. */
  hold: number | undefined;
  /** Whether the end of the window was looked at. */
  wasEnded: boolean;
  lastPane: Pick<Pane<V>, 'index' | 'onTimeIndex' | 'timing'> | undefined;
}

/** Takes step after step; see {@link runReference} for whole scripts. */
export class Reference<V = unknown> {
  private readonly strategy: Required<Strategy>;
  private held: Held<V>[] = [];
  private inputWatermark = LEAST_TIME;
  private outputWatermark = LEAST_TIME;
  private clock: number | undefined = 0;
  private stepNumber = -1;
  private readonly dropped = { late: 0, closed: 0, windowless: 0 };
  private out: Pane<V>[] = [];

  constructor(strategy: Strategy) {
    this.strategy = {
      trigger: { kind: 'default' },
      accumulationMode: 'discarding',
      allowedLateness: 0,
      timestampCombiner: 'endOfWindow',
      closingBehavior: 'emitIfNonEmpty',
      onTimeBehavior: 'fireAlways',
      ...strategy,
    };
  }

  /** What one step brings out. */
  step(step: Step<V>): Pane<V>[] {
    this.stepNumber += 1;
    this.out = [];
    if ('elements' in step) this.arrive(step.elements);
    else if ('watermark' in step) this.advance(step.watermark);
    else this.tick(step.processingTime);
    // The output's watermark follows the input's as far as what waits lets it.
    const holds = this.held.flatMap(({ hold }) => hold ?? []);
    this.outputWatermark = Math.max(this.outputWatermark, Math.min(this.inputWatermark, ...holds));
    return this.out;
  }

  get drops(): Outcome['dropped'] {
    return { ...this.dropped };
  }

  /** Of a batch: all elements are there before any time passes, and of time only the end comes. */
  batch(elements: readonly Element<V>[]): Pane<V>[] {
    this.clock = undefined;
    const early = this.step({ elements });
    return [...early, ...this.step({ watermark: GREATEST_TIME })];
  }

  private arrive(elements: readonly Element<V>[]): void {
    const { windowing } = this.strategy;
    const coming: { element: Element<V>; window: RefWindow }[] = [];
    for (const element of elements) {
      const windows = windowsAt(windowing, element.timestamp);
      if (windows.length === 0) this.dropped.windowless += 1;
      for (const window of windows) {
        if (this.isOver(window)) this.dropped.late += 1;
        else coming.push({ element, window });
      }
    }
    const windowOf = this.merge(coming);
    const touched = new Set<Held<V>>();
    for (const { element, window: given } of coming) {
      const window = windowOf(element.key, given);
      const held = this.find(element.key, window) ?? this.open(element.key, window);
      if (held.trigger.done) {
        this.dropped.closed += 1;
        continue;
      }
      held.values.push(element.value);
      held.news += 1;
      this.holdFor(held, element.timestamp);
      onElement(this.strategy.trigger, held.trigger, this.look(held));
      touched.add(held);
    }
    for (const held of touched) this.fireIfDue(held);
  }

  private advance(watermark: number): void {
    this.inputWatermark = Math.max(this.inputWatermark, watermark);
    for (const held of [...this.held]) {
      if (this.isOver(held.window)) this.close(held);
      else if (!held.wasEnded && this.look(held).ended) {
        held.wasEnded = true;
        this.fireIfDue(held);
      }
    }
  }

  private tick(millis: number): void {
    if (this.clock !== undefined) this.clock += millis;
    const { trigger } = this.strategy;
    for (const held of [...this.held]) {
      // That time has passed is no reason to fire for a trigger that would have fired before.
      if (
        hasDeadlinePassed(held.trigger, this.clock) &&
        shouldFire(trigger, held.trigger, this.look(held))
      ) {
        this.fireIfDue(held);
      }
    }
  }

  /** Whether nothing of a window counts any more. */
  private isOver(window: RefWindow): boolean {
    const expiry = Math.min(window.last + this.strategy.allowedLateness, GLOBAL_END);
    return Math.max(expiry, window.last) < this.inputWatermark;
  }

  private look({ window }: Held<V>): Look {
    const merging = this.strategy.windowing.kind === 'sessions';
    return { ended: window.last < this.inputWatermark, now: this.clock, merging };
  }

  private find(key: string, window: RefWindow): Held<V> | undefined {
    const name = nameOf(window);
    return this.held.find((one) => one.key === key && nameOf(one.window) === name);
  }

  private open(key: string, window: RefWindow): Held<V> {
    const held: Held<V> = {
      key,
      window,
      values: [],
      news: 0,
      trigger: fresh(this.strategy.trigger),
      hold: undefined,
      wasEnded: window.last < this.inputWatermark,
      lastPane: undefined,
    };
    this.held.push(held);
    return held;
  }

  /** Merges what is held with the windows of what comes; tells in which window each now is. */
  private merge(coming: readonly { element: Element<V>; window: RefWindow }[]) {
    if (this.strategy.windowing.kind !== 'sessions')
      return (_: string, window: RefWindow) => window;
    const became = new Map<string, RefWindow>();
    const nameIn = (key: string, window: RefWindow) => JSON.stringify([key, nameOf(window)]);
    for (const key of new Set(coming.map(({ element }) => element.key))) {
      const known = this.held.filter((one) => one.key === key).map(({ window }) => window);
      const news = coming.filter(({ element }) => element.key === key).map(({ window }) => window);
      const distinct = new Map([...known, ...news].map((window) => [nameOf(window), window]));
      for (const { from, to } of merged([...distinct.values()])) {
        for (const window of from) became.set(nameIn(key, window), to);
        this.mergeInto(key, from, to);
      }
    }
    return (key: string, window: RefWindow) => became.get(nameIn(key, window)) ?? window;
  }

  private mergeInto(key: string, from: readonly RefWindow[], to: RefWindow): void {
    const states = from.flatMap((window) => this.find(key, window) ?? []);
    const own = this.find(key, to);
    if (states.length === 0 || (states.length === 1 && own)) return;
    this.held = this.held.filter((one) => !states.includes(one));
    const into = this.open(key, to);
    into.values = states.flatMap(({ values }) => values);
    into.news = states.reduce((sum, { news }) => sum + news, 0);
    // A window that was there before goes on counting its panes; a new one begins.
    into.lastPane = own?.lastPane;
    const holds = states.flatMap(({ hold }) => hold ?? []);
    const { timestampCombiner, trigger } = this.strategy;
    if (holds.length > 0) {
      if (timestampCombiner === 'endOfWindow') into.hold = to.last;
      else if (timestampCombiner === 'latest') into.hold = Math.max(...holds);
      else into.hold = Math.min(...holds);
    }
    const triggers = states.map((one) => one.trigger);
    into.trigger = onMerge(trigger, triggers, own?.trigger, this.look(into));
  }

  /** An element that came in time holds the watermark back until its pane comes out. */
  private holdFor(held: Held<V>, timestamp: number): void {
    const { last } = held.window;
    const { timestampCombiner } = this.strategy;
    const wanted = timestampCombiner === 'endOfWindow' ? last : Math.min(timestamp, last);
    if (wanted < this.outputWatermark || last < this.inputWatermark) return;
    const before = held.hold ?? wanted;
    held.hold =
      timestampCombiner === 'latest' ? Math.max(before, wanted) : Math.min(before, wanted);
  }

  private fireIfDue(held: Held<V>): void {
    const { trigger } = this.strategy;
    const look = this.look(held);
    if (held.trigger.done || !shouldFire(trigger, held.trigger, look)) return;
    onFire(trigger, held.trigger, look);
    this.emit(held, held.trigger.done, true);
  }

  /** The window is over: what no trigger has fired comes out, and it is forgotten. */
  private close(held: Held<V>): void {
    if (!held.trigger.done) {
      const fires = shouldFire(this.strategy.trigger, held.trigger, this.look(held));
      this.emit(held, true, fires);
    }
    this.held = this.held.filter((one) => one !== held);
  }

  /** @param fires - whether the trigger asked for the pane, and not only the end of the window */
  private emit(held: Held<V>, isLast: boolean, fires: boolean): void {
    const { accumulationMode, closingBehavior, onTimeBehavior } = this.strategy;
    const { key, window, lastPane } = held;
    const timing = this.timingOf(held);
    const timestamp = Math.min(held.hold ?? window.last, window.last);
    held.hold = undefined;
    const isWanted =
      held.news > 0 ||
      (fires && timing === 'onTime' && onTimeBehavior === 'fireAlways') ||
      (isLast && closingBehavior === 'emitAlways');
    if (!isWanted) return;
    const index = lastPane ? lastPane.index + 1 : 0;
    const onTimeIndex = timing === 'early' ? -1 : lastPane ? lastPane.onTimeIndex + 1 : 0;
    held.lastPane = { index, onTimeIndex, timing };
    this.out.push({
      key,
      window: window === GLOBAL ? undefined : { start: window.start, end: window.last + 1 },
      values: [...held.values],
      timestamp,
      timing,
      index,
      onTimeIndex,
      isFirst: index === 0,
      isLast,
      step: this.stepNumber,
    });
    held.news = 0;
    if (isLast || accumulationMode === 'discarding') held.values = [];
  }

  private timingOf({ window, lastPane }: Held<V>): Timing {
    const onlyEarlySoFar = !lastPane || lastPane.timing === 'early';
    if (window.last < this.outputWatermark || !onlyEarlySoFar) return 'late';
    return this.inputWatermark <= window.last ? 'early' : 'onTime';
  }
}

function hasDeadlinePassed(state: TriggerState, now: number | undefined): boolean {
  if (now === undefined) return false;
  if (state.deadline !== undefined && state.deadline <= now) return true;
  return state.parts.some((part) => hasDeadlinePassed(part, now));
}

/**
 * What a grouping gives for a script. The input ends after the last step, whatever that is.
 *
 * @param strategy - windows, trigger and the rest
 * @param script - steps in order
 */
export function runReference<V>(strategy: Strategy, script: readonly Step<V>[]): Outcome<V> {
  const reference = new Reference<V>(strategy);
  const panes = [...script, { watermark: GREATEST_TIME }].flatMap((step) => reference.step(step));
  return { panes, dropped: reference.drops };
}

/** What a grouping of a bounded PCollection gives. */
export function runReferenceBatch<V>(
  strategy: Strategy,
  elements: readonly Element<V>[],
): Outcome<V> {
  const reference = new Reference<V>(strategy);
  return { panes: reference.batch(elements), dropped: reference.drops };
}
