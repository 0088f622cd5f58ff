// SPDX-License-Identifier: Apache-2.0
// Where shards go: the folder, the temporary one in it, and the last two steps: shards are made whole, and
// they get their names.

import { accessSync, constants, createWriteStream, statSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  BeamBridgeError,
  getLogger,
  makeFolders,
  mapSome,
  removeAtExit,
} from '../../base/index.ts';
import { writeError } from '../file-error.ts';
import { isKept, type Move, placeAll, refuseFolder } from './place.ts';
import type { Part, ShardFormat } from './shard-format.ts';
import { shardName, shardPattern } from './shard-names.ts';

const log = getLogger('io');
/** Where nobody asked for a number of shards, small files are joined up to this size. */
const SHARD_BYTES = 64 * 1024 * 1024;

/** A prefix may end with a separator: then all of the files' names comes from the template. */
function folderOf(prefix: string): string {
  return prefix.slice(0, prefix.lastIndexOf(sep)) || sep;
}

function baseOf(prefix: string): string {
  return prefix.slice(prefix.lastIndexOf(sep) + 1);
}

/** How an output is named, and what it is made of. */
export interface OutputSpec<R = unknown> {
  /** Absolute. */
  prefix: string;
  suffix: string;
  template: string;
  shards: number | undefined;
  /** What a shard may hold at most: elements, and bytes before compression. */
  maxRecords: number | undefined;
  maxBytes: number | undefined;
  format: ShardFormat<R>;
}

/**
 * Finds out early that an output cannot be written: its folder, or the first one above it that is
 * there, must be a folder with permission to write.
 *
 * @throws `OUTPUT_NOT_WRITABLE`
 */
export function checkWritable(prefix: string): void {
  for (let folder = folderOf(prefix); ; folder = dirname(folder)) {
    try {
      if (statSync(folder).isDirectory()) {
        accessSync(folder, constants.W_OK | constants.X_OK);
        return;
      }
    } catch (error) {
      const above = dirname(folder);
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && above !== folder) continue;
      if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw writeError(error, prefix);
    }
    throw new BeamBridgeError(
      'OUTPUT_NOT_WRITABLE',
      `${prefix} cannot be written: a part of the path is a file`,
      { hint: 'Choose another folder.' },
    );
  }
}

/**
 * Makes the folder and, hidden in it, one for temporary files, so that a rename is all that it
 * takes in the end.
 *
 * @param isOwn - whether all of the run happens in this process, with whose end the folder then goes
 * @param mark - `Pipeline.runMark`, by which another process finds it
 * @throws `OUTPUT_NOT_WRITABLE`
 */
export async function makeTemporary(prefix: string, isOwn = true, mark?: string): Promise<string> {
  try {
    await makeFolders(folderOf(prefix));
    const folder = await mkdtemp(join(folderOf(prefix), temporaryName(prefix, mark)));
    if (isOwn) kept.set(folder, removeAtExit(folder));
    return folder;
  } catch (error) {
    throw writeError(error, prefix);
  }
}

function temporaryName(prefix: string, mark?: string): string {
  return `.beam-temp-${baseOf(prefix)}-${mark === undefined ? '' : `${mark}-`}`;
}

/**
 * Removes the temporary folders that workers of a run made, as far as their disk is this one's. One that a
 * worker was taking files from, and keeps those that they replace in, is left.
 */
export async function removeMarked(prefix: string, mark: string): Promise<void> {
  const folder = folderOf(prefix);
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(temporaryName(prefix, mark)))) {
    const made = join(folder, name);
    const inside = await readdir(made).catch(() => []);
    if (inside.some(isKept)) log.warn(`${made} is left: its files were getting their names`);
    else await remove(made);
  }
}

/** What keeps each temporary folder of this process from being removed when it exits. */
const kept = new Map<string, () => void>();

/** By temporary folder, the renaming of what is in it that is under way. */
const placing = new Map<string, Promise<void>>();

/**
 * Removes temporary files, which is no reason to fail. What is being renamed out of the folder is waited for: half
 * of it would have its name, and nothing could be put back.
 */
export async function removeTemporary(folder: string): Promise<void> {
  await placing.get(folder)?.catch(() => {});
  await remove(folder);
}

async function remove(folder: string): Promise<void> {
  // Workers of a run that failed may still write for a moment.
  const retries = { maxRetries: 5, retryDelay: 100 };
  await rm(folder, { recursive: true, force: true, ...retries }).catch((error) => {
    log.warn(`the temporary folder ${folder} could not be removed`, error);
  });
  kept.get(folder)?.();
  kept.delete(folder);
}

