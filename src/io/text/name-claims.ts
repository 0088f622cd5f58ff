// SPDX-License-Identifier: Apache-2.0
// Two outputs of one pipeline that would have files of the same names: one of them would vanish.

import { realpathSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import type { OutputSpec } from './output.ts';
import { shardName, shardPattern } from './shard-names.ts';

type Names = Pick<OutputSpec, 'prefix' | 'suffix' | 'template'>;

const claims = new WeakMap<Pipeline, Names[]>();

/**
 * Remembers what an output's files are called.
 *
 * @throws `INVALID_ARGUMENT` when another output of the pipeline has such names
 */
export function claimNames(pipeline: Pipeline, spec: Names): void {
  const own = { ...spec, prefix: canonical(spec.prefix) };
  const others = claims.get(pipeline) ?? [];
  if (others.some((other) => meet(own, other) || meet(other, own))) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `two outputs of this pipeline are files ${spec.prefix}${spec.template}${spec.suffix}`,
      {
        hint: 'One would replace the other: give each its own prefix, or flatten the PCollections and write them together.',
      },
    );
  }
  claims.set(pipeline, [...others, own]);
}

/** Whether the first file of one is called like some file of the other. */
function meet(one: Names, other: Names): boolean {
  const [folder, name] = split(one.prefix + shardName(one.template, 0, 1) + one.suffix);
  const [otherFolder, base] = split(other.prefix);
  return folder === otherFolder && shardPattern(base, other.template, other.suffix).test(name);
}

function split(path: string): [string, string] {
  const at = path.lastIndexOf(sep);
  return [path.slice(0, at), path.slice(at + 1)];
}

/** The prefix with the links in its folders followed, as far as they are there. */
function canonical(prefix: string): string {
  const at = prefix.lastIndexOf(sep);
  const missing: string[] = [prefix.slice(at + 1)];
  for (let folder = prefix.slice(0, at) || sep; ; folder = dirname(folder)) {
    try {
      return join(realpathSync(folder), ...missing.slice(0, -1)) + sep + missing.at(-1);
    } catch {
      if (dirname(folder) === folder) return prefix;
      missing.unshift(basename(folder));
    }
  }
}
