// SPDX-License-Identifier: Apache-2.0
// Names of output files, as Beam forms them: PREFIX-00000-of-00003SUFFIX, and with windows
// PREFIX-20260101T100000Z-20260101T110000Z-pane-0-00000-of-00003SUFFIX.

import { BeamBridgeError } from '../../base/index.ts';
import { PANE_NAMES, WINDOW_NAMES } from './window-names.ts';

export const SHARD_NAME_TEMPLATE = '-SSSSS-of-NNNNN';

/** The name of one shard; runs of S stand for its number and runs of N for how many there are. */
export function shardName(template: string, shard: number, shards: number): string {
  return template
    .replace(/S+/g, (run) => `${shard}`.padStart(run.length, '0'))
    .replace(/N+/g, (run) => `${shards}`.padStart(run.length, '0'));
}

/** The template of one window's files, or one pane's: W and P stand for them. Neither's name has an S or an N. */
export function templateOf(template: string, window: string, pane: string): string {
  return template.replace(/[WP]/g, (letter) => (letter === 'W' ? window : pane));
}

/** Matches names that some number of shards would give. */
export function shardPattern(base: string, template: string, suffix: string): RegExp {
  return new RegExp(`^${literal(base)}${restPattern(template, suffix, false)}$`);
}

/**
 * What matches the names behind prefix and destination.
 *
 * @param isWindowed - whether W and P in the template stand for windows and panes; each is a group of the pattern then
 */
export function restPattern(template: string, suffix: string, isWindowed: boolean): string {
  const parts = template.split(isWindowed ? /(S+|N+|W|P)/ : /(S+|N+)/);
  const between = parts.map((part, index) => {
    if (index % 2 === 0) return literal(part);
    if (part === 'W') return `(${WINDOW_NAMES})`;
    return part === 'P' ? `(${PANE_NAMES})` : `\\d{${part.length},}`;
  });
  return between.join('') + literal(suffix);
}

export function literal(text: string): string {
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
