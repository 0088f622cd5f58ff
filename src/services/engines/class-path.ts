// SPDX-License-Identifier: Apache-2.0
// What a Java machine loads its classes from, of what a person may name: jars, folders with jars, class
// paths, and Maven coordinates of jars that hold all they need, which are fetched.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { BeamBridgeError } from '../../base/index.ts';
import type { DownloadOptions } from './download.ts';
import { isCoordinates, mavenJar } from './maven.ts';

/** How jars are found. */
export type ClassPathOptions = Pick<DownloadOptions, 'hint' | 'onProgress' | 'signal'>;

/**
 * The class path that these name, in their order.
 *
 * @throws BeamBridgeError `ENGINE_NOT_FOUND` for what is not there, `ENGINE_MISMATCH`, `ABORTED`
 */
export async function classPathOf(
  jars: string | readonly string[],
  options: ClassPathOptions,
): Promise<string> {
  const entries: string[] = [];
  // One after another: what is fetched says so, and takes the whole line.
  for (const each of [jars].flat()) entries.push(await entryOf(each, options));
  return entries.join(path.delimiter);
}

async function entryOf(jars: string, options: ClassPathOptions): Promise<string> {
  const parts = jars.split(path.delimiter);
  if (isCoordinates(jars) && !existsSync(parts[0]!)) return mavenJar(jars, options);
  const missing = parts
    .map((entry) => entry.replace(/\/\*$/, ''))
    .find((entry) => !existsSync(entry));
  if (missing !== undefined) {
    throw new BeamBridgeError('ENGINE_NOT_FOUND', `there is nothing at ${path.resolve(missing)}`, {
      hint: options.hint,
    });
  }
  return parts.map((entry) => withJars(entry)).join(path.delimiter);
}

/** A folder that holds jars stands for them, one that holds classes for itself. */
function withJars(entry: string): string {
  if (entry.endsWith('/*') || !statSync(entry).isDirectory()) return entry;
  const folder = path.resolve(entry);
  return readdirSync(folder).some((name) => name.endsWith('.jar'))
    ? path.join(folder, '*')
    : folder;
}

/** The files of a class path, by their names alone. */
export async function namesIn(classPath: string): Promise<string[]> {
  const names = classPath.split(path.delimiter).map(async (entry) => {
    if (!entry.endsWith('/*')) return [path.basename(entry)];
    return readdir(entry.slice(0, -2)).catch(() => []);
  });
  return (await Promise.all(names)).flat();
}

/** A class path as a message can hold it. */
export function short(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** What is heard of that takes long, where nobody else listens. */
export function sayProgress(message: string): void {
  process.stderr.write(`beambridge: ${message}\n`);
}
