// SPDX-License-Identifier: Apache-2.0
// Bytes as the key of a Map, which compares strings by their contents and bytes not at all.

/** A string with one character for each byte: equal when the bytes are. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
