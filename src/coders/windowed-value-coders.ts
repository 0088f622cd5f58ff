// SPDX-License-Identifier: Apache-2.0
// Coders of elements with their time, windows and pane, and of timers.

import { ByteReader, ByteWriter } from '../base/index.ts';
import { urns } from '../proto/index.ts';
import type { Coder, CoderSpec } from './coder.ts';
import { malformed, mismatch } from './describe.ts';
import { readInstant, writeInstant } from './instant.ts';
import { readPane, writePane } from './pane.ts';
import { readBool } from './primitive-coders.ts';
import { readText, requireWellFormed } from './text.ts';
import type { Timer, Window, WindowedValue } from './values.ts';

function writeWindows<W extends Window>(
  windows: readonly W[],
  coder: Coder<W>,
  out: ByteWriter,
): void {
  out.int32(windows.length);
  for (const window of windows) coder.encode(window, out, true);
}

function readWindows<W extends Window>(input: ByteReader, coder: Coder<W>): W[] {
  const count = input.int32();
  // Only the global window has no bytes, and no element is in that one twice.
  if (count < 0 || count > Math.max(1, input.remaining)) {
    throw malformed(`an element is in ${count} windows`);
  }
  const windows: W[] = [];
  for (let i = 0; i < count; i++) windows.push(coder.decode(input, true));
  return windows;
}

/** `beam:coder:windowed_value:v1`: timestamp, windows, pane, then the value. */
export class WindowedValueCoder<T, W extends Window = Window> implements Coder<WindowedValue<T>> {
  readonly name: string;
  readonly deterministic: boolean;

  constructor(
    readonly value: Coder<T>,
    readonly window: Coder<W>,
  ) {
    this.name = `windowed_value<${value.name}, ${window.name}>`;
    this.deterministic = value.deterministic && window.deterministic;
  }

  encode(element: WindowedValue<T>, out: ByteWriter, nested: boolean): void {
    writeInstant(element.timestamp, out);
    writeWindows(element.windows as readonly W[], this.window, out);
    writePane(element.pane, out);
    this.value.encode(element.value, out, nested);
  }

  decode(input: ByteReader, nested: boolean): WindowedValue<T> {
    const timestamp = readInstant(input);
    const windows = readWindows(input, this.window);
    const pane = readPane(input);
    return { value: this.value.decode(input, nested), timestamp, windows, pane };
  }

  spec(): CoderSpec {
    const components = [this.value, this.window];
    return { urn: urns.StandardCoders_Enum.WINDOWED_VALUE, components };
  }
}

/**
 * `beam:coder:param_windowed_value:v1`: the value alone; its timestamp, windows and pane are the
 * same for all elements and stand in the coder's payload.
 */
export class ParamWindowedValueCoder<T, W extends Window = Window>
  implements Coder<WindowedValue<T>>
{
  readonly name: string;
  readonly deterministic: boolean;
  private readonly constant: Omit<WindowedValue<T>, 'value'>;

  constructor(
    readonly value: Coder<T>,
    readonly window: Coder<W>,
    private readonly payload: Uint8Array,
  ) {
    this.name = `param_windowed_value<${value.name}, ${window.name}>`;
    this.deterministic = value.deterministic;
    const input = new ByteReader(payload);
    this.constant = {
      timestamp: readInstant(input),
      windows: readWindows(input, window),
      pane: readPane(input),
    };
  }

  /** A coder that gives each decoded value the time, windows and pane of `constant`. */
  static of<T, W extends Window>(
    value: Coder<T>,
    window: Coder<W>,
    constant: Omit<WindowedValue<unknown>, 'value'>,
  ): ParamWindowedValueCoder<T, W> {
    const out = new ByteWriter();
    writeInstant(constant.timestamp, out);
    writeWindows(constant.windows as readonly W[], window, out);
    writePane(constant.pane, out);
    // Beam writes a whole windowed value here, the value itself being empty bytes.
    out.byte(0);
    return new ParamWindowedValueCoder(value, window, out.take());
  }

  encode(element: WindowedValue<T>, out: ByteWriter, nested: boolean): void {
    this.value.encode(element.value, out, nested);
  }

  decode(input: ByteReader, nested: boolean): WindowedValue<T> {
    return { value: this.value.decode(input, nested), ...this.constant };
  }

  spec(): CoderSpec {
    const components = [this.value, this.window];
    return {
      urn: urns.StandardCoders_Enum.PARAM_WINDOWED_VALUE,
      payload: this.payload,
      components,
    };
  }
}

/** `beam:coder:timer:v1`: a timer that is set, or cleared. */
export class TimerCoder<K, W extends Window = Window> implements Coder<Timer<K>> {
  readonly name: string;
  readonly deterministic: boolean;

  constructor(
    readonly key: Coder<K>,
    readonly window: Coder<W>,
  ) {
    this.name = `timer<${key.name}, ${window.name}>`;
    this.deterministic = key.deterministic && window.deterministic;
  }

  encode(timer: Timer<K>, out: ByteWriter): void {
    if (typeof timer?.dynamicTimerTag !== 'string') throw mismatch(this.name, timer);
    this.key.encode(timer.userKey, out, true);
    requireWellFormed(timer.dynamicTimerTag);
    out.prefixedUtf8(timer.dynamicTimerTag);
    writeWindows(timer.windows as readonly W[], this.window, out);
    out.byte(timer.clearBit ? 1 : 0);
    if (timer.clearBit) return;
    writeInstant(timer.fireTimestamp, out);
    writeInstant(timer.holdTimestamp, out);
    writePane(timer.pane, out);
  }

  decode(input: ByteReader): Timer<K> {
    const userKey = this.key.decode(input, true);
    const dynamicTimerTag = readText(input, input.varint());
    const windows = readWindows(input, this.window);
    if (readBool(input)) return { userKey, dynamicTimerTag, windows, clearBit: true };
    const fireTimestamp = readInstant(input);
    const holdTimestamp = readInstant(input);
    const pane = readPane(input);
    return {
      userKey,
      dynamicTimerTag,
      windows,
      clearBit: false,
      fireTimestamp,
      holdTimestamp,
      pane,
    };
  }

  spec(): CoderSpec {
    const components = [this.key, this.window];
    return { urn: urns.StandardCoders_Enum.TIMER, components };
  }
}
