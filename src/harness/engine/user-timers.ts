// SPDX-License-Identifier: Apache-2.0
// The timers of one DoFn in one bundle: those that it sets go out when the bundle ends, those that
// fired come in. One that fired and is set anew or taken back before its turn has come fires no more.

import { BeamBridgeError, ByteReader, ByteWriter } from '../../base/index.ts';
import {
  BytesOf,
  type Coder,
  type Instant,
  type KV,
  MAX_TIMESTAMP,
  type Timer,
  type Window,
  type WindowedValue,
} from '../../coders/index.ts';
import { type TimerParam, type TimerRequest, windowExpiry } from '../../pipeline/index.ts';
import type { BundleScope } from './scope.ts';

interface Family {
  readonly coder: Coder<Timer<unknown>>;
  readonly out: ByteWriter;
  readonly ids: BytesOf<Timer<unknown>>;
  /** Timers that the bundle has set or cleared, as far as it was looked: into {@link out} up to here. */
  readonly changed: Set<string>;
  lookedAt: number;
}

/** An element, or what stands for one while a timer fires. */
export interface TimedElement extends WindowedValue<unknown> {
  /** When the event-time timer that fires was to fire. */
  readonly firedAt?: Instant | undefined;
}

/** Timers of one operator by family: a family is one timer of the context. */
export class UserTimers {
  private readonly families = new Map<string, Family>();

  constructor(
    private readonly transformId: string,
    private readonly timers: ReadonlyMap<string, TimerParam>,
    coder: Coder<Timer<unknown>> | undefined,
    private readonly scope: BundleScope,
    /** Of the windows, in milliseconds. */
    private readonly allowedLateness: number,
  ) {
    for (const id of coder ? timers.keys() : []) {
      this.families.set(id, {
        coder: coder!,
        out: new ByteWriter(),
        ids: new BytesOf(coder!),
        changed: new Set(),
        lookedAt: 0,
      });
    }
  }

  startBundle(): void {
    for (const family of this.families.values()) {
      family.out.reset();
      family.changed.clear();
      family.lookedAt = 0;
    }
  }

  /** The time that a timer goes by. */
  now({ timeDomain }: TimerParam, element: TimedElement): Instant {
    return timeDomain === 'processingTime'
      ? this.scope.now()
      : (element.firedAt ?? element.timestamp);
  }

  /**
   * Sets or clears a timer for the key and window of an element.
   *
   * @throws `INVALID_ARGUMENT` for what comes after the window is over
   */
  request(param: TimerParam, request: TimerRequest, element: TimedElement): void {
    const { timerId, timerName, timeDomain } = param;
    const { tag, fire, outputTimestamp } = request;
    const { coder, out } = this.family(timerId);
    const { pane, timestamp } = element;
    const base = {
      userKey: (element.value as KV<unknown, unknown>).key,
      dynamicTimerTag: tag,
      windows: element.windows,
    };
    if (!fire) {
      coder.encode({ ...base, clearBit: true }, out, true);
      return;
    }
    const window = element.windows[0]!;
    const expiry = windowExpiry(window, this.allowedLateness);
    const inEventTime = timeDomain === 'eventTime';
    if ('at' in fire && inEventTime) this.check(`timer ${timerName}`, fire.at, expiry, window);
    if (outputTimestamp !== undefined) {
      this.check(`the output timestamp of timer ${timerName}`, outputTimestamp, expiry, window);
    }
    const wanted = 'at' in fire ? fire.at : this.now(param, element) + fire.after;
    const fireTimestamp = Math.min(wanted, inEventTime ? expiry : MAX_TIMESTAMP);
    const usual = inEventTime ? fireTimestamp : timestamp;
    const holdTimestamp = outputTimestamp ?? usual;
    coder.encode({ ...base, clearBit: false, fireTimestamp, holdTimestamp, pane }, out, true);
  }

  private check(what: string, time: Instant, expiry: Instant, window: Window): void {
    if (time <= expiry) return;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${what} was set to ${time}, when its window ${String(window)} is over: that is so after ${expiry}`,
      {
        hint: 'A window and its state end with its last instant, window.maxTimestamp(), and the allowed lateness. Set it to that at most, or with setRelative(…), or use the global window.',
      },
    );
  }

  /** Timers that fired, in the bytes that the runner sent. */
  decode(timerId: string, data: Uint8Array): Timer<unknown>[] {
    const { coder } = this.family(timerId);
    const input = new ByteReader(data);
    const timers: Timer<unknown>[] = [];
    while (!input.done) timers.push(coder.decode(input, true));
    return timers;
  }

  /**
   * Whether the bundle has set anew or cleared a timer of one window that came in as fired. The runner
   * took it away when it sent it, so what was asked for since is all that counts of it, as in Java's
   * harness.
   */
  isChanged(
    timerId: string,
    { userKey, dynamicTimerTag }: Timer<unknown>,
    window: Window,
  ): boolean {
    const family = this.family(timerId);
    // Bundles into which no timers come, most of those that set some, never look.
    const input = new ByteReader(family.out.view().subarray(family.lookedAt));
    family.lookedAt = family.out.length;
    while (!input.done) {
      const { userKey, dynamicTimerTag, windows } = family.coder.decode(input, true);
      for (const each of windows) family.changed.add(idOf(family, userKey, dynamicTimerTag, each));
    }
    if (family.changed.size === 0) return false;
    return family.changed.has(idOf(family, userKey, dynamicTimerTag, window));
  }

  /** Whether the timer waits for the watermark. */
  isEventTime(timerId: string): boolean {
    return this.timers.get(timerId)?.timeDomain === 'eventTime';
  }

  /** What the timer is called in the context. */
  nameOf(timerId: string): string {
    return this.timers.get(timerId)?.timerName ?? timerId;
  }

  private family(timerId: string): Family {
    const family = this.families.get(timerId);
    if (family) return family;
    throw new BeamBridgeError('HARNESS_PROTOCOL', `there is no timer ${JSON.stringify(timerId)}`);
  }

  /** Sends what was set. A family of which nothing was set says so, for the runner waits for it. */
  async commit(): Promise<void> {
    const { output } = this.scope.io;
    for (const [timerId, { out }] of this.families) {
      await output.closeTimers?.(this.transformId, timerId, out.take());
    }
  }
}

/** What tells a timer apart from the others of its family. */
function idOf({ ids }: Family, userKey: unknown, dynamicTimerTag: string, window: Window): string {
  return ids.of({ userKey, dynamicTimerTag, windows: [window], clearBit: true });
}
