// SPDX-License-Identifier: Apache-2.0
// One text for each value, so that results of different runners can be compared as multisets, and a
// hash of it, by which the functions of random pipelines are defined for whatever value comes.

/** Two values have the same text exactly when a pipeline may not tell them apart. */
export function canon(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      return Object.is(value, -0) ? '-0' : `${value}`;
    case 'bigint':
      return `${value}n`;
    case 'object':
      return value === null ? 'null' : canonObject(value);
    default:
      return String(value);
  }
}

function canonObject(value: object): string {
  if (Array.isArray(value)) return `[${Array.from(value, canon).join()}]`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof Map) {
    return `Map{${[...value].map(([key, inner]) => `${canon(key)}=>${canon(inner)}`).sort()}}`;
  }
  if (value instanceof Set) return `Set{${[...value].map(canon).sort()}}`;
  // A Buffer is bytes like any others.
  if (value instanceof Uint8Array) return `Uint8Array(${[...value]})`;
  if (ArrayBuffer.isView(value)) {
    return `${value.constructor.name}(${Array.from(value as unknown as ArrayLike<unknown>, canon)})`;
  }
  const name = value.constructor?.name ?? 'Object';
  const fields = Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}:${canon(inner)}`)
    .sort();
  return `${name === 'Object' ? '' : name}{${fields}}`;
}

/** A whole number from 0 to 2^31 that follows from the value's text (FNV-1a). */
export function hash(value: unknown, salt = 0): number {
  const text = canon(value);
  let h = (0x811c9dc5 ^ salt) >>> 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return (h ^ (h >>> 15)) & 0x7fffffff;
}
