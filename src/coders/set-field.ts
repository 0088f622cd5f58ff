// SPDX-License-Identifier: Apache-2.0
// Fields with names that came from data.

/** Assigning to `__proto__` would change the prototype instead of adding a field. */
export function setField(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') {
    object[name] = value;
    return;
  }
  Object.defineProperty(object, name, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}
