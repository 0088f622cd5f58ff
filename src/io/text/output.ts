// SPDX-License-Identifier: Apache-2.0
// The last two steps of an output, in whatever store: shards are made whole, and they get their names.

import { BeamBridgeError, mapSome } from '../../base/index.ts';
import type { StoreOptions } from '../stores/options.ts';
import type { Move, Outputs } from '../stores/store.ts';
import { outputsFor } from '../stores/store-of.ts';
import type { Part, ShardFormat } from './shard-format.ts';
import { shardName, templateOf } from './shard-names.ts';
import { warnOfOthers } from './stale-shards.ts';
import { paneName } from './window-names.ts';

/** Where nobody asked for a number of shards, small files are joined up to this size. */
const SHARD_BYTES = 64 * 1024 * 1024;

/** Where an output is. */
export interface OutputPlace {
  /** Absolute. */
  prefix: string;
  stores?: StoreOptions | undefined;
}

/** How an output is named, and what it is made of. */
export interface OutputSpec<R = unknown> extends OutputPlace {
  suffix: string;
  template: string;
  shards: number | undefined;
  /** What a shard may hold at most: elements, and bytes before compression. */
  maxRecords: number | undefined;
  maxBytes: number | undefined;
  format: ShardFormat<R>;
  /** Whether what follows the prefix is told by each element. @default false */
  byDestination?: boolean;
  /** Whether each window has files of its own, and W and P in the template stand for it and its pane. @default false */
  windowed?: boolean;
}

/**
 * Finds out early that an output cannot be written.
 *
 * @throws `OUTPUT_NOT_WRITABLE`
 */
export function checkWritable({ prefix, stores }: OutputPlace): void {
  outputsFor(prefix, stores).checkWritable(prefix);
}

/**
 * A folder for temporary files, as {@link Outputs.makeTemporary} tells.
 *
 * @throws `OUTPUT_NOT_WRITABLE`
 */
export function makeTemporary(
  { prefix, stores }: OutputPlace,
  isOwn = true,
  mark?: string,
): Promise<string> {
  return outputsFor(prefix, stores).makeTemporary(prefix, isOwn, mark);
}

/** Removes the temporary folders that workers of a run made, as far as they can be seen from here. */
export function removeMarked({ prefix, stores }: OutputPlace, mark: string): Promise<void> {
  return outputsFor(prefix, stores).removeMarked(prefix, mark);
}

/** By temporary folder, the naming of what is in it that is under way. */
const placing = new Map<string, Promise<void>>();

/**
 * Removes temporary files, which is no reason to fail. What is being named out of the folder is waited for: half
 * of it would have its name, and nothing could be put back.
 */
export async function removeTemporary(
  { prefix, stores }: OutputPlace,
  folder: string,
): Promise<void> {
  await placing.get(folder)?.catch(() => {});
  await outputsFor(prefix, stores).removeTemporary(folder);
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
  const shards: { parts: Part[]; final: string }[] = [];
  for (const place of placesOf(spec, parts)) {
    const groups = spec.shards === undefined ? packed(place, spec) : byShard(place, spec.shards);
    const name = shardNames(spec, place[0]);
    for (const [index, group] of groups.entries())
      shards.push({ parts: group, final: name(index, groups.length) });
  }
  const finals = shards.map(({ final }) => final);
  refuseMeeting(spec, finals);
  if (named.has(temporary)) {
    return { spec, temporary, moves: [], finals };
  }
  const outputs = outputsFor(spec.prefix, spec.stores);
  await mapSome(finals, (path) => outputs.refuseName(path));
  const moves = await mapSome(shards, ({ parts: group, final }, index) =>
    completeShard(spec, outputs, temporary, group, final, index),
  );
  return { spec, temporary, moves, finals };
}

