// SPDX-License-Identifier: Apache-2.0
// The user's functions on elements, as ParDos take them, and what those may output.

import type { Asking } from '../base/index.ts';
import { type Instant, instantOf, type WindowedValue } from '../coders/index.ts';
import type { TimerFiring } from './timers.ts';

type Awaitable<T> = T | PromiseLike<T>;
/**
 * Several outputs of one call: iterables and async iterables, generators included. A string is none,
 * though one can iterate over its characters.
 */
export type Outputs<O> = (Iterable<O> & object) | AsyncIterable<O>;

declare const TIMESTAMPED: unique symbol;
declare const TAGGED: unique symbol;
/** A {@link TimestampedValue}, for the compiler only, which must not take `{ value }` for one. */
interface Timestamped<T> {
  readonly [TIMESTAMPED]: T;
}
/** A {@link TaggedOutput}, likewise. */
interface Tagged<T> {
  readonly [TAGGED]: T;
}
/** What a function on elements may give for an output of type `O`; `X` goes to other outputs. */
export type Output<O, X = unknown> = O | Timestamped<O> | Tagged<X>;

/** Takes the context as a second argument when there is one. */
type WithContext<T, C, R> = (element: T, context: C) => R;
export type MapFn<T, O, C = undefined, X = unknown> = WithContext<T, C, Awaitable<Output<O, X>>>;
/** May return nothing for an element without outputs, and promises of outputs, which are awaited. */
export type FlatMapFn<T, O, C = undefined, X = unknown> = WithContext<
  T,
  C,
  Awaitable<Outputs<Awaitable<Output<O, X>>> | undefined>
>;
export type PredicateFn<T, C = undefined> = WithContext<T, C, Awaitable<boolean>>;

/** The key of key-values. */
export type KeyOf<T> = T extends { key: infer K; value: unknown } ? K : unknown;

/** In place of a DoFn's `setup`, for steps of this package that stop waiting when nobody wants them. @internal */
export const setUpFor: unique symbol = Symbol('setUpFor');

/** Marks a DoFn that wants only elements that will not change any more: Beam's `@RequiresStableInput`. @internal */
export const stableInput: unique symbol = Symbol('stableInput');

/**
 * A function on elements with a life of its own. All methods may be async; `process` and
 * `finishBundle` may be generators or async generators.
 *
 * Order of calls, on each worker: `setup`, then for each bundle `startBundle`, `process` for each
 * element, `finishBundle`, and at the end `teardown`.
 * Source: https://beam.apache.org/documentation/programming-guide/#requirements-for-writing-user-code-for-beam-transforms
 */
export interface DoFn<InputT, OutputT, ContextT = undefined> {
  beamName?: string;
  /**
   * Makes an object for one bundle at a time, on which everything else is called. Without it the object itself is
   * used, and several bundles of an engine that runs some at once (Flink's, in one worker) wait for each other
   * where it has a `startBundle` or `finishBundle`.
   */
  forBundle?(): DoFn<InputT, OutputT, ContextT>;
  setup?(): Awaitable<void>;
  /** @internal */
  [setUpFor]?(asking: Asking): Awaitable<void>;
  /** @internal */
  readonly [stableInput]?: true;
  startBundle?(context: ContextT): Awaitable<void>;
  process(
    element: InputT,
    context: ContextT,
    // biome-ignore lint/suspicious/noConfusingVoidType: a method that outputs nothing returns nothing
  ): Awaitable<Outputs<OutputT | DoFnOutput<OutputT>> | void>;
  /** Called when a timer of the context fires. Its outputs get the timer's output timestamp. */
  onTimer?(
    timer: TimerFiring<KeyOf<InputT>>,
    context: ContextT,
    // biome-ignore lint/suspicious/noConfusingVoidType: as above
  ): Awaitable<Outputs<OutputT | DoFnOutput<OutputT>> | void>;
  // biome-ignore lint/suspicious/noConfusingVoidType: as above
  finishBundle?(context: ContextT): Awaitable<Outputs<WindowedValue<OutputT>> | void>;
  teardown?(): Awaitable<void>;
}

/** What a DoFn may output in place of a plain value. */
export type DoFnOutput<T> = TaggedOutput<unknown> | TimestampedValue<T>;

/** A value for another output than the main one. */
export class TaggedOutput<T> {
  declare readonly [TAGGED]: T;
  constructor(
    readonly tag: string,
    readonly value: T | TimestampedValue<T>,
  ) {}
}

/** A value with a timestamp of its own, in milliseconds since the epoch. */
export class TimestampedValue<T> {
  declare readonly [TIMESTAMPED]: T;
  readonly timestamp: Instant;

  /**
   * @param timestamp - a fraction of a millisecond is cut off
   * @throws `INVALID_ARGUMENT` for what is no time
   */
  constructor(
    readonly value: T,
    timestamp: Instant,
  ) {
    this.timestamp = Number.isSafeInteger(timestamp)
      ? timestamp
      : instantOf(timestamp, 'the timestamp of an output');
  }
}

/** Outputs `value` to the output `tag` of a ParDo {@link ParDo.withOutputs | with outputs}. */
export function tagged<T>(tag: string, value: T | TimestampedValue<T>): TaggedOutput<T> {
  return new TaggedOutput(tag, value);
}

/**
 * Outputs `value` with a timestamp (milliseconds since the epoch) other than its input's. A fraction
 * of a millisecond is cut off.
 *
 * @throws `INVALID_ARGUMENT` for what is no time, such as the NaN of a date that does not parse
 */
export function timestamped<T>(value: T, timestamp: Instant): TimestampedValue<T> {
  return new TimestampedValue(value, timestamp);
}
