// SPDX-License-Identifier: Apache-2.0
// Options over other options: what is undefined is as good as left out, and keeps nothing from being known.

/** The options that are given. */
export function given<T extends object>(options: T): T {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as T;
}
