// SPDX-License-Identifier: Apache-2.0
// From what a user's function gives to elements downstream: tags, timestamps, iterables of either
// kind. Nothing is awaited that is not a promise.

import { BeamBridgeError, yieldIfDue } from '../../base/index.ts';
import type { WindowedValue } from '../../coders/index.ts';
import { TaggedOutput, TimestampedValue } from '../../pipeline/index.ts';
import { type TransformInfo, userError } from './errors.ts';
import { type Receiver, withValue } from './operator.ts';
import type { BundleScope } from './scope.ts';
import type { MaybePromise } from './types.ts';

/** Outputs of one element between looks at the clock. */
const OUTPUTS_PER_LOOK = 64;

/** Sends the outputs of one ParDo. */
export class Emitter {
  private readonly main: Receiver;
  private count = 0;

  constructor(
    private readonly receivers: ReadonlyMap<string, Receiver>,
    mainTag: string,
    private readonly info: TransformInfo,
    private readonly scope: BundleScope,
  ) {
    this.main = this.byTag(mainTag);
  }

  private byTag(tag: string): Receiver {
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

  /** One output for the element `from`. */
  one(output: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    if (typeof output === 'object' && output !== null) {
      if (output instanceof TaggedOutput) {
        return this.timed(this.byTag(output.tag), output.value, from);
      }
      if (output instanceof TimestampedValue) return this.timed(this.main, output, from);
    }
    // An element that stays what it is, as where only its coder changes, need not be made anew.
    return this.main.receive(output === from.value ? from : withValue(from, output));
  }

  /** Many outputs for the element `from`, in order. */
  all(outputs: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    const send = (output: unknown) => this.one(output, from);
    // Nearly always an array: then the loop calls without a function between.
    if (!Array.isArray(outputs)) return this.many(outputs, send);
    for (let i = 0; i < outputs.length; i++) {
      const pending = this.one(outputs[i], from) ?? this.turn();
      if (pending) return this.restOfArray(pending, outputs, i + 1, send);
    }
  }

  private timed(to: Receiver, output: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    if (!(output instanceof TimestampedValue)) return to.receive(withValue(from, output));
    const { value, timestamp } = output;
    return to.receive({ value, timestamp, windows: from.windows, pane: from.pane });
  }

  /** An element that is complete already. */
  whole(element: WindowedValue<unknown>): MaybePromise<void> {
    const { value } = element;
    if (value instanceof TaggedOutput) {
      return this.byTag(value.tag).receive(withValue(element, value.value));
    }
    return this.main.receive(element);
  }

  /** Each of many outputs, in order. @param send - how one of them goes out */
  many(outputs: unknown, send: (output: unknown) => MaybePromise<void>): MaybePromise<void> {
    if (Array.isArray(outputs)) {
      for (let i = 0; i < outputs.length; i++) {
        const pending = send(outputs[i]) ?? this.turn();
        if (pending) return this.restOfArray(pending, outputs, i + 1, send);
      }
      return;
    }
    const given = outputs as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
    if (typeof given?.[Symbol.iterator] === 'function') {
      return this.iterate(given as Iterable<unknown>, send);
    }
    if (typeof given?.[Symbol.asyncIterator] === 'function') {
      return this.iterateLater(given as AsyncIterable<unknown>, send);
    }
    throw new BeamBridgeError(
      'USER_CODE_FAILED',
      `an iterable of outputs was expected, not ${given === null ? 'null' : typeof given}`,
      { ...this.info, hint: 'Return an array, a Set, or the result of a generator function.' },
    );
  }

  private async restOfArray(
    pending: Promise<void>,
    outputs: readonly unknown[],
    from: number,
    send: (output: unknown) => MaybePromise<void>,
  ): Promise<void> {
    await pending;
    for (let i = from; i < outputs.length; i++) {
      const later = send(outputs[i]);
      if (later) await later;
      const turn = this.turn();
      if (turn) await turn;
    }
  }

  private iterate(
    outputs: Iterable<unknown>,
    send: (output: unknown) => MaybePromise<void>,
  ): MaybePromise<void> {
    const iterator = this.guarded(() => outputs[Symbol.iterator]());
    for (;;) {
      const next = this.next(iterator);
      if (next.done) return;
      let pending: MaybePromise<void>;
      try {
        pending = send(next.value) ?? this.turn();
      } catch (error) {
        iterator.return?.();
        throw error;
      }
      if (pending) return this.iterateOn(pending, iterator, send);
    }
  }

  private async iterateOn(
    pending: Promise<void>,
    iterator: Iterator<unknown>,
    send: (output: unknown) => MaybePromise<void>,
  ): Promise<void> {
    try {
      await pending;
      for (;;) {
        const next = this.next(iterator);
        if (next.done) return;
        const later = send(next.value);
        if (later) await later;
        const turn = this.turn();
        if (turn) await turn;
      }
    } catch (error) {
      iterator.return?.();
      throw error;
    }
  }

  private async iterateLater(
    outputs: AsyncIterable<unknown>,
    send: (output: unknown) => MaybePromise<void>,
  ): Promise<void> {
    const iterator = this.guarded(() => outputs[Symbol.asyncIterator]());
    for (;;) {
      let next: IteratorResult<unknown>;
      try {
        next = await iterator.next();
      } catch (error) {
        throw userError(error, this.info);
      }
      if (next.done) return;
      try {
        const pending = send(next.value);
        if (pending) await pending;
        const turn = this.turn();
        if (turn) await turn;
      } catch (error) {
        await iterator.return?.();
        throw error;
      }
    }
  }

  /** One element may have outputs for minutes: now and then everything else has its turn. */
  private turn(): Promise<void> | undefined {
    this.count += 1;
    if (this.count % OUTPUTS_PER_LOOK !== 0) return undefined;
    return yieldIfDue()?.then(() => {
      if (this.scope.aborted) throw this.scope.aborted;
    });
  }

  private next(iterator: Iterator<unknown>): IteratorResult<unknown> {
    try {
      return iterator.next();
    } catch (error) {
      throw userError(error, this.info);
    }
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
