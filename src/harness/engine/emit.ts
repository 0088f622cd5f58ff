// SPDX-License-Identifier: Apache-2.0
// From what a user's function gives to elements downstream: tags, timestamps, promises, iterables of
// either kind. Nothing is awaited that is not a promise, and no promise goes downstream.

import { BeamBridgeError, yieldIfDue } from '../../base/index.ts';
import type { WindowedValue } from '../../coders/index.ts';
import { TaggedOutput, TimestampedValue } from '../../pipeline/index.ts';
import { type TransformInfo, userError } from './errors.ts';
import { giveUp } from './give-up.ts';
import { hush, isWrapped } from './hush.ts';
import type { Taker } from './operator.ts';
import type { BundleScope } from './scope.ts';
import { isThenable, type MaybePromise } from './types.ts';
import { type Unwrapped, unwrap } from './unwrap.ts';

/** Outputs of one element between looks at the clock. */
const OUTPUTS_PER_LOOK = 64;

type Outputs = Iterator<unknown> | AsyncIterator<unknown>;
type Send = (output: unknown) => MaybePromise<void>;

/** Sends the outputs of one ParDo. */
export class Emitter {
  private readonly main: Taker;
  private count = 0;

  constructor(
    private readonly receivers: ReadonlyMap<string, Taker>,
    mainTag: string,
    private readonly info: TransformInfo,
    private readonly scope: BundleScope,
  ) {
    this.main = this.byTag(mainTag);
  }

  private byTag(tag: string): Taker {
    const receiver = this.receivers.get(tag);
    if (receiver) return receiver;
    throw new BeamBridgeError(
      'USER_CODE_FAILED',
      `there is no output with the tag ${JSON.stringify(tag)}`,
      {
        ...this.info,
        hint: `The outputs are: ${[...this.receivers.keys()].join(', ')}. Name the tag in withOutputs({ tags: [...] }).`,
      },
    );
  }

  /** The element itself, as it came. */
  same(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    return this.main.receiveValue(value, from);
  }

  /**
   * One output, or the promise of one. Time, windows and pane are those of `from`, whose value it may
   * be: that of an element that is complete already.
   */
  one(output: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    if ((typeof output === 'object' && output !== null) || typeof output === 'function') {
      if (isThenable(output)) return this.later(output, from);
      if (output instanceof TimestampedValue) return this.timed(output, from);
      if (output instanceof TaggedOutput) return this.wrapped(output, from);
    }
    return this.main.receiveValue(output, from);
  }

  /** Nearly always only a timestamp around a value that is there. */
  private timed(
    output: TimestampedValue<unknown>,
    from: WindowedValue<unknown>,
  ): MaybePromise<void> {
    const { value, timestamp } = output;
    if (isThenable(value) || isWrapped(value)) return this.wrapped(output, from);
    return this.main.receive({ value, timestamp, windows: from.windows, pane: from.pane });
  }

  private wrapped(
    output: unknown,
    from: WindowedValue<unknown>,
    outer?: Unwrapped,
  ): MaybePromise<void> {
    const found = this.guarded(() => unwrap(output, outer));
    const { value, tag, timestamp = from.timestamp } = found;
    if (isThenable(value)) return this.later(value, from, found);
    const to = tag === undefined ? this.main : this.byTag(tag);
    return to.receive({ value, timestamp, windows: from.windows, pane: from.pane });
  }

  /** @param outer - the wrappers around the promise; there may be more within */
  private async later(
    pending: PromiseLike<unknown>,
    from: WindowedValue<unknown>,
    outer?: Unwrapped,
  ): Promise<void> {
    let output: unknown;
    try {
      this.scope.atWork = this.info;
      output = await pending;
      this.scope.atWork = undefined;
    } catch (error) {
      throw userError(error, this.info);
    }
    await (outer ? this.wrapped(output, from, outer) : this.one(output, from));
  }

  /**
   * Many outputs, in order, each as in {@link one}.
   */
  all(outputs: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    return this.each(outputs, from, undefined);
  }

  /** As {@link all}, where each output makes a complete element. */
  allComplete(
    outputs: unknown,
    complete: (output: unknown) => WindowedValue<unknown>,
  ): MaybePromise<void> {
    return this.each(outputs, undefined, (output) => {
      const element = complete(output);
      return this.one(element.value, element);
    });
  }

  private each(
    outputs: unknown,
    from: WindowedValue<unknown> | undefined,
    sendWhole: Send | undefined,
  ): MaybePromise<void> {
    const send = sendWhole ?? ((output: unknown) => this.one(output, from!));
    // A Set of promises is at hand as a whole, as an array is: see `hush`.
    const list = outputs instanceof Set ? [...outputs] : outputs;
    if (!Array.isArray(list)) return this.iterate(list, from, send);
    let i = 0;
    try {
      while (i < list.length) {
        const output: unknown = list[i++];
        // Nearly always for an element: then the loop calls without a function between.
        const pending = (from ? this.one(output, from) : send(output)) ?? this.turn();
        if (pending) {
          hush(list, i);
          return this.restOfList(pending, list.slice(i), send);
        }
      }
    } catch (error) {
      hush(list, i);
      throw error;
    }
  }

