// SPDX-License-Identifier: Apache-2.0
// The contents of a side input as SDKs ask for them: all elements, or those of a key.

import { BeamBridgeError, ByteWriter } from '../../../base/index.ts';
import { BytesOf, type Coder, type KV, KVCoder, LengthPrefixCoder } from '../../../coders/index.ts';

/** Elements are handed over in pieces of about this size. */
const CHUNK_BYTES = 256 * 1024;

export function keyValueCoder(coder: Coder<unknown>): KVCoder<unknown, unknown> {
  const inner = coder instanceof LengthPrefixCoder ? coder.value : coder;
  if (inner instanceof KVCoder) return inner as KVCoder<unknown, unknown>;
  throw new BeamBridgeError('INTERNAL', `a multimap of ${coder.name} was asked for`);
}

export function byKey(coder: KVCoder<unknown, unknown>, values: readonly KV<unknown, unknown>[]) {
  const found = new Map<string, KV<unknown, unknown[]>>();
  const ids = new BytesOf(coder.key as Coder<unknown>);
  for (const { key, value } of values) {
    const id = ids.of(key);
    const entry = found.get(id);
    if (entry) entry.value.push(value);
    else found.set(id, { key, value: [value] });
  }
  return found;
}

export function encodeAll(coder: Coder<unknown>, values: readonly unknown[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const out = new ByteWriter();
  for (const value of values) {
    coder.encode(value, out, true);
    if (out.length >= CHUNK_BYTES) chunks.push(out.detach());
  }
  if (out.length > 0) chunks.push(out.take());
  return chunks;
}
