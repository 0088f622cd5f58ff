// SPDX-License-Identifier: Apache-2.0
// Puts each element into windows by its timestamp.

import { BeamBridgeError } from '../../../base/index.ts';
import {
  describeValue,
  GlobalWindow,
  type Window,
  type WindowedValue,
} from '../../../coders/index.ts';
import { counter, type WindowFn } from '../../../pipeline/index.ts';
import { isGlobal } from '../../../transforms/index.ts';
import { type TransformInfo, userError } from '../errors.ts';
import { type MonitoringInfo, UserMetrics } from '../metrics.ts';
import { type Operator, type Receiver, withValue } from '../operator.ts';
import type { MaybePromise } from '../types.ts';
import type { WindowKinds } from '../window-kinds.ts';

const DROPPED = counter('droppedInNoWindow');

export class AssignWindows implements Operator {
  private readonly metrics: UserMetrics;
  /** Whether there is but one window, in which nearly all elements are already. */
  private readonly isGlobal: boolean;

  constructor(
    readonly transformId: string,
    readonly inputs: readonly string[],
    private readonly windowFn: WindowFn,
    /** Of a function that the user wrote. */
    private readonly kinds: WindowKinds | undefined,
    private readonly out: Receiver,
    private readonly info: TransformInfo,
  ) {
    this.metrics = new UserMetrics(transformId, info.transform);
    this.isGlobal = isGlobal(windowFn);
  }

  startBundle(): void {
    this.metrics.reset();
  }

  process(element: WindowedValue<unknown>): MaybePromise<void> {
    return this.isDone(element) ? this.out.receive(element) : this.assign(element);
  }

  processValue(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    return this.isDone(from)
      ? this.out.receiveValue(value, from)
      : this.assign(withValue(from, value));
  }

  private isDone({ windows }: WindowedValue<unknown>): boolean {
    return this.isGlobal && windows.length === 1 && windows[0] instanceof GlobalWindow;
  }

  private assign(element: WindowedValue<unknown>): MaybePromise<void> {
    const { value, timestamp, pane } = element;
    const windows = this.windowsOf(element);
    const before = element.windows.length;
    if (windows.length === 0) {
      // As in Beam: what is in no window is nowhere. Sliding windows with gaps take samples so.
      this.metrics.update(DROPPED, before);
      return;
    }
    const isThere = windows.length === 1 && before === 1 && windows[0] === element.windows[0];
    const out = isThere ? element : { value, timestamp, windows, pane };
    return before > 1 ? this.repeat(out, before) : this.out.receive(out);
  }

  /** An element in several windows is as many elements, each of which is put into new ones. */
  private async repeat(element: WindowedValue<unknown>, times: number): Promise<void> {
    for (let i = 0; i < times; i++) await this.out.receive(element);
  }

  private windowsOf({ timestamp, value }: WindowedValue<unknown>): Window[] {
    let windows: unknown;
    try {
      windows = this.windowFn.assignWindows(timestamp, value);
    } catch (error) {
      throw userError(error, this.info);
    }
    if (Array.isArray(windows)) {
      this.kinds?.check(windows);
      return windows as Window[];
    }
    throw new BeamBridgeError(
      'USER_CODE_FAILED',
      `assignWindows gave ${describeValue(windows)}, where an array of windows was expected`,
      { ...this.info, hint: 'Return an array; an element in no window, [], is dropped.' },
    );
  }

  monitoringInfos(): MonitoringInfo[] {
    return this.metrics.monitoringInfos();
  }
}
