// SPDX-License-Identifier: Apache-2.0
// What triggers remember and when they fire. A trigger's state is a tree of the trigger's shape; the
// rules are those of Beam's model as Java's trigger state machines put them into words.
// Source: https://s.apache.org/beam-triggers

import type { Trigger } from './types.ts';

export interface TriggerState {
  /** It has fired for the last time. */
  done: boolean;
  /** Elements since it began. */
  count: number;
  /** Processing time at which it fires. */
  deadline: number | undefined;
  /** Of `afterWatermark`: whether the end of the window was fired, so that the late part has begun. */
  isLate: boolean;
  parts: TriggerState[];
}

/** What a trigger can see of the world. */
export interface Look {
  /** Whether the watermark has passed the window's last instant. */
  readonly ended: boolean;
  /** Processing time; undefined where none passes. */
  readonly now: number | undefined;
  /** Whether windows merge, so that a part that is over may come back. */
  readonly merging: boolean;
}

export function partsOf(trigger: Trigger): readonly Trigger[] {
  switch (trigger.kind) {
    case 'afterWatermark':
      return [trigger.early ?? { kind: 'never' }, trigger.late ?? { kind: 'never' }];
    case 'repeatedly':
      return [trigger.inner];
    case 'afterAll':
    case 'afterAny':
    case 'afterEach':
      return trigger.parts;
    case 'orFinally':
      return [trigger.main, trigger.until];
    default:
      return [];
  }
}

/** A trigger that has seen nothing. */
export function fresh(trigger: Trigger): TriggerState {
  const parts = partsOf(trigger).map(fresh);
  return { done: false, count: 0, deadline: undefined, isLate: false, parts };
}

/** Forgets elements, not what has been fired. */
function forget(state: TriggerState): void {
  state.count = 0;
  state.deadline = undefined;
  state.parts.forEach(forget);
}

function restart(trigger: Trigger, state: TriggerState): void {
  Object.assign(state, fresh(trigger));
}

/** The parts with their states. */
function pairs(trigger: Trigger, state: TriggerState): [Trigger, TriggerState][] {
  return partsOf(trigger).map((part, i) => [part, state.parts[i]!]);
}

function firstActive(trigger: Trigger, state: TriggerState): [Trigger, TriggerState] | undefined {
  return pairs(trigger, state).find(([, part]) => !part.done);
}

export function onElement(trigger: Trigger, state: TriggerState, look: Look): void {
  const all = pairs(trigger, state);
  let told = all;
  switch (trigger.kind) {
    case 'afterCount':
      state.count += 1;
      return;
    case 'afterProcessingTime':
      if (look.now !== undefined) state.deadline ??= look.now + trigger.delay;
      return;
    case 'afterWatermark':
      if (!look.merging) told = [all[state.isLate ? 1 : 0]!];
      break;
    case 'afterEach':
      if (!look.merging) told = all.filter(([, part]) => !part.done).slice(0, 1);
      break;
  }
  for (const [part, its] of told) onElement(part, its, look);
}

export function shouldFire(trigger: Trigger, state: TriggerState, look: Look): boolean {
  const fires = ([part, its]: [Trigger, TriggerState]) => shouldFire(part, its, look);
  const all = pairs(trigger, state);
  switch (trigger.kind) {
    case 'default':
      return look.ended;
    case 'never':
      return false;
    case 'always':
      return true;
    case 'afterCount':
      return state.count >= trigger.count;
    case 'afterProcessingTime':
      return state.deadline !== undefined && look.now !== undefined && look.now >= state.deadline;
    case 'afterWatermark':
      return state.isLate ? fires(all[1]!) : look.ended || fires(all[0]!);
    case 'afterAll':
      return all.every((pair) => pair[1].done || fires(pair));
    case 'afterAny':
    case 'orFinally':
      return all.some(fires);
    case 'repeatedly':
      return fires(all[0]!);
    case 'afterEach': {
      const current = firstActive(trigger, state);
      return current !== undefined && fires(current);
    }
  }
}

