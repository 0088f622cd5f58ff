// SPDX-License-Identifier: Apache-2.0
// Puts each element into windows by its timestamp.

import { BeamBridgeError } from '../../../base/index.ts';
import type { WindowedValue } from '../../../coders/index.ts';
import type { WindowFn } from '../../../pipeline/index.ts';
import { type TransformInfo, userError } from '../errors.ts';
import type { Operator, Receiver } from '../operator.ts';
import type { MaybePromise } from '../types.ts';

export class AssignWindows implements Operator {
  constructor(
    readonly transformId: string,
    readonly inputs: readonly string[],
    private readonly windowFn: WindowFn,
    private readonly out: Receiver,
    private readonly info: TransformInfo,
  ) {}

  process(element: WindowedValue<unknown>): MaybePromise<void> {
    const { value, timestamp, pane } = element;
    const windows = this.windowsOf(element);
    const before = element.windows.length;
    const isThere = windows.length === 1 && before === 1 && windows[0] === element.windows[0];
    const out = isThere ? element : { value, timestamp, windows, pane };
    return before > 1 ? this.repeat(out, before) : this.out.receive(out);
  }

  /** An element in several windows is as many elements, each of which is put into new ones. */
  private async repeat(element: WindowedValue<unknown>, times: number): Promise<void> {
    for (let i = 0; i < times; i++) await this.out.receive(element);
  }

  private windowsOf({ timestamp, value }: WindowedValue<unknown>) {
    try {
      const windows = this.windowFn.assignWindows(timestamp, value);
      if (windows.length > 0) return windows;
    } catch (error) {
      throw userError(error, this.info);
    }
    throw new BeamBridgeError('USER_CODE_FAILED', 'the window function assigned no window', {
      ...this.info,
      hint: 'assignWindows must return at least one window; filter elements out before windowInto.',
    });
  }
}
