// SPDX-License-Identifier: Apache-2.0
// How much memory values take, roughly: enough to keep batches, and what waits between two steps,
// small.

/** Of many values so many, or a little more, are measured. */
const SAMPLES = 16;
/** So many parts of a value are looked at: it may be large, or lead back to itself. */
const PARTS = 256;

/** About how many bytes a value takes. */
export function roughSize(value: unknown): number {
  // Most values have no parts to count.
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  return ArrayBuffer.isView(value) ? value.byteLength : measure(value, { left: PARTS });
}

/** About how many bytes all values take together. */
export function roughSizeOfAll(values: readonly unknown[]): number {
  return sampled(values, roughSize);
}

function measure(value: unknown, parts: { left: number }): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (Array.isArray(value) && typeof value[0] === 'number') return value.length * 8;
  if (parts.left <= 0) return 8;
  const isCollection = value instanceof Map || value instanceof Set;
  const inside = Array.isArray(value) ? value : isCollection ? [...value.values()] : undefined;
  return sampled(inside ?? Object.values(value), (part) => {
    parts.left -= 1;
    return measure(part, parts);
  });
}

function sampled(values: readonly unknown[], sizeOf: (value: unknown) => number): number {
  const step = Math.max(1, Math.floor(values.length / SAMPLES));
  let size = 0;
  let measured = 0;
  for (let i = 0; i < values.length; i += step) {
    size += sizeOf(values[i]);
    measured += 1;
  }
  return step === 1 ? size : Math.round((size / measured) * values.length);
}
