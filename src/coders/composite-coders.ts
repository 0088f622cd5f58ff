// SPDX-License-Identifier: Apache-2.0
// Coders made from other coders: key-values, nullables, length prefixes, sharded keys.

import { BeamBridgeError, ByteReader, type ByteWriter } from '../base/index.ts';
import { urns } from '../proto/index.ts';
import type { Coder, CoderSpec } from './coder.ts';
import { describeValue, malformed, mismatch } from './describe.ts';
import type { KV, ShardedKey } from './values.ts';

/** The coder itself when it is deterministic, else its deterministic form, where it has one. */
export function deterministicForm<T>(coder: Coder<T>): Coder<T> | undefined {
  return coder.deterministic ? coder : coder.asDeterministic?.();
}

/** As {@link deterministicForm}, for parts of a composite: a part without such a form stays. */
function deterministicPart<T>(coder: Coder<T>): Coder<T> {
  return deterministicForm(coder) ?? coder;
}

/** Whether a value is a key-value: an object with both fields, whatever they hold. */
export function isKeyValue(value: unknown): value is KV<unknown, unknown> {
  return typeof value === 'object' && value !== null && 'key' in value && 'value' in value;
}

/**
 * The element itself, in front of what goes by its key: of anything else the key would be `undefined`.
 *
 * @throws `CODER_MISMATCH` for what is no key-value, as its coder would say
 */
export function keyValue<T>(element: T): T {
  if (isKeyValue(element)) return element;
  throw new BeamBridgeError(
    'CODER_MISMATCH',
    `an element with a key is needed here, and not ${describeValue(element)}`,
    {
      hint: 'Map each element to an object { key, value } before: map((x) => ({ key: x.id, value: x })).',
    },
  );
}

/** `beam:coder:kv:v1`: a key, nested, then a value. */
export class KVCoder<K, V> implements Coder<KV<K, V>> {
  readonly name: string;
  readonly deterministic: boolean;

  constructor(
    readonly key: Coder<K>,
    readonly value: Coder<V>,
  ) {
    this.name = `kv<${key.name}, ${value.name}>`;
    this.deterministic = key.deterministic && value.deterministic;
  }

  encode(value: KV<K, V>, out: ByteWriter, nested: boolean): void {
    if (!isKeyValue(value)) {
      throw mismatch(this.name, value, 'A key-value is an object { key, value }.');
    }
    this.key.encode(value.key, out, true);
    this.value.encode(value.value, out, nested);
  }

  decode(input: ByteReader, nested: boolean): KV<K, V> {
    const key = this.key.decode(input, true);
    return { key, value: this.value.decode(input, nested) };
  }

  spec(): CoderSpec {
    return { urn: urns.StandardCoders_Enum.KV, components: [this.key, this.value] };
  }

  asDeterministic(): Coder<KV<K, V>> {
    return new KVCoder(deterministicPart(this.key), deterministicPart(this.value));
  }
}

/** `beam:coder:nullable:v1`: a byte 0 for null, or a byte 1 and the value. `undefined` is null too. */
export class NullableCoder<T> implements Coder<T | null> {
  readonly name: string;
  readonly deterministic: boolean;

  constructor(readonly value: Coder<T>) {
    this.name = `nullable<${value.name}>`;
    this.deterministic = value.deterministic;
  }

  encode(value: T | null | undefined, out: ByteWriter, nested: boolean): void {
    if (value === null || value === undefined) {
      out.byte(0);
      return;
    }
    out.byte(1);
    this.value.encode(value, out, nested);
  }

  decode(input: ByteReader, nested: boolean): T | null {
    const present = input.byte();
    if (present > 1) throw malformed(`a nullable starts with 0 or 1, not ${present}`);
    return present === 1 ? this.value.decode(input, nested) : null;
  }

  spec(): CoderSpec {
    return { urn: urns.StandardCoders_Enum.NULLABLE, components: [this.value] };
  }

  asDeterministic(): Coder<T | null> {
    return new NullableCoder(deterministicPart(this.value));
  }
}

/**
 * `beam:coder:length_prefix:v1`: a length, then the value in the outer context. A runner can carry
 * such values about without knowing their coder.
 */
export class LengthPrefixCoder<T> implements Coder<T> {
  readonly name: string;
  readonly deterministic: boolean;

  constructor(readonly value: Coder<T>) {
    this.name = `length_prefix<${value.name}>`;
    this.deterministic = value.deterministic;
  }

  encode(value: T, out: ByteWriter): void {
    out.prefixed((inner) => this.value.encode(value, inner, false));
  }

  decode(input: ByteReader): T {
    const body = new ByteReader(input.prefixedBytes());
    const value = this.value.decode(body, false);
    if (!body.done)
      throw malformed(`${body.remaining} bytes are left over after a ${this.value.name}`);
    return value;
  }

  spec(): CoderSpec {
    return { urn: urns.StandardCoders_Enum.LENGTH_PREFIX, components: [this.value] };
  }

  asDeterministic(): Coder<T> {
    return new LengthPrefixCoder(deterministicPart(this.value));
  }
}

/** `beam:coder:sharded_key:v1`: a shard's id, then the key, both nested. */
export class ShardedKeyCoder<K> implements Coder<ShardedKey<K>> {
  readonly name: string;
  readonly deterministic: boolean;

  constructor(readonly key: Coder<K>) {
    this.name = `sharded_key<${key.name}>`;
    this.deterministic = key.deterministic;
  }

  encode(value: ShardedKey<K>, out: ByteWriter): void {
    if (!(value?.shardId instanceof Uint8Array)) throw mismatch(this.name, value);
    out.prefixedBytes(value.shardId);
    this.key.encode(value.key, out, true);
  }

  decode(input: ByteReader): ShardedKey<K> {
    const shardId = new Uint8Array(input.prefixedBytes());
    return { key: this.key.decode(input, true), shardId };
  }

  spec(): CoderSpec {
    return { urn: urns.StandardCoders_Enum.SHARDED_KEY, components: [this.key] };
  }

  asDeterministic(): Coder<ShardedKey<K>> {
    return new ShardedKeyCoder(deterministicPart(this.key));
  }
}
