// SPDX-License-Identifier: Apache-2.0
// Questions about windows that a runner cannot answer by itself, because the window function is the
// user's: which windows merge, and which window of a side input belongs to a main one. The runner
// sends windows as elements, under a nonce that goes back with the answer.

import { BytesOf, type KV, type Window, type WindowedValue } from '../../../coders/index.ts';
import type { WindowFn } from '../../../pipeline/index.ts';
import { type TransformInfo, userError } from '../errors.ts';
import { type Operator, type Receiver, withValue } from '../operator.ts';
import type { MaybePromise } from '../types.ts';
import { sideInputWindow } from '../window-fns.ts';

/** Answers one kind of question. */
export class WindowQuestion implements Operator {
  constructor(
    readonly transformId: string,
    readonly inputs: readonly string[],
    private readonly answer: (question: unknown) => unknown,
    private readonly out: Receiver,
    private readonly info: TransformInfo,
  ) {}

  process(element: WindowedValue<unknown>): MaybePromise<void> {
    const { key, value } = element.value as KV<unknown, unknown>;
    let answer: unknown;
    try {
      answer = this.answer(value);
    } catch (error) {
      throw userError(error, this.info);
    }
    return this.out.receive(withValue(element, { key, value: answer }));
  }
}

/** From a main window to the side input's. */
export function mapWindow(windowFn: WindowFn): (window: unknown) => Window {
  return (window) => sideInputWindow(windowFn, window as Window);
}

/** From windows to those that stay alone, and those that became others. */
export function mergeWindows(windowFn: WindowFn) {
  const names = new BytesOf(windowFn.windowCoder());
  const identity = (window: Window) => names.of(window);
  return (given: unknown): KV<Window[], KV<Window, Window[]>[]> => {
    const alone = new Map([...(given as Iterable<Window>)].map((w) => [identity(w), w]));
    const merges = windowFn.mergeWindows?.([...alone.values()]) ?? [];
    const merged = merges.map(({ from, to }) => {
      for (const window of from) alone.delete(identity(window));
      return { key: to, value: from };
    });
    return { key: [...alone.values()], value: merged };
  };
}