/** Temporary folders of outputs whose shards have their names; that files have them may be of an earlier run. */
const named = new Set<string>();

/** Shards of one output that are whole and only want their names. */
export interface WholeOutput {
  spec: OutputSpec;
  temporary: string;
  /** None if an earlier call of {@link placeOutputs} named them all. */
  moves: readonly Move[];
  /** The shards' paths. */
  finals: readonly string[];
}

/**
 * Turns parts into shards that are whole. May be repeated.
 *
 * @throws `OUTPUT_NOT_WRITABLE`, `IO_FAILED`
 */
export async function completeOutput(
  spec: OutputSpec,
  temporary: string,
  parts: readonly Part[],
): Promise<WholeOutput> {
  const groups = spec.shards === undefined ? packed(parts, spec) : byShard(parts, spec.shards);
  const finals = groups.map(
    (_, index) => spec.prefix + shardName(spec.template, index, groups.length) + spec.suffix,
  );
  if (named.has(temporary)) {
    return { spec, temporary, moves: [], finals };
  }
  for (const path of finals) await refuseFolder(path);
  const ready = await mapSome(groups, (group, index) =>
    completeShard(spec, temporary, group, index),
  );
  const moves = finals.map((to, index) => ({ from: ready[index]!, to, temporary }));
  return { spec, temporary, moves, finals };
}

/** Runs that end at the same time may write the same output: it is whole of one of them. */
let lastPlaced: Promise<void> = Promise.resolve();

/**
 * Gives the shards of all outputs their names, or none of them. May be repeated.
 *
 * @throws `OUTPUT_NOT_WRITABLE`, `IO_FAILED`
 */
export async function placeOutputs(outputs: readonly WholeOutput[]): Promise<void> {
  const placed = lastPlaced.then(() => placeAll(outputs.flatMap(({ moves }) => moves)));
  lastPlaced = placed.catch(() => {});
  for (const { temporary } of outputs) placing.set(temporary, placed);
  try {
    await placed;
  } finally {
    for (const { temporary } of outputs) placing.delete(temporary);
  }
  for (const { spec, temporary, finals } of outputs) {
    named.add(temporary);
    await remove(temporary);
    await warnOfOthers(spec, finals);
  }
}

/** Parts in the order in which they were begun, joined until they are large enough. */
function packed(parts: readonly Part[], spec: OutputSpec): Part[][] {
  const { maxRecords = Infinity, maxBytes = Infinity } = spec;
  const { frameBytes, separatorBytes: between } = spec.format;
  const room = maxBytes - frameBytes;
  const groups: Part[][] = [[]];
  let sum = { bytes: 0, records: 0, textBytes: 0 };
  for (const part of [...parts].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const fits =
      sum.records === 0 ||
      (sum.bytes < SHARD_BYTES &&
        sum.records + part.records <= maxRecords &&
        sum.textBytes + between + part.textBytes <= room);
    if (!fits) {
      groups.push([]);
      sum = { bytes: 0, records: 0, textBytes: 0 };
    }
    groups.at(-1)!.push(part);
    sum.bytes += part.bytes;
    sum.records += part.records;
    sum.textBytes += (sum.records > part.records ? between : 0) + part.textBytes;
  }
  return groups;
}

function byShard(parts: readonly Part[], shards: number): Part[][] {
  const groups = Array.from({ length: shards }, (): Part[] => []);
  for (const part of parts) groups[part.shard]!.push(part);
  return groups;
}

/** The path of a file that holds a whole shard; the parts stay, so that this can be repeated. */
async function completeShard(
  spec: OutputSpec,
  temporary: string,
  parts: readonly Part[],
  index: number,
): Promise<string> {
  const { format } = spec;
  if (parts.length === 1 && format.isWhole) return parts[0]!.path;
  const path = join(temporary, `shard-${index}`);
  try {
    await pipeline(() => format.join(parts), createWriteStream(path));
    return path;
  } catch (error) {
    throw writeError(error, path);
  }
}

/** Shards of an earlier run with another number of shards would be read together with ours. */
async function warnOfOthers(spec: OutputSpec, finals: readonly string[]): Promise<void> {
  const pattern = shardPattern(baseOf(spec.prefix), spec.template, spec.suffix);
  const ours = new Set(finals.map((path) => basename(path)));
  const names = await readdir(folderOf(spec.prefix)).catch(() => []);
  const others = names.filter((name) => pattern.test(name) && !ours.has(name));
  if (others.length === 0) return;
  log.warn(
    `beside the shards just written lie ${others.length} of an earlier run, such as ${others[0]}`,
  );
}
