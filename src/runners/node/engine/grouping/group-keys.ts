// SPDX-License-Identifier: Apache-2.0
// What tells groups apart: a key's bytes, as Beam says. Keys whose bytes differ exactly when they
// differ in a Map stand for themselves, which saves encoding them.

import {
  BytesOf,
  type Coder,
  DoubleCoder,
  Float32Coder,
  GlobalWindow,
  IntervalWindow,
  isWellFormed,
  JsCoder,
  StrUtf8Coder,
  VarIntCoder,
  type Window,
} from '../../../../coders/index.ts';

/** Whether a key may stand for itself. All keys of one group must, or none. */
type StandsForItself = (key: unknown) => boolean;

function standsForItself(coder: Coder<unknown>): StandsForItself {
  // A Map takes 0 and -0 for one key and all NaN for one, so do varints and deterministic JS keys.
  if (coder instanceof JsCoder) {
    const { deterministic } = coder;
    return (key) =>
      typeof key === 'string' || (typeof key === 'number' && (key !== 0 || deterministic));
  }
  if (coder instanceof StrUtf8Coder) return (key) => typeof key === 'string';
  // Several doubles are one key as a float32.
  if (coder instanceof Float32Coder) return () => false;
  // For a double 0 and -0 are two keys.
  if (coder instanceof DoubleCoder) return (key) => typeof key === 'number' && key !== 0;
  // One that makes bigints takes numbers as well: 1 and 1n are one key.
  if (coder instanceof VarIntCoder && !coder.bigint) return (key) => Number.isSafeInteger(key);
  return () => false;
}

/** Something for each key. */
export class KeyIndex<T> {
  private readonly plain = new Map<unknown, T>();
  private readonly encoded = new Map<string, T>();
  private readonly standsForItself: StandsForItself;
  private readonly bytes: BytesOf<unknown>;
  /** Bytes of the key looked for last; undefined when it stands for itself. */
  private lastBytes: string | undefined;

  constructor(keyCoder: Coder<unknown>) {
    this.standsForItself = standsForItself(keyCoder);
    this.bytes = new BytesOf(keyCoder);
  }

  get size(): number {
    return this.plain.size + this.encoded.size;
  }

  find(key: unknown): T | undefined {
    if (this.standsForItself(key)) {
      this.lastBytes = undefined;
      return this.plain.get(key);
    }
    this.lastBytes = this.bytes.of(key);
    return this.encoded.get(this.lastBytes);
  }

  /** Adds for the key that {@link find} was asked for just now. */
  addFound(key: unknown, entry: T): void {
    if (this.lastBytes !== undefined) {
      this.encoded.set(this.lastBytes, entry);
      return;
    }
    // Of the keys that stand for themselves, coders refuse only this.
    if (typeof key === 'string' && !isWellFormed(key)) this.bytes.check(key);
    this.plain.set(key, entry);
  }

  delete(key: unknown): void {
    if (this.standsForItself(key)) this.plain.delete(key);
    else this.encoded.delete(this.bytes.of(key));
  }

  *values(): Generator<T, void, undefined> {
    for (const table of this.tables()) yield* table;
  }

  /** All entries, in tables: where there may be millions, a generator around them takes its time. */
  tables(): Iterable<T>[] {
    return [this.plain.values(), this.encoded.values()];
  }

  clear(): void {
    this.plain.clear();
    this.encoded.clear();
  }
}

/** Tells windows apart. */
export class WindowNames {
  private readonly bytes: BytesOf<unknown>;
  private last: Window | undefined;
  private lastName = '';

  constructor(windowCoder: Coder<unknown>) {
    this.bytes = new BytesOf(windowCoder);
  }

  of(window: Window): string {
    if (window === this.last) return this.lastName;
    this.last = window;
    this.lastName =
      window === GlobalWindow.INSTANCE
        ? ''
        : window instanceof IntervalWindow
          ? `${window.start},${window.end}`
          : this.bytes.of(window);
    return this.lastName;
  }
}
