// SPDX-License-Identifier: Apache-2.0
// Files of an earlier run that will be read together with those of this one, since their names differ in the number of
// shards alone.

import { getLogger } from '../../base/index.ts';
import { baseOf, folderOf } from '../stores/output-names.ts';
import { outputsFor } from '../stores/store-of.ts';
import type { OutputSpec } from './output.ts';
import { restPattern } from './shard-names.ts';

const log = getLogger('io');
/** It is for a warning only: the first of many folders will do. */
const MOST_FOLDERS = 100;

/** Warns of shards of an earlier run with another number of shards. */
export async function warnOfOthers(spec: OutputSpec, finals: readonly string[]): Promise<void> {
  const outputs = outputsFor(spec.prefix, spec.stores);
  const { separator } = outputs;
  const folders = new Map<string, Set<string>>();
  for (const path of finals) {
    const folder = folderOf(path, separator);
    const ours = folders.get(folder);
    if (ours) ours.add(baseOf(path, separator));
    else if (folders.size < MOST_FOLDERS) folders.set(folder, new Set([baseOf(path, separator)]));
  }
  const others: string[] = [];
  for (const [folder, ours] of folders) {
    const names = await outputs.names(folder);
    others.push(...strangers(spec, names, ours));
  }
  if (others.length === 0) return;
  log.warn(
    `beside the shards just written lie ${others.length} of an earlier run, such as ${others[0]}`,
  );
}

/** The names of a folder that differ from one of ours in nothing but the shard and the number of shards. */
function strangers(
  { template, suffix, windowed = false }: OutputSpec,
  names: readonly string[],
  ours: ReadonlySet<string>,
): string[] {
  const pattern = new RegExp(`^(.*?)${restPattern(template, suffix, windowed)}$`, 's');
  const without = (name: string) => pattern.exec(name)?.slice(1).join('\0');
  const known = new Set([...ours].map(without));
  return names.filter((name) => {
    if (ours.has(name)) return false;
    const rest = without(name);
    return rest !== undefined && known.has(rest);
  });
}