  private async restOfList(
    pending: Promise<void>,
    list: readonly unknown[],
    send: Send,
  ): Promise<void> {
    await pending;
    for (let i = 0; i < list.length; i++) {
      this.checkGoingOn();
      const later = send(list[i]);
      if (later) await later;
      const turn = this.turn();
      if (turn) await turn;
    }
  }

  private iterate(
    outputs: unknown,
    from: WindowedValue<unknown> | undefined,
    send: Send,
  ): MaybePromise<void> {
    const iterator = this.iteratorOf(outputs);
    if (!isIterable(outputs)) return this.iterateLater(iterator, send);
    const pending = this.iterateNow(iterator as Iterator<unknown>, from, send);
    if (pending) return this.iterateOn(pending, iterator as Iterator<unknown>, from, send);
  }

  /** As far as nothing has to be waited for. */
  private iterateNow(
    iterator: Iterator<unknown>,
    from: WindowedValue<unknown> | undefined,
    send: Send,
  ): Promise<void> | undefined {
    for (;;) {
      const next = this.stepOf(iterator);
      if (next.done) return;
      let pending: MaybePromise<void>;
      try {
        // Nearly always for an element, as in a list.
        pending = (from ? this.one(next.value, from) : send(next.value)) ?? this.turn();
      } catch (error) {
        void giveUp(iterator, this.info.transform);
        throw error;
      }
      if (pending) return pending;
    }
  }

  /** Goes back to the loop that waits for nothing: what is there already is not awaited. */
  private async iterateOn(
    first: Promise<void>,
    iterator: Iterator<unknown>,
    from: WindowedValue<unknown> | undefined,
    send: Send,
  ): Promise<void> {
    for (let pending: Promise<void> | undefined = first; pending; ) {
      try {
        await pending;
        this.checkGoingOn();
        const turn = this.turn();
        if (turn) await turn;
      } catch (error) {
        void giveUp(iterator, this.info.transform);
        throw error;
      }
      pending = this.iterateNow(iterator, from, send);
    }
  }

  /** @throws `USER_CODE_FAILED` for what holds no outputs */
  private iteratorOf(outputs: unknown): Outputs {
    if (typeof outputs === 'string') {
      throw new BeamBridgeError(
        'USER_CODE_FAILED',
        'an iterable of outputs was expected, not a string, which would fall apart into characters',
        { ...this.info, hint: 'Return [text] for one output, [...text] for its characters.' },
      );
    }
    if (isIterable(outputs)) return this.guarded(() => outputs[Symbol.iterator]());
    const given = outputs as Partial<AsyncIterable<unknown>> | null | undefined;
    if (typeof given?.[Symbol.asyncIterator] === 'function') {
      return this.guarded(() => (given as AsyncIterable<unknown>)[Symbol.asyncIterator]());
    }
    throw new BeamBridgeError(
      'USER_CODE_FAILED',
      `an iterable of outputs was expected, not ${given === null ? 'null' : typeof given}`,
      { ...this.info, hint: 'Return an array, a Set, or the result of a generator function.' },
    );
  }

  private async iterateLater(iterator: Outputs, send: Send): Promise<void> {
    for (;;) {
      let next: IteratorResult<unknown>;
      try {
        this.scope.atWork = this.info;
        next = await iterator.next();
        this.scope.atWork = undefined;
      } catch (error) {
        // One that failed by itself has nothing left to tidy up.
        throw userError(error, this.info);
      }
      if (next.done) return;
      try {
        const pending = send(next.value);
        if (pending) await pending;
        this.checkGoingOn();
        const turn = this.turn();
        if (turn) await turn;
      } catch (error) {
        await giveUp(iterator, this.info.transform);
        throw error;
      }
    }
  }

  /** Without a closure: this runs for every output. */
  private stepOf(iterator: Iterator<unknown>): IteratorResult<unknown> {
    try {
      return iterator.next();
    } catch (error) {
      throw userError(error, this.info);
    }
  }

  /** One element may have outputs for minutes: now and then everything else has its turn. */
  private turn(): Promise<void> | undefined {
    this.count += 1;
    if (this.count % OUTPUTS_PER_LOOK !== 0) return undefined;
    return yieldIfDue()?.then(() => this.checkGoingOn());
  }

  /** What was waited for may have been long: the bundle ends there, and not with the outputs of its element. */
  private checkGoingOn(): void {
    if (this.scope.aborted) throw this.scope.aborted;
  }

  /** Runs a piece of the user's code. */
  private guarded<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw userError(error, this.info);
    }
  }
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return (
    typeof (value as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator] ===
    'function'
  );
}
