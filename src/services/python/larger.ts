// SPDX-License-Identifier: Apache-2.0
// An environment that has more than is asked for will do for what is ours: a program without Python stages, or
// with a handler of ours, need not build one while that of a program with more models is there. Code of a user's
// gets exactly what it asks for, so that it runs on every machine or on none.

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { collectRequirements, type Requirements } from './requirements.ts';

/** Where environments are. */
export interface EnvironmentsFolder {
  folder: string;
  /** Name of the file that says what is in an environment. */
  marker: string;
  /** Folder of the pinned requirements. @default that of this package */
  pins?: string | undefined;
}

/**
 * Keys of environments that have all of `wanted` and the pinned files as they are now, the smallest
 * first. Environments with packages of a user's own never stand in for others.
 */
export async function largerEnvironments(
  wanted: Requirements,
  { folder, marker, pins }: EnvironmentsFolder,
  keyOf: (requirements: Requirements) => string,
): Promise<string[]> {
  if (wanted.packages.length > 0) return [];
  const found: { key: string; size: number }[] = [];
  for (const key of await readdir(folder).catch(() => [])) {
    try {
      const text = await readFile(path.join(folder, key, marker), 'utf8');
      const { extras, packages } = JSON.parse(text) as { extras: string[]; packages: string[] };
      if (packages.length > 0 || !wanted.extras.every((extra) => extras.includes(extra))) continue;
      if (keyOf(await collectRequirements(extras, [], pins)) !== key) continue;
      found.push({ key, size: extras.length });
    } catch {
      // Being built, damaged, or of an extra that there is no more: none to choose.
    }
  }
  return found.sort((a, b) => a.size - b.size).map(({ key }) => key);
}
