// SPDX-License-Identifier: Apache-2.0
// The functions that a random pipeline's user wrote: total ones, on whatever value comes. The pipeline
// and its reference call the same.

import { canon, hash } from './canon.ts';
import { nthValue, type Type } from './types.ts';

export const MAPS = {
  same: (value: unknown): unknown => value,
  wrap: (value: unknown): unknown => ({ wrapped: value }),
  text: (value: unknown): unknown => `t${hash(value)}`,
  hash: (value: unknown): unknown => hash(value) % 100,
  async: (value: unknown): unknown => ({ later: [value] }),
};

/** None, one or two for each element. */
export function several(value: unknown): unknown[] {
  return Array.from({ length: hash(value, 1) % 3 }, (_, i) => ({ i, value }));
}

export function isKept(value: unknown, modulus: number): boolean {
  return hash(value, 2) % modulus !== 0;
}

export function converted(type: Type, value: unknown): unknown {
  return nthValue(type, hash(value, 3) % 1000);
}

export function keyOf(keys: Type, buckets: number, value: unknown): unknown {
  return turned(nthValue(keys, hash(value, 4) % buckets), isOdd(value));
}

/** The same key, its fields in another order for some elements. */
function turned(key: unknown, isTurned: boolean): unknown {
  if (!isTurned || typeof key !== 'object' || key === null) return key;
  if (key instanceof Map) return new Map([...key].reverse());
  const isPlain = Object.getPrototypeOf(key) === Object.prototype;
  return isPlain ? Object.fromEntries(Object.entries(key).reverse()) : key;
}

/** What is combined: quarters, whose sums are exact in any order. */
export function numberOf(value: unknown): number {
  return (hash(value, 5) % 1000) / 4;
}

export function timeOf(value: unknown, span: number): number {
  return hash(value, 6) % span;
}

export function partOf(value: unknown, parts: number): number {
  return hash(value, 7) % parts;
}

export const stateKey = (value: unknown, buckets: number) => `k${hash(value, 8) % buckets}`;
export const amount = (value: unknown) => hash(value, 9) % 1000;
export const isOdd = (value: unknown) => hash(value, 10) % 2 === 1;

export function sorted<T>(values: Iterable<T>): T[] {
  return [...values]
    .map((value) => [canon(value), value] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, value]) => value);
}

export const amounts = (values: Iterable<unknown>): number[] =>
  [...values].map(amount).sort((a, b) => a - b);
