// SPDX-License-Identifier: Apache-2.0
// Timers of a DoFn, for each key and window, as parameters of its context.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import { describeValue, type Instant, instantOf, numberOf } from '../coders/index.ts';
import { ParDoParam, undeclared } from './params.ts';

/** Whether a timer waits for the watermark or for the clock. */
export type TimeDomain = 'eventTime' | 'processingTime';

/** What a program asks of a timer. @internal */
export interface TimerRequest {
  readonly tag: string;
  /** Undefined to take back what was asked for. */
  readonly fire: { readonly at: Instant } | { readonly after: number } | undefined;
  readonly outputTimestamp: Instant | undefined;
}

/** Options of {@link TimerParam.set}. */
export interface SetTimerOptions {
  /** Tells timers of one name apart, as many as the program likes. @default '' */
  readonly tag?: string;
  /**
   * The timestamp of what `onTimer` gives; it holds the watermark until then.
   * @default the time of firing; for processing time, the timestamp of the element being processed
   */
  readonly outputTimestamp?: Instant;
}

const OPTIONS: OptionNames<SetTimerOptions> = { tag: true, outputTimestamp: true };

/** A timer that fired: the first argument of `onTimer`. */
export interface TimerFiring<K = unknown> {
  /** The timer's name in the context. */
  readonly timer: string;
  readonly tag: string;
  readonly key: K;
  /** When it was to fire, in milliseconds since 1970. */
  readonly fireTimestamp: Instant;
}

/** A timer of the key and window being processed. */
export class TimerParam extends ParDoParam {
  /** The parameter's name in the context; set when the ParDo is applied. @internal */
  timerName = '';
  /**
   * What runners know it by: no other of the pipeline, since Beam's own Python runner keeps timers by it
   * alone, and two DoFns would take each other's. @internal
   */
  timerId = '';

  constructor(readonly timeDomain: TimeDomain) {
    super();
  }

  /**
   * The time that the timer goes by. In processing time the pipeline's clock, which is a test stream's
   * where there is one: use it in place of `Date.now()`. In event time the timestamp of the element, or
   * the time of the event-time timer that fires.
   */
  now(): Instant {
    if (this.timerId === '') throw undeclared('a timer');
    return this.provider.lookup(this) as Instant;
  }

  /**
   * Calls `onTimer` at this time; a later call replaces it. A fraction of a millisecond is cut off.
   *
   * An event-time timer fires when the watermark reaches its time. A processing-time timer fires when
   * the clock does or when its window is over, whichever is first: in a batch windows are over at the
   * end of the input. Set in a window that is over, as by `onTimer`, it is ignored.
   *
   * @param timestamp - milliseconds since 1970
   * @throws `INVALID_ARGUMENT` when it is no time, and for an event-time timer or an output timestamp
   *   when its window is over by then: after `window.maxTimestamp()` and the allowed lateness
   */
  set(timestamp: Instant, options?: SetTimerOptions): void {
    this.request({ at: instantOf(timestamp, 'the time of a timer') }, options);
  }

  /**
   * Calls `onTimer` so long after {@link now}. In event time that is no later than the end of the
   * window and its allowed lateness. A later call replaces it.
   *
   * @param millis - 0 or more
   * @throws `INVALID_ARGUMENT` when it is no duration
   *
   * @example
   * ```ts
   * due.setRelative(30_000);
   * ```
   */
  setRelative(millis: number, options?: SetTimerOptions): void {
    const given = numberOf(millis);
    if (typeof given !== 'number' || !Number.isFinite(given) || given < 0) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `a timer was set ${describeValue(millis)} milliseconds ahead`,
        { hint: 'Give a duration in milliseconds, 0 or more; set(time) takes a time.' },
      );
    }
    this.request({ after: Math.floor(given) }, options);
  }

  /** Takes back what was set. */
  clear(tag = ''): void {
    this.request(undefined, { tag });
  }

  private request(fire: TimerRequest['fire'], options: SetTimerOptions = {}): void {
    checkOptionNames('the timer', options, OPTIONS);
    const { tag = '', outputTimestamp } = options;
    if (this.timerId === '') throw undeclared('a timer');
    const output =
      outputTimestamp === undefined
        ? undefined
        : instantOf(outputTimestamp, 'the output timestamp of a timer');
    const request: TimerRequest = { tag, fire, outputTimestamp: output };
    this.provider.update(this, request);
  }
}

/**
 * A timer that fires when the watermark reaches its time, to put into a DoFn's context.
 *
 * It is a family: timers set with different tags are different timers, as many as the data asks for.
 * `onTimer` is told the name in the context and the tag.
 *
 * @example
 * ```ts
 * const doFn: DoFn<KV<string, Order>, string, { due: TimerParam }> = {
 *   process({ value: order }, { due }) {
 *     due.set(order.dueAt, { tag: order.id });
 *     if (order.paid) due.clear(order.id);
 *   },
 *   onTimer: ({ key, tag }) => [`${key} has not paid ${tag}`],
 * };
 * orders.apply(parDo(doFn, { due: eventTimeTimer() }));
 * ```
 */
export function eventTimeTimer(): TimerParam {
  return new TimerParam('eventTime');
}

/**
 * A timer that fires when the clock reaches its time, to put into a DoFn's context; a family of timers
 * by tag, as {@link eventTimeTimer} is.
 *
 * @example
 * ```ts
 * const doFn: DoFn<KV<string, Order>, string, { poll: TimerParam }> = {
 *   process: (_, { poll }) => poll.setRelative(10_000),
 *   onTimer: ({ key }) => [`look at ${key}`],
 * };
 * ```
 */
export function processingTimeTimer(): TimerParam {
  return new TimerParam('processingTime');
}
