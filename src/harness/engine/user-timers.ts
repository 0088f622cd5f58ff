// SPDX-License-Identifier: Apache-2.0
// The timers of one DoFn in one bundle: those that it sets go out when the bundle ends, those that
// fired come in.

import { BeamBridgeError, ByteReader, ByteWriter } from '../../base/index.ts';
import type { Coder, KV, Timer, WindowedValue } from '../../coders/index.ts';
import type { TimerParam, TimerRequest } from '../../pipeline/index.ts';
import type { BundleScope } from './scope.ts';

interface Family {
  readonly coder: Coder<Timer<unknown>>;
  readonly out: ByteWriter;
}

/** Timers of one operator by family: a family is one timer of the context. */
export class UserTimers {
  private readonly families = new Map<string, Family>();

  constructor(
    private readonly transformId: string,
    families: readonly string[],
    coder: Coder<Timer<unknown>> | undefined,
    private readonly scope: BundleScope,
  ) {
    for (const id of coder ? families : []) {
      this.families.set(id, { coder: coder!, out: new ByteWriter() });
    }
  }

  startBundle(): void {
    for (const { out } of this.families.values()) out.reset();
  }

  /** Sets or clears a timer for the key and window of an element. */
  request(
    { timerId, timeDomain }: TimerParam,
    { tag, fireTimestamp, outputTimestamp }: TimerRequest,
    element: WindowedValue<unknown>,
  ): void {
    const { coder, out } = this.family(timerId);
    const { pane, timestamp } = element;
    const base = {
      userKey: (element.value as KV<unknown, unknown>).key,
      dynamicTimerTag: tag,
      windows: element.windows,
    };
    if (fireTimestamp === undefined) {
      coder.encode({ ...base, clearBit: true }, out, true);
      return;
    }
    const usual = timeDomain === 'eventTime' ? fireTimestamp : timestamp;
    const holdTimestamp = outputTimestamp ?? usual;
    coder.encode({ ...base, clearBit: false, fireTimestamp, holdTimestamp, pane }, out, true);
  }

  /** Timers that fired, in the bytes that the runner sent. */
  decode(timerId: string, data: Uint8Array): Timer<unknown>[] {
    const { coder } = this.family(timerId);
    const input = new ByteReader(data);
    const timers: Timer<unknown>[] = [];
    while (!input.done) timers.push(coder.decode(input, true));
    return timers;
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
