// SPDX-License-Identifier: Apache-2.0
// Timers of a DoFn, for each key and window, as parameters of its context.

import { BeamBridgeError } from '../base/index.ts';
import type { Instant } from '../coders/index.ts';
import { ParDoParam, undeclared } from './params.ts';

/** Whether a timer waits for the watermark or for the clock. */
export type TimeDomain = 'eventTime' | 'processingTime';

/** What a program asks of a timer. @internal */
export interface TimerRequest {
  readonly tag: string;
  /** Undefined to take back what was asked for. */
  readonly fireTimestamp: Instant | undefined;
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
  timerId = '';

  constructor(readonly timeDomain: TimeDomain) {
    super();
  }

  /**
   * Calls `onTimer` at this time; a later call replaces it.
   *
   * @param timestamp - milliseconds since 1970
   * @throws `INVALID_ARGUMENT` when it is no number
   */
  set(timestamp: Instant, { tag = '', outputTimestamp }: SetTimerOptions = {}): void {
    for (const given of [timestamp, outputTimestamp ?? 0]) {
      if (typeof given === 'number' && Number.isFinite(given)) continue;
      throw new BeamBridgeError('INVALID_ARGUMENT', `a timer was set to ${String(given)}`, {
        hint: 'A timestamp is a number of milliseconds since 1970: use date.getTime() for a Date.',
      });
    }
    this.request({ tag, fireTimestamp: Math.floor(timestamp), outputTimestamp });
  }

  /** Takes back what was set. */
  clear(tag = ''): void {
    this.request({ tag, fireTimestamp: undefined, outputTimestamp: undefined });
  }

  private request(request: TimerRequest): void {
    if (this.timerId === '') throw undeclared('a timer');
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
 */
export function processingTimeTimer(): TimerParam {
  return new TimerParam('processingTime');
}
