// SPDX-License-Identifier: Apache-2.0
// Coders of windows.

import type { ByteReader, ByteWriter } from '../base/index.ts';
import { urns } from '../proto/index.ts';
import type { Coder, CoderSpec } from './coder.ts';
import { malformed, mismatch } from './describe.ts';
import {
  exactMillis,
  readExactMillis,
  readInstant,
  writeExactMillis,
  writeInstant,
} from './instant.ts';
import { GlobalWindow, type Instant, IntervalWindow, type Window } from './values.ts';

/** `beam:coder:global_window:v1`: no bytes at all. */
export class GlobalWindowCoder implements Coder<GlobalWindow> {
  readonly name = 'global_window';
  readonly deterministic = true;

  encode(value: GlobalWindow): void {
    if (!(value instanceof GlobalWindow)) throw mismatch(this.name, value);
  }

  decode(): GlobalWindow {
    return GlobalWindow.INSTANCE;
  }

  spec(): CoderSpec {
    return { urn: urns.StandardCoders_Enum.GLOBAL_WINDOW };
  }
}

/** `beam:coder:interval_window:v1`: the end as an instant, then the length in milliseconds. */
export class IntervalWindowCoder implements Coder<IntervalWindow> {
  readonly name = 'interval_window';
  readonly deterministic = true;

  encode(value: IntervalWindow, out: ByteWriter): void {
    if (!(value instanceof IntervalWindow)) throw mismatch(this.name, value);
    const span = value.end - value.start;
    if (isSafe(value.start) && isSafe(value.end) && isSafe(span)) {
      writeInstant(value.end, out);
      out.varint(span);
      return;
    }
    const end = exactMillis(value.end);
    writeExactMillis(end, out);
    out.varint64(end - exactMillis(value.start));
  }

  decode(input: ByteReader): IntervalWindow {
    const at = input.position;
    const end = readInstant(input);
    const span = input.signedVarint();
    if (span !== undefined && span >= 0 && isSafe(end) && isSafe(end - span)) {
      return new IntervalWindow(end - span, end);
    }
    input.seek(at);
    const exactEnd = readExactMillis(input);
    const exactSpan = input.varint64();
    if (exactSpan < 0n) throw malformed('a window has a negative length');
    return new IntervalWindow(Number(exactEnd - exactSpan), end);
  }

  spec(): CoderSpec {
    return { urn: urns.StandardCoders_Enum.INTERVAL_WINDOW };
  }
}

/**
 * `beam:coder:custom_window:v1`: a window's last instant in front of the window itself, so that a
 * runner that does not know the window's type can still tell when it ends.
 */
export class CustomWindowCoder<W extends Window> implements Coder<W> {
  readonly name: string;
  readonly deterministic: boolean;

  constructor(readonly window: Coder<W>) {
    this.name = `custom_window<${window.name}>`;
    this.deterministic = window.deterministic;
  }

  encode(value: W, out: ByteWriter, nested: boolean): void {
    if (value instanceof IntervalWindow && !isSafe(value.end)) {
      // One less than a big end has no double of its own.
      writeExactMillis(exactMillis(value.end) - 1n, out);
    } else {
      writeInstant(value.maxTimestamp(), out);
    }
    this.window.encode(value, out, nested);
  }

  decode(input: ByteReader, nested: boolean): W {
    readInstant(input);
    return this.window.decode(input, nested);
  }

  spec(): CoderSpec {
    return {
      urn: urns.StandardCoders_Enum.CUSTOM_WINDOW,
      components: [this.window],
    };
  }
}

function isSafe(instant: Instant): boolean {
  return Number.isSafeInteger(instant);
}
