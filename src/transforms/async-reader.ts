// SPDX-License-Identifier: Apache-2.0
// The one reader of an async iterable: an element at a time, each kept until it is taken.

import { BeamBridgeError, getLogger } from '../base/index.ts';
import { describeValue } from '../coders/index.ts';

const log = getLogger('transforms');

/** What {@link fromAsyncIterable} reads; a function is given a signal that ends with the pipeline. */
export type AsyncSource<T> = AsyncIterable<T> | ((signal: AbortSignal) => AsyncIterable<T>);

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  const given = value as Partial<AsyncIterable<unknown>> | null | undefined;
  return typeof given?.[Symbol.asyncIterator] === 'function';
}

export class AsyncReader<T> {
  /** How many elements were taken. */
  position = 0;
  /** The next element once it has come, or the end. */
  next: IteratorResult<T> | undefined;
  private failure: { error: unknown } | undefined;
  private readonly ending = new AbortController();
  private readonly iterator: AsyncIterator<T>;
  /** Whether the iterable owes an element, or has given one that is not taken yet. */
  isAsked = false;
  private isEnded = false;
  private onChange: (() => void) | undefined;

  /** @param onOpened - hears that it was asked for its first element, or that nobody asks any more */
  constructor(
    source: AsyncSource<T>,
    private readonly onOpened: () => void,
  ) {
    const iterable: unknown = typeof source === 'function' ? source(this.ending.signal) : source;
    if (!isAsyncIterable(iterable)) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `the function given to fromAsyncIterable returned ${describeValue(iterable)}`,
        { hint: 'Return an async iterable, such as the result of an async generator.' },
      );
    }
    this.iterator = (iterable as AsyncIterable<T>)[Symbol.asyncIterator]();
  }

  /** Asks for the next element, which stays the next until it is taken. */
  ask(onChange: () => void): void {
    this.onChange = onChange;
    if (this.isAsked) return;
    this.isAsked = true;
    const failed = (error: unknown) => {
      if (this.isAbort(error)) this.next = { done: true, value: undefined };
      else this.failure = { error };
      this.wake();
    };
    let asked: unknown;
    try {
      asked = this.iterator.next();
    } catch (error) {
      asked = Promise.reject(error);
    }
    if (this.position === 0) this.onOpened();
    // An iterator of one's own may give what `for await` would take as well: no promise.
    Promise.resolve(asked).then((next) => {
      if (typeof next !== 'object' || next === null) {
        failed(new TypeError(`next() of the iterable gave ${describeValue(next)}, not an object`));
        return;
      }
      this.next = next as IteratorResult<T>;
      this.wake();
    }, failed);
  }

  /** Lets whoever asked look again. */
  wake(): void {
    const { onChange } = this;
    this.onChange = undefined;
    onChange?.();
  }

  throwIfFailed(): void {
    if (this.failure) throw this.failure.error;
  }

  /** A source that is told to end may do so by the error of its signal. */
  private isAbort(error: unknown): boolean {
    return this.ending.signal.aborted && (error as Error | undefined)?.name === 'AbortError';
  }

  take(): void {
    this.next = undefined;
    this.isAsked = false;
    this.position += 1;
  }

  /** The iterable came to its end by itself. */
  end(): void {
    this.isEnded = true;
  }

  /** Asks the iterable to come to its end; what it gives until then is still read. */
  askToEnd(): void {
    this.ending.abort();
  }

  /** Tells the iterable that nobody reads it any longer. It may not answer, so nobody waits. */
  close(): void {
    this.onChange = undefined;
    this.onOpened();
    if (this.isEnded) return;
    this.isEnded = true;
    this.ending.abort();
    const ended = (async () => this.iterator.return?.())();
    // Nothing of it is wanted any longer, and what went wrong before is not to be hidden by it.
    ended.catch((error: unknown) => {
      if (!this.isAbort(error)) log.warn('an async iterable failed when it was closed', error);
    });
  }
}
