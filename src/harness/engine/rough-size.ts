// SPDX-License-Identifier: Apache-2.0
// How much memory a value takes, roughly: enough to keep what waits between two steps small.

/** What is deeper in a value is not looked at: it may lead back to the value itself. */
const DEPTH = 4;

/** About how many bytes a value takes. Parts of an array are much alike: the first stands for all. */
export function roughSize(value: unknown, depth = DEPTH): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null || depth === 0) return 8;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (Array.isArray(value)) return 16 + value.length * roughSize(value[0], depth - 1);
  if (value instanceof Map || value instanceof Set) {
    const [first] = value;
    return 16 + value.size * roughSize(first, depth - 1);
  }
  let size = 16;
  for (const name in value) size += roughSize((value as Record<string, unknown>)[name], depth - 1);
  return size;
}