/** It fires: only where {@link shouldFire}. */
export function onFire(trigger: Trigger, state: TriggerState, look: Look): void {
  const all = pairs(trigger, state);
  switch (trigger.kind) {
    case 'default':
    case 'never':
    case 'always':
      return;
    case 'afterCount':
    case 'afterProcessingTime':
      forget(state);
      state.done = true;
      return;
    case 'afterWatermark': {
      const [early, late] = state.parts as [TriggerState, TriggerState];
      if (state.isLate || !look.ended) {
        // Early and late parts begin anew each time.
        const [part, its] = all[state.isLate ? 1 : 0]!;
        onFire(part, its, look);
        restart(part, its);
        return;
      }
      state.isLate = true;
      restart(all[0]![0], early);
      restart(all[1]![0], late);
      state.done = trigger.late === undefined;
      return;
    }
    case 'afterAll':
      for (const [part, its] of all) if (!its.done) onFire(part, its, look);
      state.done = true;
      return;
    case 'afterAny':
      for (const [part, its] of all) {
        if (shouldFire(part, its, look)) onFire(part, its, look);
        else forget(its);
      }
      state.done = true;
      return;
    case 'afterEach': {
      const [part, its] = firstActive(trigger, state)!;
      onFire(part, its, look);
      // Where any part may come back, all of them have counted the elements of this pane.
      if (look.merging) forget(state);
      state.done = state.parts.every(({ done }) => done);
      return;
    }
    case 'orFinally': {
      const [[main, mains], [until, untils]] = all as [
        [Trigger, TriggerState],
        [Trigger, TriggerState],
      ];
      if (shouldFire(until, untils, look)) {
        onFire(until, untils, look);
        // It was to fire once, whatever it is.
        untils.done = true;
        state.done = true;
        forget(mains);
        return;
      }
      // What `until` has counted goes on over the firings of the other.
      onFire(main, mains, look);
      state.done = mains.done;
      return;
    }
    case 'repeatedly': {
      const [[inner, its]] = all as [[Trigger, TriggerState]];
      onFire(inner, its, look);
      if (its.done) restart(inner, its);
      return;
    }
  }
}

/**
 * The state of a window that others became.
 *
 * @param from - the states of those that had some
 * @param own - the one of them that was of this window before
 */
export function onMerge(
  trigger: Trigger,
  from: readonly TriggerState[],
  own: TriggerState | undefined,
  look: Look,
): TriggerState {
  const state = fresh(trigger);
  if (from.length === 0) return state;
  const parts = partsOf(trigger);
  const part = (i: number) =>
    onMerge(
      parts[i]!,
      from.map((one) => one.parts[i]!),
      own?.parts[i],
      look,
    );
  switch (trigger.kind) {
    case 'default':
    case 'never':
    case 'always':
      return state;
    case 'afterCount':
      // Enough came to one of them: it is over for all.
      state.done = from.some(({ done }) => done);
      if (!state.done) state.count = from.reduce((sum, { count }) => sum + count, 0);
      return state;
    case 'afterProcessingTime': {
      state.done = own?.done ?? false;
      const deadlines = from.flatMap(({ deadline }) => deadline ?? []);
      if (!state.done && deadlines.length > 0) state.deadline = Math.min(...deadlines);
      return state;
    }
    case 'afterWatermark':
      // Where one of them waits for its end, or the new end lies ahead, all wait for it again.
      state.isLate = look.ended && from.every(({ isLate }) => isLate);
      state.parts[state.isLate ? 1 : 0] = part(state.isLate ? 1 : 0);
      state.done = state.isLate && trigger.late === undefined;
      return state;
    case 'afterEach':
      for (let i = 0; i < parts.length; i++) {
        state.parts[i] = part(i);
        // What follows one that is active has not begun.
        if (!state.parts[i]!.done) break;
      }
      state.done = state.parts.every(({ done }) => done);
      return state;
    default:
      state.parts = parts.map((_, i) => part(i));
      if (trigger.kind === 'afterAll') state.done = state.parts.every(({ done }) => done);
      else if (trigger.kind !== 'repeatedly') state.done = state.parts.some(({ done }) => done);
      return state;
  }
}
