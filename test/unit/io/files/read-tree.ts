// SPDX-License-Identifier: Apache-2.0
// What a run left below a folder.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { scratch } from '../scratch.ts';

/** The names of all files below a folder of the scratch folder, sorted, hidden ones too. */
export function namesIn(folder: string): string[] {
  const root = join(scratch, folder);
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** By name, the lines of each file, sorted. */
export function linesIn(folder: string): Record<string, string[]> {
  const lines = (name: string) => readFileSync(join(scratch, folder, name), 'utf8').split('\n');
  return Object.fromEntries(namesIn(folder).map((name) => [name, lines(name).slice(0, -1).sort()]));
}
