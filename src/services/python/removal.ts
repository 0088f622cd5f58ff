// SPDX-License-Identifier: Apache-2.0
// Environments are removed as they are built: under their lock, so that nobody builds them meanwhile,
// and by a new name first, so that what is half removed is never taken for whole.

import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { BUILDING, removeBuilds } from './build.ts';
import { cacheFolder, folderError } from './cache.ts';
import {
  environmentsFolder,
  listPythonEnvironments,
  lockOf,
  markerOf,
  type StoredEnvironment,
  sizeOf,
} from './inventory.ts';
import { tryLock } from './lock.ts';
import { environmentUsers, resolved } from './users.ts';

/** A program that found an environment a moment ago may be about to start its Python. */
const ABOUT_TO_START_MS = 60_000;

/** Which environments {@link prunePythonEnvironments} removes. */
export interface PruneOptions {
  /** Those that no program asked for in so many milliseconds. @default all */
  unusedFor?: number;
}

/** What became of an environment that was to be removed. */
export interface Removal {
  readonly environment: StoredEnvironment;
  /** Bytes that are free now; undefined when it was kept. */
  readonly freed: number | undefined;
  /** Why it was kept. */
  readonly kept: 'in use' | 'being built' | undefined;
}

/**
 * Removes environments that are not used: never one that is being built, or on whose Python a process of
 * this machine runs.
 *
 * @throws BeamBridgeError `ENVIRONMENT_BUILD_FAILED` where the folder cannot be written
 */
export async function prunePythonEnvironments(options: PruneOptions = {}): Promise<Removal[]> {
  const { unusedFor = 0 } = options;
  const all = await listPythonEnvironments();
  const removals: Removal[] = [];
  for (const environment of all) {
    if (!isUnused(environment.lastUsed, unusedFor)) continue;
    removals.push(await remove(environment, unusedFor));
  }
  return removals;
}

function isUnused(lastUsed: Date, forMillis: number): boolean {
  return Date.now() - lastUsed.getTime() >= forMillis;
}

/** Whether somebody uses it now: the removal of those before it in the list may have taken minutes. */
async function isInUse({ folder, state }: StoredEnvironment, unusedFor: number): Promise<boolean> {
  if ((await environmentUsers()).has(await resolved(folder))) return true;
  const least = Math.max(unusedFor, ABOUT_TO_START_MS);
  return state === 'whole' && !isUnused((await markerOf(folder)).lastUsed, least);
}

/**
 * Removes every environment, but for those that are being built.
 *
 * @throws BeamBridgeError `ENVIRONMENT_BUILD_FAILED` where the folder cannot be written
 */
export async function cleanPythonEnvironments(): Promise<Removal[]> {
  const removals: Removal[] = [];
  for (const environment of await listPythonEnvironments()) {
    removals.push(await remove(environment));
  }
  await rm(path.join(cacheFolder(), 'requests'), { recursive: true, force: true });
  return removals;
}

/** @param unusedFor - milliseconds; left out where it is removed whoever uses it */
async function remove(environment: StoredEnvironment, unusedFor?: number): Promise<Removal> {
  const { key, folder } = environment;
  await using lock = await tryLock(lockOf(folder));
  if (!lock) return kept(environment, 'being built');
  const freed = await sizeOf(folder);
  // Last, since it takes a while to find out how large it is.
  if (unusedFor !== undefined && (await isInUse(environment, unusedFor))) {
    return kept(environment, 'in use');
  }
  try {
    await rename(folder, `${folder}${BUILDING}${randomBytes(4).toString('hex')}-old`);
  } catch (error) {
    // It was only half built, or somebody else has removed it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw folderError(error, folder);
  }
  await removeBuilds(environmentsFolder(), key);
  return { environment, freed, kept: undefined };
}

function kept(environment: StoredEnvironment, why: 'in use' | 'being built'): Removal {
  return { environment, freed: undefined, kept: why };
}
