// SPDX-License-Identifier: Apache-2.0
// The environments that are in the cache folder: what they have, what they take, who uses them.

import { lstat, readdir, readFile, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { getLogger, mapSome } from '../../base/index.ts';
import { BUILDING } from './build.ts';
import { cacheFolder } from './cache.ts';
import type { PythonEnvironment } from './environment.ts';
import { pythonIn } from './install.ts';
import { isHeld } from './lock.ts';
import { environmentUsers, resolved } from './users.ts';
import { folderOf, isWhole, MARKER } from './whole.ts';

const log = getLogger('python-env');

const KEY = /^[\da-f]{20}$/;

/** An environment in the cache folder. */
export interface StoredEnvironment {
  /** Names its content, and its folder. */
  readonly key: string;
  readonly folder: string;
  /** For example `3.11.7`; undefined when it is damaged. */
  readonly version: string | undefined;
  readonly extras: readonly string[];
  readonly packages: readonly string[];
  /** When a program last asked for it, or when it was built. */
  readonly lastUsed: Date;
  /** `building` while somebody builds it, perhaps anew; `damaged` when it cannot be used. */
  readonly state: 'whole' | 'building' | 'damaged';
  /** Processes of this machine that run on its Python. */
  readonly processes: readonly number[];
}

/** Where environments lie. */
export function environmentsFolder(): string {
  return path.join(cacheFolder(), 'envs');
}

/** Every environment in the cache folder, the one that was used last first; half built ones, too. */
export async function listPythonEnvironments(): Promise<StoredEnvironment[]> {
  const names: string[] = await readdir(environmentsFolder()).catch(() => []);
  // Beside environments lie locks and what builds have made so far, named after them.
  const first = names.map((name) => name.split('.', 1)[0]!);
  const keys = [...new Set(first)].filter((key) => KEY.test(key));
  const users = await environmentUsers();
  const found = await mapSome(keys, async (key): Promise<StoredEnvironment | undefined> => {
    const folder = path.join(environmentsFolder(), key);
    const building = await isHeld(lockOf(folder));
    const isThere = names.includes(key);
    const isHalf = names.some((name) => name.startsWith(`${key}${BUILDING}`));
    // A lock alone was left by a program that was killed.
    if (!building && !isThere && !isHalf) return undefined;
    const { version, extras = [], packages = [], lastUsed } = await markerOf(folder);
    const environment = { key, python: pythonIn(folder), version: version ?? '', managed: true };
    return {
      key,
      folder,
      version,
      extras,
      packages,
      lastUsed,
      state: building ? 'building' : (await isWhole(environment)) ? 'whole' : 'damaged',
      processes: users.get(await resolved(folder)) ?? [],
    };
  });
  return found
    .filter((environment) => environment !== undefined)
    .sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime());
}

/** The lock of whoever builds or removes an environment. */
export function lockOf(folder: string): string {
  return `${folder}.lock`;
}

interface Marker {
  version?: string;
  extras?: string[];
  packages?: string[];
}

/** What an environment says of itself, and when it was last used. */
export async function markerOf(folder: string): Promise<Marker & { lastUsed: Date }> {
  const file = path.join(folder, MARKER);
  try {
    const { mtime } = await stat(file);
    return { ...(JSON.parse(await readFile(file, 'utf8')) as Marker), lastUsed: mtime };
  } catch {
    const info = await stat(folder).catch(() => undefined);
    return { lastUsed: info?.mtime ?? new Date() };
  }
}

/** Notes that an environment is used now. */
export async function noteUse(environment: PythonEnvironment): Promise<void> {
  const now = new Date();
  await utimes(path.join(folderOf(environment), MARKER), now, now).catch((error: unknown) => {
    // On a read-only disk, where nothing is ever removed either.
    log.debug(`the use of an environment could not be noted: ${String(error)}`);
  });
}

/** What a folder takes on the disk, in bytes; a file with several names counts once. */
export async function sizeOf(folder: string): Promise<number> {
  const seen = new Set<number>();
  const waiting = [folder];
  let size = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const current = next;
    const entries = await readdir(current, { withFileTypes: true }).catch(() => []);
    await mapSome(entries, async (entry) => {
      const file = path.join(current, entry.name);
      // Somebody may be about to remove it.
      const info = await lstat(file).catch(() => undefined);
      if (!info || seen.has(info.ino)) return;
      seen.add(info.ino);
      size += info.blocks * 512;
      if (entry.isDirectory()) waiting.push(file);
    });
  }
  return size;
}
