// SPDX-License-Identifier: Apache-2.0
// The parts of a running bundle: operators, one per transform, and the receivers between them, one
// per PCollection. Elements are pushed by plain calls; a promise comes back only when something
// downstream has to wait, and then everything upstream waits with it.

import type { WindowedValue } from '../../coders/index.ts';
import type { Application, MaybePromise, Residual } from './types.ts';

/** The parts in which the element being processed was cut. */
export interface ElementSplit {
  readonly primaryRoots: readonly Application[];
  readonly residualRoots: readonly Residual[];
}

/** One transform in one plan. It sees one bundle at a time, and in it one element at a time. */
export interface Operator {
  readonly transformId: string;
  /** PCollections whose elements {@link process} gets; side inputs are not among them. */
  readonly inputs: readonly string[];
  /** Before the first element of a bundle; consumers start before their producers. */
  startBundle?(): MaybePromise<void>;
  process(element: WindowedValue<unknown>): MaybePromise<void>;
  /**
   * As {@link process}, of an element that has a value of its own and all else of `from`. No object is made for it where
   * nobody keeps it, which is what most of a simple step's time would go into.
   */
  processValue?(value: unknown, from: WindowedValue<unknown>): MaybePromise<void>;
  /** After the last element of a bundle; producers finish before their consumers. */
  finishBundle?(): MaybePromise<void>;
  /** Which share of the element being processed is done, from 0 to 1; undefined when nobody knows. */
  fractionCompleted?(): number | undefined;
  /** Gives back all but a fraction of what is left of the element being processed, where it can. */
  trySplit?(fractionOfRemainder: number): ElementSplit | undefined;
  /** Whether it encodes what it gets. */
  readonly isSink?: boolean;
  /** Whether what it gets is its own, to be changed: accumulators, restrictions. */
  readonly ownsInput?: boolean;
  /** The bundle is to end: what waits inside the operator should not. */
  abort?(): void;
}

/** Takes elements. */
export interface Taker {
  receive(element: WindowedValue<unknown>): MaybePromise<void>;
  /** As {@link receive}, see {@link Operator.processValue}. */
  receiveValue(value: unknown, from: WindowedValue<unknown>): MaybePromise<void>;
}

/** Hands the elements of one PCollection to the operators that consume it, and counts them. */
export class Receiver implements Taker {
  /** Elements received in the current bundle. */
  count = 0;
  private only: Operator | undefined;
  /** The same, where values are enough for it. */
  private onlyOfValues: Required<Pick<Operator, 'processValue'>> | undefined;
  protected readonly consumers: Operator[] = [];

  constructor(readonly pcollectionId: string) {}

  add(consumer: Operator): void {
    this.consumers.push(consumer);
    this.only = this.consumers.length === 1 ? consumer : undefined;
    this.onlyOfValues = this.only && takesValues(this.only) ? this.only : undefined;
  }

  startBundle(): void {
    this.count = 0;
  }

  finishBundle(): void {}

  /** As {@link Operator.fractionCompleted}, of the one consumer. */
  fractionCompleted(): number | undefined {
    return this.only?.fractionCompleted?.();
  }

  /** As {@link Operator.trySplit}: an element that goes to several cannot be cut. */
  trySplit(fractionOfRemainder: number): ElementSplit | undefined {
    return this.only?.trySplit?.(fractionOfRemainder);
  }

  receive(element: WindowedValue<unknown>): MaybePromise<void> {
    this.count += 1;
    return this.only ? this.only.process(element) : this.toEach(element);
  }

  receiveValue(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    if (!this.onlyOfValues) return this.receive(withValue(from, value));
    this.count += 1;
    return this.onlyOfValues.processValue(value, from);
  }

  protected toEach(element: WindowedValue<unknown>): MaybePromise<void> {
    for (let i = 0; i < this.consumers.length; i++) {
      const pending = this.consumers[i]!.process(element);
      if (pending) return this.toRest(pending, element, i + 1);
    }
  }

  private async toRest(
    pending: Promise<void>,
    element: WindowedValue<unknown>,
    from: number,
  ): Promise<void> {
    await pending;
    for (let i = from; i < this.consumers.length; i++) await this.consumers[i]!.process(element);
  }
}

function takesValues(
  operator: Operator,
): operator is Operator & Required<Pick<Operator, 'processValue'>> {
  return operator.processValue !== undefined;
}

/** The element with another value; time, windows and pane stay. One whose value stays what it is is not made anew. */
export function withValue(element: WindowedValue<unknown>, value: unknown): WindowedValue<unknown> {
  if (Object.is(element.value, value)) return element;
  return {
    value,
    timestamp: element.timestamp,
    windows: element.windows,
    pane: element.pane,
  };
}
