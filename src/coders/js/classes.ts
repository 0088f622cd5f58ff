// SPDX-License-Identifier: Apache-2.0
// Classes of a program whose instances the JavaScript coder keeps, because the program said so.

import { BeamBridgeError } from '../../base/index.ts';
import { isNative } from './built-ins.ts';
import { ERRORS, TYPED_ARRAYS } from './tags.ts';

/** A class of a program's own. */
// biome-ignore lint/suspicious/noExplicitAny: any constructor at all.
export type AnyClass = abstract new (...args: any[]) => object;

const byName = new Map<string, AnyClass>();
const byPrototype = new Map<unknown, string>();

/**
 * Lets instances of classes be elements of PCollections without a declared type. An instance travels as
 * the name of its class and its own fields, and comes back as an instance that has them: no
 * constructor is called. Fields that start with # stay behind, so a class with such fields is better
 * mapped to a plain object. A class may extend Array, Map, Set, Date, ArrayBuffer, an error or a typed
 * array, whose contents travel as well.
 *
 * Call it where the class is declared, so that every process that loads the program knows the class.
 * Values that are no classes are accepted and ignored: functions are never sent, they are held or loaded.
 *
 * @param moduleName - tells classes of the same name apart
 * @param values - the classes by their names
 * @throws BeamBridgeError `INVALID_ARGUMENT` when another class has the name already, or when a class extends
 *   one of JavaScript's own whose contents cannot be written, such as RegExp, Promise or WeakMap
 *
 * @example
 * ```ts
 * class Point { constructor(readonly x: number, readonly y: number) {} }
 * requireForSerialization('my-program', { Point });
 * ```
 */
export function requireForSerialization(moduleName: string, values: Readonly<object> = {}): void {
  for (const [name, value] of Object.entries(values)) {
    if (!isClass(value)) continue;
    const full = `${moduleName}:${name}`;
    const before = byName.get(full);
    // A program that is loaded twice, as tests do, declares its classes again: the latest counts.
    if (before && before !== value && `${before}` !== `${value}`) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `another class is known as ${full}`, {
        hint: 'Give the module another name, or call requireForSerialization once for each class.',
      });
    }
    checkExtended(full, value);
    byName.set(full, value);
    byPrototype.set(value.prototype, full);
  }
}

function isClass(value: unknown): value is AnyClass {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}

/** Of these the coder writes what is in them; by name, since every realm has its own. */
const EXTENDED: ReadonlySet<string> = new Set([
  ...['Object', 'Array', 'Map', 'Set', 'Date', 'ArrayBuffer'],
  ...[...ERRORS, ...TYPED_ARRAYS].map(({ name }) => name),
]);

function checkExtended(full: string, { prototype }: AnyClass): void {
  for (let at = prototype; at; at = Object.getPrototypeOf(at) as object) {
    const type: unknown = Object.hasOwn(at, 'constructor') ? at.constructor : undefined;
    if (typeof type !== 'function' || !isNative(type)) continue;
    if (EXTENDED.has(type.name)) return;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `instances of ${full} cannot travel: what is in a ${type.name} cannot be written`,
      { hint: `Keep the ${type.name} out of elements: emit what it is made of as a plain object.` },
    );
  }
}

/** The name under which the class of an instance is known, if it is. */
export function registeredName(prototype: unknown): string | undefined {
  return byPrototype.get(prototype);
}

/** @throws BeamBridgeError `UNKNOWN_CODER` for a class that this process was not told of */
export function registeredClass(name: string): AnyClass {
  const known = byName.get(name);
  if (known) return known;
  throw new BeamBridgeError('UNKNOWN_CODER', `the class ${name} is not known here`, {
    hint: 'Call requireForSerialization in the module that declares the class, not in a function that one process calls.',
  });
}
