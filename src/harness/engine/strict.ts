// SPDX-License-Identifier: Apache-2.0
// What a test runs with: between any two steps of a stage each element is encoded and decoded again, and
// frozen. So a value that would not survive the way to another worker, and a step that changes what it
// was given, or has given away, are found wherever the steps happen to run.

import { BeamBridgeError } from '../../base/index.ts';
import {
  type Coder,
  decodeValue,
  encodeValue,
  StateBackedIterable,
  type WindowedValue,
} from '../../coders/index.ts';
import type { TransformInfo } from './errors.ts';
import { type Operator, Receiver, withValue } from './operator.ts';
import type { MaybePromise } from './types.ts';

/** What V8 says of an attempt to change something frozen. */
const OF_FROZEN =
  /read only property|not extensible|sealed array|Cannot (delete|redefine) property/;

/** How many of the last objects that a step gave away, or was given, are looked at again when a bundle ends. */
const LOOKED_AT_AGAIN = 100;
/** Larger ones are not. Bytes. */
export const LARGEST_LOOKED_AT = 1024 * 1024;

/** An object as it was. */
interface Remembered {
  readonly value: unknown;
  readonly bytes: Uint8Array;
}

function remember<T extends Remembered>(all: T[], one: T): void {
  if (one.bytes.length > LARGEST_LOOKED_AT) return;
  all.push(one);
  if (all.length > LOOKED_AT_AGAIN) all.shift();
}

/** Hands each consumer a copy of its own. */
export class StrictReceiver extends Receiver {
  private coder: Coder<unknown> | undefined;
  /** Of this bundle and those before: a step may go on with an object later on. */
  private readonly givenAway: Remembered[] = [];
  /** What could not be frozen of what consumers were given. */
  private readonly handedOut: (Remembered & { consumer: Operator })[] = [];

  constructor(
    pcollectionId: string,
    private readonly coderOf: (pcollectionId: string) => Coder<unknown>,
    private readonly producer: TransformInfo | undefined,
    private readonly infoOf: (transformId: string) => TransformInfo,
  ) {
    super(pcollectionId);
  }

  override receive(element: WindowedValue<unknown>): MaybePromise<void> {
    this.count += 1;
    const { consumers } = this;
    const { value } = element;
    const isObject = typeof value === 'object' && value !== null;
    const isForSinks = consumers.every((consumer) => consumer.isSink);
    // A sink encodes by itself, and says so in the same words.
    if (isForSinks && !isObject) return this.toEach(element);
    const bytes = this.encoded(value);
    if (isObject && this.producer) remember(this.givenAway, { value, bytes });
    return isForSinks ? this.toEach(element) : this.from(0, element, bytes);
  }

  override receiveValue(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    return this.receive(withValue(from, value));
  }

  /** Without encoding between steps, the next one may see an object as it became afterwards. */
  override finishBundle(): void {
    // A consumer may have kept what it was given, and changed it later on.
    const kept = this.handedOut.find((one) => this.hasChanged(one.value, one.bytes));
    if (kept) throw this.changed(kept.consumer, undefined);
    if (!this.givenAway.some(({ value, bytes }) => this.hasChanged(value, bytes))) return;
    throw new BeamBridgeError('INPUT_MUTATED', 'a step changed what it had given away before', {
      ...this.producer,
      hint: 'The next step may hold the same object, or have read it already. Give a new one each time: [...list], { ...element }.',
    });
  }

  private from(
    first: number,
    element: WindowedValue<unknown>,
    bytes: Uint8Array,
  ): MaybePromise<void> {
    for (let i = first; i < this.consumers.length; i++) {
      const pending = this.give(this.consumers[i]!, element, bytes);
      if (pending) return pending.then(() => this.from(i + 1, element, bytes));
    }
  }

  private give(
    consumer: Operator,
    element: WindowedValue<unknown>,
    bytes: Uint8Array,
  ): MaybePromise<void> {
    if (consumer.isSink) return consumer.process(element);
    const value = decodeValue(this.coder!, bytes, true);
    const copy = withValue(element, value);
    if (consumer.ownsInput) return consumer.process(copy);
    // What cannot be frozen is compared afterwards.
    const isFrozen = deepFreeze(value);
    const check = () => {
      if (isFrozen) return;
      if (this.hasChanged(value, bytes)) throw this.changed(consumer, undefined);
      remember(this.handedOut, { value, bytes, consumer });
    };
    let pending: MaybePromise<void>;
    try {
      pending = consumer.process(copy);
    } catch (error) {
      throw this.explained(error, consumer);
    }
    if (!pending) return check();
    return pending.then(check, (error: unknown) => {
      throw this.explained(error, consumer);
    });
  }

  private encoded(value: unknown): Uint8Array {
    try {
      this.coder ??= this.coderOf(this.pcollectionId);
      return encodeValue(this.coder, value, true);
    } catch (error) {
      throw BeamBridgeError.from(error, 'CODER_MISMATCH').with({ ...this.producer });
    }
  }

  private hasChanged(value: unknown, bytes: Uint8Array): boolean {
    try {
      return Buffer.compare(encodeValue(this.coder!, value, true), bytes) !== 0;
    } catch {
      return true;
    }
  }

  private explained(error: unknown, consumer: Operator): unknown {
    if (!(error instanceof BeamBridgeError) || error.code !== 'USER_CODE_FAILED') return error;
    const { cause } = error;
    if (!(cause instanceof TypeError) || !OF_FROZEN.test(cause.message)) return error;
    return this.changed(consumer, error);
  }

  private changed(consumer: Operator, error: BeamBridgeError | undefined): BeamBridgeError {
    const { transform, appliedAt } = error ?? this.infoOf(consumer.transformId);
    const cause = error?.cause as Error | undefined;
    const why = cause ? `: ${cause.message}` : '';
    return new BeamBridgeError('INPUT_MUTATED', `a step changed what it was given${why}`, {
      transform,
      appliedAt,
      detail: error?.detail,
      cause,
      hint: 'Other steps may hold the same object. Make a new one: ({ ...element, field: value }), [...list].sort().',
    });
  }
}

/** Freezes plain objects and arrays all the way down; says whether that was all there is. */
export function deepFreeze(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  // Loads its values when it is read.
  if (value instanceof StateBackedIterable) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return false;
  let isAll = true;
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    if (!deepFreeze(inner)) isAll = false;
  }
  Object.freeze(value);
  return isAll;
}
