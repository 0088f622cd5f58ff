// SPDX-License-Identifier: Apache-2.0
// What every trigger does, and the triggers without parts. The rules are those of Java's trigger
// state machines (`org.apache.beam.runners.core.triggers`), which Beam's model follows.

import type { Instant } from '../../../../coders/index.ts';
import type { pb } from '../../../../proto/index.ts';

/** What the triggers of one window remember, by the triggers' numbers. */
export interface TriggerState {
  readonly finished: boolean[];
  /** A count, or a time. */
  readonly numbers: (number | undefined)[];
}

/** What a trigger sees of a window. */
export interface TriggerContext {
  readonly state: TriggerState;
  /** Whether the watermark has passed the end of the window. */
  readonly endReached: boolean;
  /** Undefined where no clock runs, as in a batch. */
  readonly now: Instant | undefined;
  /** Asks for a look at the window at this processing time. */
  wakeAt(time: Instant): void;
}

/** The context of the window that others became; what had finished in it before has so still. */
export interface MergeContext extends TriggerContext {
  readonly merged: readonly TriggerState[];
}

/** A trigger. It keeps nothing itself: state is in the context, so one serves all windows. */
export abstract class TriggerMachine {
  constructor(
    /** Its place in {@link TriggerState}. */
    readonly number: number,
    readonly parts: readonly TriggerMachine[] = [],
  ) {}

  isFinished({ state }: TriggerContext): boolean {
    return state.finished[this.number]!;
  }

  setFinished({ state }: TriggerContext, finished: boolean): void {
    state.finished[this.number] = finished;
  }

  protected finishedInAll({ merged }: MergeContext): boolean {
    return merged.every(({ finished }) => finished[this.number]);
  }

  protected finishedInAny({ merged }: MergeContext): boolean {
    return merged.some(({ finished }) => finished[this.number]);
  }

  /** Takes notice of an element. */
  abstract onElement(context: TriggerContext): void;
  /** Makes its state of that of the windows which merged. */
  abstract onMerge(context: MergeContext): void;
  abstract shouldFire(context: TriggerContext): boolean;
  /** Says that a pane comes out; called only when it should fire. */
  abstract onFire(context: TriggerContext): void;

  /** Forgets elements, and not whether it finished. */
  clear(context: TriggerContext): void {
    for (const part of this.parts) part.clear(context);
  }

  /** Starts anew. */
  reset(context: TriggerContext): void {
    this.setFinished(context, false);
    for (const part of this.parts) part.reset(context);
    this.clear(context);
  }
}

/** Fires whenever the watermark is past the end of the window, and never finishes. */
export class DefaultMachine extends TriggerMachine {
  onElement(): void {}
  onMerge(): void {}
  onFire(): void {}

  shouldFire({ endReached }: TriggerContext): boolean {
    return endReached;
  }
}

/** Fires always, or never. */
export class ConstantMachine extends TriggerMachine {
  constructor(
    number: number,
    private readonly fires: boolean,
  ) {
    super(number);
  }

  onElement(): void {}
  onMerge(): void {}
  onFire(): void {}

  shouldFire(): boolean {
    return this.fires;
  }
}

export class ElementCountMachine extends TriggerMachine {
  constructor(
    number: number,
    private readonly atLeast: number,
  ) {
    super(number);
  }

  onElement({ state }: TriggerContext): void {
    state.numbers[this.number] = (state.numbers[this.number] ?? 0) + 1;
  }

  onMerge(context: MergeContext): void {
    if (this.finishedInAny(context)) {
      this.setFinished(context, true);
      this.clear(context);
      return;
    }
    let sum = 0;
    for (const { numbers } of context.merged) sum += numbers[this.number] ?? 0;
    context.state.numbers[this.number] = sum;
  }

  shouldFire({ state }: TriggerContext): boolean {
    return (state.numbers[this.number] ?? 0) >= this.atLeast;
  }

  onFire(context: TriggerContext): void {
    this.clear(context);
    this.setFinished(context, true);
  }

  override clear({ state }: TriggerContext): void {
    state.numbers[this.number] = undefined;
  }
}

/**
 * Fires when the clock reaches a time computed from that of a pane's first element. For synchronized
 * processing time that is the element's own: within one process all steps share the clock, and
 * those before have handed on what they had.
 */
export class ProcessingTimeMachine extends TriggerMachine {
  constructor(
    number: number,
    private readonly transforms: readonly pb.TimestampTransform[],
  ) {
    super(number);
  }

  onElement(context: TriggerContext): void {
    const { state, now } = context;
    if (now === undefined || state.numbers[this.number] !== undefined) return;
    const until = this.transforms.reduce(transformed, now);
    state.numbers[this.number] = until;
    context.wakeAt(until);
  }

  onMerge(context: MergeContext): void {
    // That it fired in a window which is no more is no reason to leave out the one that came of it.
    if (this.isFinished(context)) {
      this.clear(context);
      return;
    }
    const times = context.merged
      .map(({ numbers }) => numbers[this.number])
      .filter((time) => time !== undefined);
    if (times.length === 0) return;
    const earliest = Math.min(...times);
    context.state.numbers[this.number] = earliest;
    context.wakeAt(earliest);
  }

  shouldFire({ state, now }: TriggerContext): boolean {
    const until = state.numbers[this.number];
    return until !== undefined && now !== undefined && now >= until;
  }

  onFire(context: TriggerContext): void {
    this.clear(context);
    this.setFinished(context, true);
  }

  override clear({ state }: TriggerContext): void {
    state.numbers[this.number] = undefined;
  }
}

function transformed(time: Instant, { timestampTransform }: pb.TimestampTransform): Instant {
  switch (timestampTransform.case) {
    case 'delay':
      return time + Number(timestampTransform.value.delayMillis);
    case 'alignTo': {
      const period = Number(timestampTransform.value.period);
      const offset = Number(timestampTransform.value.offset);
      return period > 0 ? Math.ceil((time - offset) / period) * period + offset : time;
    }
    default:
      return time;
  }
}
