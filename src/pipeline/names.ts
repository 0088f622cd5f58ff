// SPDX-License-Identifier: Apache-2.0
// Names of transforms. A runner tells transforms apart by name, and so does a worker that looks up
// a user's function, so names are unique and come out the same from run to run: they depend on the
// order in which the program applies things, never on time or chance.

import { sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { BeamBridgeError, CODE_FOLDER } from '../base/index.ts';

const explicitNames = new WeakMap<object, string>();

/**
 * Gives a transform or a function a name of its own.
 *
 * Two transforms that are given the same name at the same place in a pipeline are an error
 * (`DUPLICATE_TRANSFORM_NAME`), while names derived from functions are numbered.
 *
 * @example
 * ```ts
 * words.apply(withName('drop short words', filter((w) => w.length > 2)));
 * ```
 */
export function withName<T extends object>(name: string | (() => string), target: T): T {
  explicitNames.set(target, typeof name === 'function' ? name() : name);
  return target;
}

/** The name given by {@link withName}, if any. */
export function explicitName(target: unknown): string | undefined {
  return typeof target === 'object' || typeof target === 'function'
    ? explicitNames.get(target as object)
    : undefined;
}

/** A name for people from what a program passes: a function's name, a class's, a `beamName`. */
export function extractName(target: unknown): string | undefined {
  const given = explicitName(target);
  if (given !== undefined) return given;
  if (typeof target === 'function') return target.name || undefined;
  if (typeof target !== 'object' || target === null) return undefined;
  const beamName = (target as { beamName?: unknown }).beamName;
  if (typeof beamName === 'string') return beamName;
  if (typeof beamName === 'function') return String(beamName());
  const className = target.constructor?.name;
  return className && className !== 'Object' ? className : undefined;
}

/** `map(parseDigit)`, or `map` alone for a function that has no name. */
export function labelled(kind: string, target: unknown): string {
  const name = extractName(target);
  return name ? `${kind}(${name})` : kind;
}

/** The names taken below one transform, and the rule for the next. */
export class NameScope {
  private readonly taken = new Set<string>();

  claim(base: string, explicit: boolean, fullName: (name: string) => string): string {
    // '/' separates levels in a unique name.
    const clean = base.replaceAll('/', '_');
    let name = clean;
    if (this.taken.has(name)) {
      if (explicit) {
        throw new BeamBridgeError(
          'DUPLICATE_TRANSFORM_NAME',
          `two transforms are named ${JSON.stringify(fullName(name))}`,
          { hint: 'Give one of them another name with withName(…).', transform: fullName(name) },
        );
      }
      for (let n = 2; this.taken.has(name); n++) name = `${clean}_${n}`;
    }
    this.taken.add(name);
    return name;
  }
}

const OWN_PATH = `${CODE_FOLDER}${sep}`;
const OWN_FILES = pathToFileURL(OWN_PATH).href;

/** Where the user's program called us: the first stack frame outside this package. */
export function callSite(): string | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 30;
  const stack = new Error().stack ?? '';
  Error.stackTraceLimit = limit;
  for (const line of stack.split('\n').slice(1)) {
    const place = /(?:\(|\s)((?:file:\/\/)?\/[^()]*|[A-Za-z]:[\\/][^()]*):(\d+):(\d+)\)?$/.exec(
      line,
    );
    if (!place) continue;
    const file = place[1]!;
    if (file.startsWith(OWN_FILES) || file.startsWith(OWN_PATH) || file.startsWith('node:'))
      continue;
    return `${file.startsWith('file:') ? fileURLToPath(file) : file}:${place[2]}:${place[3]}`;
  }
  return undefined;
}
