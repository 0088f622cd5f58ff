// SPDX-License-Identifier: Apache-2.0
// Two outputs of one pipeline that would have files of the same names: one of them would vanish.

import { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { outputsFor } from '../stores/store-of.ts';
import { type OutputSpec, sameFile } from './output.ts';
import { literal, restPattern, shardName, templateOf } from './shard-names.ts';

type Names = Pick<
  OutputSpec,
  'prefix' | 'stores' | 'suffix' | 'template' | 'byDestination' | 'windowed'
>;

/** What an output's files are called. */
interface Claim {
  readonly prefix: string;
  /** The name of some file, and what all of them match. */
  readonly example: string;
  readonly pattern: RegExp;
  /** Whether names are known only when there are elements. */
  readonly byDestination: boolean;
  readonly isStream: boolean;
}

const claims = new WeakMap<Pipeline, Claim[]>();

/**
 * Remembers what an output's files are called.
 *
 * @param isStream - whether files appear one by one: what {@link claimFiles} finds in the end of others comes too late there
 * @throws `INVALID_ARGUMENT` when another output of the pipeline has such names
 */
export function claimNames(pipeline: Pipeline, spec: Names, isStream = false): void {
  const own = claimOf(spec, isStream);
  const others = claims.get(pipeline) ?? [];
  if (others.some((other) => meet(own, other))) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `two outputs of this pipeline are files ${spec.prefix}${spec.byDestination ? '…' : ''}${spec.template}${spec.suffix}`,
      {
        hint: 'One would replace the other: give each its own prefix, or flatten the PCollections and write them together.',
      },
    );
  }
  claims.set(pipeline, [...others, own]);
}

const WINDOW = '20260101T000000Z-20260101T000100Z';

function claimOf(spec: Names, isStream: boolean): Claim {
  const { template, suffix, windowed = false, byDestination = false } = spec;
  const prefix = outputsFor(spec.prefix, spec.stores).canonical(spec.prefix);
  const first = shardName(windowed ? templateOf(template, WINDOW, 'pane-0') : template, 0, 1);
  const destination = byDestination ? '.*' : '';
  return {
    prefix,
    example: prefix + first + suffix,
    pattern: new RegExp(
      `^${literal(prefix)}${destination}${restPattern(template, suffix, windowed)}$`,
      's',
    ),
    byDestination,
    isStream,
  };
}

function meet(one: Claim, other: Claim): boolean {
  const alike = one.pattern.test(other.example) || other.pattern.test(one.example);
  if (!one.byDestination && !other.byDestination) return alike;
  if (!one.isStream && !other.isStream) return false;
  const goesOn = one.prefix.startsWith(other.prefix) || other.prefix.startsWith(one.prefix);
  return alike || (one.byDestination && other.byDestination && goesOn);
}

/** By pipeline, the files that its outputs have, and whose they are. */
const files = new WeakMap<Pipeline, Map<string, Names>>();

/**
 * Remembers the files that an output has. May be repeated.
 *
 * @throws `INVALID_ARGUMENT` when another output has one of them, by a destination that nobody could know before
 */
export function claimFiles(pipeline: Pipeline, spec: Names, paths: readonly string[]): void {
  const taken = files.get(pipeline) ?? new Map<string, Names>();
  files.set(pipeline, taken);
  for (const path of paths) {
    const owner = taken.get(sameFile(path));
    if (owner === undefined || owner === spec) continue;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `two outputs of this pipeline have a file ${path}`,
      { hint: 'One would replace the other: give each its own prefix.' },
    );
  }
  for (const path of paths) taken.set(sameFile(path), spec);
}
