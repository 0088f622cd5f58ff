// SPDX-License-Identifier: Apache-2.0
// Triggers made of others, by the rules of Java's trigger state machines.

import { type MergeContext, type TriggerContext, TriggerMachine } from './trigger-machine.ts';

/** The first part that has not fired for the last time. */
function current(machine: TriggerMachine, context: TriggerContext): TriggerMachine | undefined {
  return machine.parts.find((part) => !part.isFinished(context));
}

/**
 * Fires when the watermark passes the end of the window; before that each time that `early` does,
 * afterwards each time that `late` does.
 */
export class EndOfWindowMachine extends TriggerMachine {
  constructor(
    number: number,
    private readonly early: TriggerMachine | undefined,
    private readonly late: TriggerMachine | undefined,
    private readonly merging: boolean,
  ) {
    super(
      number,
      [early, late].filter((part) => part !== undefined),
    );
  }

  // The number at this trigger's place says that the pane on time is out.
  private isLate({ state }: TriggerContext): boolean {
    return state.numbers[this.number] === 1;
  }

  private setLate({ state }: TriggerContext, late: boolean): void {
    state.numbers[this.number] = late ? 1 : undefined;
  }

  onElement(context: TriggerContext): void {
    // Merging may bring a part back, so that all of them must have seen all elements.
    const late = this.isLate(context);
    if (this.merging || !late) this.early?.onElement(context);
    if (this.merging || late) this.late?.onElement(context);
  }

  onMerge(context: MergeContext): void {
    const { merged, endReached } = context;
    const done = endReached && merged.every(({ numbers }) => numbers[this.number] === 1);
    this.setLate(context, done);
    if (done) {
      this.late?.onMerge(context);
      this.setFinished(context, this.finishedInAll(context));
      return;
    }
    // A window that is not over, or elements that have not come out on time yet: active again.
    this.early?.onMerge(context);
    this.early?.setFinished(context, false);
    this.late?.reset(context);
    this.setFinished(context, false);
  }

  shouldFire(context: TriggerContext): boolean {
    if (this.isLate(context)) return this.late?.shouldFire(context) ?? false;
    return context.endReached || (this.early?.shouldFire(context) ?? false);
  }

  onFire(context: TriggerContext): void {
    if (this.isLate(context)) {
      this.late?.onFire(context);
      this.late?.reset(context);
    } else if (context.endReached) {
      this.setLate(context, true);
      this.early?.reset(context);
      if (this.late) this.late.reset(context);
      else this.setFinished(context, true);
    } else {
      this.early?.onFire(context);
      this.early?.reset(context);
    }
  }

  override reset(context: TriggerContext): void {
    super.reset(context);
    this.setLate(context, false);
  }
}

export class AfterAllMachine extends TriggerMachine {
  onElement(context: TriggerContext): void {
    for (const part of this.parts) part.onElement(context);
  }

  onMerge(context: MergeContext): void {
    for (const part of this.parts) part.onMerge(context);
    this.setFinished(
      context,
      this.parts.every((part) => part.isFinished(context)),
    );
  }

  shouldFire(context: TriggerContext): boolean {
    return this.parts.every((part) => part.isFinished(context) || part.shouldFire(context));
  }

  onFire(context: TriggerContext): void {
    for (const part of this.parts) if (!part.isFinished(context)) part.onFire(context);
    this.setFinished(context, true);
  }
}

export class AfterAnyMachine extends TriggerMachine {
  onElement(context: TriggerContext): void {
    for (const part of this.parts) part.onElement(context);
  }

  onMerge(context: MergeContext): void {
    for (const part of this.parts) part.onMerge(context);
    this.setFinished(
      context,
      this.parts.some((part) => part.isFinished(context)),
    );
  }

  shouldFire(context: TriggerContext): boolean {
    return this.parts.some((part) => part.shouldFire(context));
  }

  onFire(context: TriggerContext): void {
    for (const part of this.parts) {
      if (part.shouldFire(context)) part.onFire(context);
      else part.clear(context);
    }
    this.setFinished(context, true);
  }
}

export class AfterEachMachine extends TriggerMachine {
  constructor(
    number: number,
    parts: readonly TriggerMachine[],
    private readonly merging: boolean,
  ) {
    super(number, parts);
  }

  onElement(context: TriggerContext): void {
    // Merging may bring a part back, so that all of them must have seen all elements.
    if (this.merging) for (const part of this.parts) part.onElement(context);
    else current(this, context)?.onElement(context);
  }

  onMerge(context: MergeContext): void {
    let allDone = true;
    for (const part of this.parts) {
      if (allDone) {
        part.onMerge(context);
        allDone = part.isFinished(context);
      } else {
        // What follows one that is active has not started.
        part.reset(context);
      }
    }
    this.setFinished(context, allDone);
  }

  shouldFire(context: TriggerContext): boolean {
    return current(this, context)?.shouldFire(context) ?? false;
  }

  onFire(context: TriggerContext): void {
    current(this, context)?.onFire(context);
    if (this.merging) this.clear(context);
    this.setFinished(context, current(this, context) === undefined);
  }
}

export class OrFinallyMachine extends TriggerMachine {
  constructor(
    number: number,
    private readonly main: TriggerMachine,
    private readonly until: TriggerMachine,
  ) {
    super(number, [main, until]);
  }

  onElement(context: TriggerContext): void {
    this.main.onElement(context);
    this.until.onElement(context);
  }

  onMerge(context: MergeContext): void {
    this.main.onMerge(context);
    this.until.onMerge(context);
    this.update(context);
  }

  shouldFire(context: TriggerContext): boolean {
    return this.main.shouldFire(context) || this.until.shouldFire(context);
  }

  onFire(context: TriggerContext): void {
    if (this.until.shouldFire(context)) {
      this.until.onFire(context);
      this.main.clear(context);
      // Even one that would repeat: it was to fire once.
      this.until.setFinished(context, true);
    } else {
      // What `until` has seen counts across the firings of the main trigger.
      this.main.onFire(context);
    }
    this.update(context);
  }

  private update(context: TriggerContext): void {
    this.setFinished(context, this.main.isFinished(context) || this.until.isFinished(context));
  }
}

/** Never finishes: its part starts anew when it has. */
export class RepeatMachine extends TriggerMachine {
  constructor(
    number: number,
    private readonly part: TriggerMachine,
  ) {
    super(number, [part]);
  }

  onElement(context: TriggerContext): void {
    this.part.onElement(context);
  }

  onMerge(context: MergeContext): void {
    this.part.onMerge(context);
  }

  shouldFire(context: TriggerContext): boolean {
    return this.part.shouldFire(context);
  }

  onFire(context: TriggerContext): void {
    this.part.onFire(context);
    if (this.part.isFinished(context)) this.part.reset(context);
  }
}
