// SPDX-License-Identifier: Apache-2.0
// Coders of many values in one: whole on the wire, or begun there and continued from runner state.

import { BeamBridgeError, type ByteReader, type ByteWriter } from '../base/index.ts';
import { urns } from '../proto/index.ts';
import type { Coder, CoderSpec } from './coder.ts';
import { deterministicForm } from './composite-coders.ts';
import { malformed, mismatch } from './describe.ts';
import { StateBackedIterable, type StateReader } from './state-backed-iterable.ts';
import { isTypedArrayKind, TYPED_ARRAY_KINDS, type TypedArrayKind } from './typed-arrays.ts';

const UNKNOWN_LENGTH = -1;
/** Follows the inline values in place of a block count: a state token comes next. */
const CONTINUED_IN_STATE = -1;

/** How an {@link IterableCoder} shows its values. */
export interface IterableOptions {
  /** Decode to the typed array of this element kind. @default an array */
  typed?: TypedArrayKind | undefined;
}

/**
 * `beam:coder:iterable:v1`: any iterable of known values; decodes to an array, or to a typed array
 * where that was asked for. The wish travels as a payload, which other SDKs ignore.
 */
export class IterableCoder<T> implements Coder<Iterable<T>> {
  readonly name: string;
  readonly deterministic: boolean;
  readonly typed: TypedArrayKind | undefined;

  constructor(
    readonly element: Coder<T>,
    options: IterableOptions = {},
  ) {
    this.typed = options.typed;
    this.name = `iterable<${element.name}>${this.typed ? ` as ${TYPED_ARRAY_KINDS[this.typed].name}` : ''}`;
    this.deterministic = element.deterministic;
  }

  encode(value: Iterable<T>, out: ByteWriter): void {
    if (isSized<T>(value)) {
      out.int32(value.length);
      for (let i = 0; i < value.length; i++) this.element.encode(value[i] as T, out, true);
      return;
    }
    // A string is iterable, yet nobody means its characters.
    if (typeof value !== 'object' || typeof value?.[Symbol.iterator] !== 'function') {
      throw mismatch(this.name, value);
    }
    const values = [...value];
    out.int32(values.length);
    for (const element of values) this.element.encode(element, out, true);
  }

  decode(input: ByteReader): T[] {
    const values = this.decodeArray(input);
    if (!this.typed) return values;
    // Numbers or bigints by the element coder; the caller's T is the typed array's element.
    const type = TYPED_ARRAY_KINDS[this.typed] as unknown as { from(values: T[]): T[] };
    return type.from(values);
  }

  private decodeArray(input: ByteReader): T[] {
    const { values, token } = readValues(input, this.element);
    if (token)
      throw malformed('an iterable goes on in runner state, but its coder is not state backed');
    return values;
  }

  spec(): CoderSpec {
    const spec = { urn: urns.StandardCoders_Enum.ITERABLE, components: [this.element] };
    return this.typed ? { ...spec, payload: new TextEncoder().encode(this.typed) } : spec;
  }

  asDeterministic(): Coder<Iterable<T>> {
    return new IterableCoder(deterministicForm(this.element) ?? this.element, {
      typed: this.typed,
    });
  }
}

/** The coder that an iterable coder's payload asks for. */
export function iterableCoderFromPayload<T>(
  payload: Uint8Array,
  element: Coder<T>,
): IterableCoder<T> {
  const typed = Buffer.from(payload).toString();
  return new IterableCoder(element, isTypedArrayKind(typed) ? { typed } : {});
}

/**
 * `beam:coder:state_backed_iterable:v1`: as an iterable, but the values may go on in the runner's
 * state, under a token that stands at the end of the inline values.
 *
 * Decodes to a {@link StateBackedIterable}. An iterable that goes on in state is written back with
 * its token, unread.
 */
export class StateBackedIterableCoder<T> implements Coder<Iterable<T>> {
  readonly name: string;
  readonly deterministic = false;

  /** @param reader - fetches what a token stands for; without it such values cannot be read */
  constructor(
    readonly element: Coder<T>,
    private readonly reader?: StateReader,
  ) {
    this.name = `state_backed_iterable<${element.name}>`;
  }

  encode(value: Iterable<T>, out: ByteWriter): void {
    if (!(value instanceof StateBackedIterable) || !value.token) {
      new IterableCoder(this.element).encode(value, out);
      return;
    }
    out.int32(UNKNOWN_LENGTH);
    if (value.inline.length > 0) {
      out.varint(value.inline.length);
      for (const element of value.inline as readonly T[]) this.element.encode(element, out, true);
    }
    out.signedVarint(CONTINUED_IN_STATE);
    out.prefixedBytes(value.token);
  }

  decode(input: ByteReader): StateBackedIterable<T> {
    const { values, token } = readValues(input, this.element);
    return new StateBackedIterable(values, this.element, token, this.reader);
  }

  spec(): CoderSpec {
    return {
      urn: urns.StandardCoders_Enum.STATE_BACKED_ITERABLE,
      components: [this.element],
    };
  }
}

function isSized<T>(value: unknown): value is ArrayLike<T> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** A known count and the values; or -1 and blocks of values up to an empty block or a state token. */
function readValues<T>(input: ByteReader, element: Coder<T>): { values: T[]; token?: Uint8Array } {
  const values: T[] = [];
  const count = input.int32();
  if (count !== UNKNOWN_LENGTH) {
    if (count < 0) throw malformed(`an iterable has ${count} values`);
    readBlock(input, element, count, values);
    return { values };
  }
  for (;;) {
    const block = input.signedVarint();
    if (block === 0) return { values };
    if (block === CONTINUED_IN_STATE)
      return { values, token: new Uint8Array(input.prefixedBytes()) };
    if (block === undefined || block < 0)
      throw malformed('an iterable has a block of unknown size');
    readBlock(input, element, block, values);
  }
}

/**
 * Values without any bytes (global windows) are the only ones that may outnumber the bytes left. The
 * limit is one for a whole decode, since such values may stand in iterables of iterables.
 */
const MAX_EMPTY_VALUES = 1_000_000;

function readBlock<T>(input: ByteReader, element: Coder<T>, count: number, into: T[]): void {
  for (let i = 0; i < count; i++) {
    const before = input.position;
    into.push(element.decode(input, true));
    if (input.position === before && ++input.emptyValues > MAX_EMPTY_VALUES) {
      throw new BeamBridgeError(
        'MALFORMED_DATA',
        `an iterable claims ${count} values without bytes`,
      );
    }
  }
}
