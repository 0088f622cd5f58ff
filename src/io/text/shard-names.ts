// SPDX-License-Identifier: Apache-2.0
// Names of output files, as Beam forms them: PREFIX-00000-of-00003SUFFIX.

import { BeamBridgeError } from '../../base/index.ts';

export const SHARD_NAME_TEMPLATE = '-SSSSS-of-NNNNN';

/** The name of one shard; runs of S stand for its number and runs of N for how many there are. */
export function shardName(template: string, shard: number, shards: number): string {
  return template
    .replace(/S+/g, (run) => `${shard}`.padStart(run.length, '0'))
    .replace(/N+/g, (run) => `${shards}`.padStart(run.length, '0'));
}

/** Matches names that some number of shards would give. */
export function shardPattern(base: string, template: string, suffix: string): RegExp {
  const between = template
    .split(/(S+|N+)/)
    .map((part, index) => (index % 2 === 1 ? `\\d{${part.length},}` : literal(part)));
  return new RegExp(`^${literal(base)}${between.join('')}${literal(suffix)}$`);
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/**
 * How many shards there must be, if that is decided.
 *
 * @throws `INVALID_ARGUMENT` for a number that is none, and for several shards of one name
 */
export function checkShards(template: string, shards: number | undefined): number | undefined {
  if (shards !== undefined && (!Number.isSafeInteger(shards) || shards < 0)) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `numShards is ${String(shards)}`, {
      hint: 'Give a whole number of files, or leave it out.',
    });
  }
  // Beam's 0 leaves the choice to the runner.
  const wanted = shards === 0 ? undefined : shards;
  if (template.includes('S')) return wanted;
  if ((wanted ?? 1) === 1) return 1;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `${wanted} shards would all be named by ${JSON.stringify(template)}`,
    { hint: `Put the number into the name, as in ${SHARD_NAME_TEMPLATE}.` },
  );
}
