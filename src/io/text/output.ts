// SPDX-License-Identifier: Apache-2.0
// The last two steps of an output, in whatever store: shards are made whole, and they get their names.

import { getLogger, mapSome } from '../../base/index.ts';
import type { StoreOptions } from '../stores/options.ts';
import { baseOf, folderOf } from '../stores/output-names.ts';
import type { Move, Outputs } from '../stores/store.ts';
import { outputsFor } from '../stores/store-of.ts';
import type { Part, ShardFormat } from './shard-format.ts';
import { shardName, shardPattern } from './shard-names.ts';

const log = getLogger('io');
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
  const groups = spec.shards === undefined ? packed(parts, spec) : byShard(parts, spec.shards);
  const finals = groups.map(
    (_, index) => spec.prefix + shardName(spec.template, index, groups.length) + spec.suffix,
  );
  if (named.has(temporary)) {
    return { spec, temporary, moves: [], finals };
  }
  const outputs = outputsFor(spec.prefix, spec.stores);
  for (const path of finals) await outputs.refuseName(path);
  const moves = await mapSome(groups, (group, index) =>
    completeShard(spec, outputs, temporary, group, finals[index]!, index),
  );
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

/** Shards of an earlier run with another number of shards would be read together with ours. */
async function warnOfOthers(spec: OutputSpec, finals: readonly string[]): Promise<void> {
  const outputs = outputsFor(spec.prefix, spec.stores);
  const { separator } = outputs;
  const base = baseOf(spec.prefix, separator);
  const pattern = shardPattern(base, spec.template, spec.suffix);
  const ours = new Set(finals.map((path) => baseOf(path, separator)));
  const names = await outputs.names(folderOf(spec.prefix, separator));
  const others = names.filter((name) => pattern.test(name) && !ours.has(name));
  if (others.length === 0) return;
  log.warn(
    `beside the shards just written lie ${others.length} of an earlier run, such as ${others[0]}`,
  );
}
