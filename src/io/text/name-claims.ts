// SPDX-License-Identifier: Apache-2.0
// Two outputs of one pipeline that would have files of the same names: one of them would vanish.

import { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { outputsFor } from '../stores/store-of.ts';
import type { OutputSpec } from './output.ts';
import { shardName, shardPattern } from './shard-names.ts';

type Names = Pick<OutputSpec, 'prefix' | 'stores' | 'suffix' | 'template'>;
type Claim = Names & { readonly separator: string };

const claims = new WeakMap<Pipeline, Claim[]>();

/**
 * Remembers what an output's files are called.
 *
 * @throws `INVALID_ARGUMENT` when another output of the pipeline has such names
 */
export function claimNames(pipeline: Pipeline, spec: Names): void {
  const outputs = outputsFor(spec.prefix, spec.stores);
  const own = { ...spec, prefix: outputs.canonical(spec.prefix), separator: outputs.separator };
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
function meet(one: Claim, other: Claim): boolean {
  const first = one.prefix + shardName(one.template, 0, 1) + one.suffix;
  const [folder, name] = split(first, one.separator);
  const [otherFolder, base] = split(other.prefix, other.separator);
  return folder === otherFolder && shardPattern(base, other.template, other.suffix).test(name);
}

function split(path: string, separator: string): [string, string] {
  const at = path.lastIndexOf(separator);
  return [path.slice(0, at), path.slice(at + 1)];
}