/** The parts of each destination and window; all of them where these are not told apart, be they none. */
function placesOf(spec: OutputSpec, parts: readonly Part[]): (readonly Part[])[] {
  if (!spec.byDestination && !spec.windowed) return [parts];
  const places = new Map<string, Part[]>();
  for (const part of parts) {
    const name = `${part.destination ?? ''}\0${part.window ?? ''}`;
    const place = places.get(name);
    if (place) place.push(part);
    else places.set(name, [part]);
  }
  // Always in the same order, since what is kept of files that are replaced is found by it.
  return [...places].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, place]) => place);
}

/** What names the shards of a destination, a window and a pane. */
export function shardNames(
  { prefix, template, suffix, windowed }: OutputSpec,
  { destination = '', window = '' }: Pick<Part, 'destination' | 'window'> = {},
  pane = ONLY_PANE,
): (index: number, count: number) => string {
  const own = windowed ? templateOf(template, window, pane) : template;
  return (index, count) => prefix + destination + shardName(own, index, count) + suffix;
}

/** What has an end comes in one pane. */
const ONLY_PANE = paneName({ index: 0 });

/** Where names do not tell capitals from small letters, or one spelling of a letter from another. */
const isVague = process.platform === 'darwin' || process.platform === 'win32';

/** Paths that are equal by this are one file. */
export function sameFile(path: string): string {
  return isVague ? path.normalize('NFC').toLowerCase() : path;
}

/**
 * Two destinations may go on to the same name: one that ends with digits, where the template begins with some.
 *
 * @throws `INVALID_ARGUMENT`
 */
function refuseMeeting({ template }: OutputSpec, finals: readonly string[]): void {
  const seen = new Set<string>();
  for (const path of finals) {
    const name = sameFile(path);
    if (seen.has(name))
      throw new BeamBridgeError('INVALID_ARGUMENT', `two files of one output are called ${path}`, {
        hint: `Of two destinations or windows one would replace the other: let the shardNameTemplate, which is ${JSON.stringify(template)}, keep them apart, as '-W-SSSSS-of-NNNNN' does.`,
      });
    seen.add(name);
  }
}

/** Runs that end at the same time may write the same output: it is whole of one of them. */
let lastPlaced: Promise<void> = Promise.resolve();

/**
 * Gives the shards of all outputs their names, or none of them. May be repeated.
 *
 * @throws `OUTPUT_NOT_WRITABLE`, `IO_FAILED`
 */
export async function placeOutputs(outputs: readonly WholeOutput[]): Promise<void> {
  const placed = lastPlaced.then(() => placeTogether(outputs));
  lastPlaced = placed.catch(() => {});
  for (const { temporary } of outputs) placing.set(temporary, placed);
  try {
    await placed;
  } finally {
    for (const { temporary } of outputs) placing.delete(temporary);
  }
  for (const { spec, temporary, finals } of outputs) {
    named.add(temporary);
    await outputsFor(spec.prefix, spec.stores).removeTemporary(temporary);
    await warnOfOthers(spec, finals);
  }
}

/** Those of one store at a time. */
async function placeTogether(outputs: readonly WholeOutput[]): Promise<void> {
  const byStore = new Map<Outputs, Move[]>();
  for (const { spec, moves } of outputs) {
    const store = outputsFor(spec.prefix, spec.stores);
    byStore.set(store, [...(byStore.get(store) ?? []), ...moves]);
  }
  for (const [store, moves] of byStore) await store.place(moves);
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

/** A shard that only wants its name; the parts stay, so that this can be repeated. */
async function completeShard(
  { format }: OutputSpec,
  outputs: Outputs,
  temporary: string,
  kept: readonly Part[],
  to: string,
  index: number,
): Promise<Move> {
  const parts: Part[] = [];
  try {
    for (const part of kept)
      parts.push({ ...part, path: await outputs.bringPart(temporary, part.path) });
    const only = parts.length === 1 && format.isWhole ? parts[0]!.path : undefined;
    return await outputs.complete(to, temporary, index, () => format.join(parts), only);
  } finally {
    for (const { path } of parts) await outputs.leavePart(temporary, path);
  }
}
