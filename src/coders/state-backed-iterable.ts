// SPDX-License-Identifier: Apache-2.0
// The values of one key when they are too many for one message: the first come inline, the rest
// are read from the runner's state while the user iterates.

import { BeamBridgeError, ByteReader } from '../base/index.ts';
import type { Coder } from './coder.ts';

/**
 * Fetches what a state token stands for: encoded values one after another, in chunks that may be
 * cut anywhere. Called once per iteration, so caching is its own affair.
 */
export type StateReader = (token: Uint8Array) => AsyncIterable<Uint8Array>;

/**
 * Values of which some may still lie in the runner's state.
 *
 * `for await` always works, any number of times. A plain `for` works when all values came inline,
 * or after {@link load}.
 */
export class StateBackedIterable<T> implements Iterable<T>, AsyncIterable<T> {
  private values: T[];
  private rest: Uint8Array | undefined;

  constructor(
    inline: T[],
    private readonly element: Coder<T>,
    token?: Uint8Array,
    private readonly reader?: StateReader,
  ) {
    this.values = inline;
    this.rest = token;
  }

  /** The values that are here already. */
  get inline(): readonly T[] {
    return this.values;
  }

  /** Where the values go on; undefined when all are here. */
  get token(): Uint8Array | undefined {
    return this.rest;
  }

  /**
   * Fetches all values, so that a plain `for` works. They must fit in memory.
   *
   * @throws BeamBridgeError `HARNESS_PROTOCOL` when nothing can read the runner's state here
   */
  async load(): Promise<void> {
    if (!this.rest) return;
    const all = [...this.values];
    for await (const value of this.fetch(this.rest)) all.push(value);
    this.values = all;
    this.rest = undefined;
  }

  /** @throws BeamBridgeError `UNSUPPORTED` when some values must still be fetched */
  [Symbol.iterator](): Iterator<T> {
    if (this.rest) {
      throw new BeamBridgeError(
        'UNSUPPORTED',
        'these values are too many to come in one message and must be fetched while iterating',
        { hint: 'Iterate with `for await (const value of values)` in an async function.' },
      );
    }
    return this.values[Symbol.iterator]();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    yield* this.values;
    if (this.rest) yield* this.fetch(this.rest);
  }

  private async *fetch(token: Uint8Array): AsyncGenerator<T, void, undefined> {
    if (!this.reader) {
      throw new BeamBridgeError(
        'HARNESS_PROTOCOL',
        'values go on in runner state, which cannot be read here',
        {
          hint: 'Give coderFromProto a readState function.',
        },
      );
    }
    let pending: Uint8Array = new Uint8Array(0);
    for await (const chunk of this.reader(token)) {
      const bytes = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const input = new ByteReader(bytes);
      let complete = 0;
      while (!input.done) {
        const value = this.decodeOrWait(input);
        if (value === CUT) break;
        complete = input.position;
        yield value;
      }
      pending = bytes.subarray(complete);
    }
    if (pending.length > 0) {
      // Cut in the middle of a value: decoding what is left says so.
      yield this.element.decode(new ByteReader(pending), true);
    }
  }

  /** A value, or {@link CUT} when its bytes go on in the next chunk. */
  private decodeOrWait(input: ByteReader): T | typeof CUT {
    try {
      return this.element.decode(input, true);
    } catch (error) {
      if (error instanceof BeamBridgeError && error.code === 'MALFORMED_DATA') return CUT;
      throw error;
    }
  }
}

const CUT = Symbol('cut');
