// SPDX-License-Identifier: Apache-2.0
// How far a shard is written: kept by Kafka as what a group has committed, in the transaction that the messages are
// in. A chunk that comes again is known by it, and so is one that has the number of another.

import { BeamBridgeError } from '../../../base/index.ts';
import type { NumberedChunk } from './chunks.ts';

/**
 * How many generations of numbers are remembered: those of which a checkpoint may hold chunks are among the last.
 */
const MOST_GENERATIONS = 40;

/** What is known of a shard. */
export interface Mark {
  readonly writer: string;
  /** The number of the last chunk that is written. */
  readonly last: number;
  /** For each generation the last number of its that is written, the latest first. */
  readonly generations: readonly (readonly [generation: string, last: number])[];
}

/** What is to be done with a chunk: it is written, is the next, or others come before it. */
export type Turn = 'written' | 'next' | 'early';

/** Where a sink keeps what it knows, and under which names it writes. */
export interface ShardNames {
  readonly transactionalId: string;
  readonly topic: string;
}

/** The group whose offset is the mark of a shard: one each, since topics may have fewer partitions than there are shards. */
export const groupOf = ({ transactionalId }: ShardNames, shard: number) =>
  `${transactionalId}.shards.${shard}`;

/** The partition of that offset, which every topic has. */
export const MARKED_PARTITION = 0;

/** The transactional id of a shard. No topic has a slash in its name, so that no two sinks have the same. */
export const idOf = ({ transactionalId, topic }: ShardNames, shard: number) =>
  `${transactionalId}/${topic}/${shard}`;

/** @throws BeamBridgeError `IO_FAILED` for what no sink of this package has written */
export function markOf(last: number, metadata: string, where: string): Mark {
  try {
    const { writer, generations } = JSON.parse(metadata) as Partial<Mark>;
    if (typeof writer === 'string' && Array.isArray(generations)) {
      return { writer, last, generations };
    }
  } catch {
    // It is of somebody else.
  }
  throw new BeamBridgeError('IO_FAILED', `${where} holds what is not of exactlyOnce`, {
    hint: 'Give a transactionalId that nobody else has used.',
  });
}

/** What goes beside the number of the last chunk. */
export const metadataOf = ({ writer, generations }: Mark) =>
  JSON.stringify({ writer, generations });

export const isSameMark = (one: Mark | undefined, other: Mark | undefined) =>
  one?.last === other?.last && one?.writer === other?.writer;

/**
 * What is to be done with a chunk.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` for a chunk of a run that does not go on from what is written
 */
export function turnOf(
  { writer, generation, number }: NumberedChunk,
  mark: Mark | undefined,
  { transactionalId }: ShardNames,
): Turn {
  if (mark && mark.writer !== writer) throw usedBefore(transactionalId);
  const last = mark?.last ?? 0;
  if (number > last) return number === last + 1 ? 'next' : 'early';
  const known = mark?.generations.find(([name]) => name === generation);
  if (known && number <= known[1]) return 'written';
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `the state that this run began with is older than what exactlyOnce has written as ${transactionalId}`,
    {
      hint: 'Go on from the last savepoint or checkpoint; from an older one, messages would be written again. To write them again on purpose, give another transactionalId and begin without a savepoint.',
    },
  );
}

/** The mark when a chunk is written. */
export function advanced(
  { writer, generation, number }: NumberedChunk,
  mark: Mark | undefined,
): Mark {
  const others = (mark?.generations ?? []).filter(([name]) => name !== generation);
  const generations = [[generation, number] as const, ...others].slice(0, MOST_GENERATIONS);
  return { writer, last: number, generations };
}

/** For a run that began anew under a name that another has written with. */
export function usedBefore(transactionalId: string): BeamBridgeError {
  return new BeamBridgeError(
    'INVALID_ARGUMENT',
    `another run has written as ${transactionalId}, and this one does not go on from its state`,
    {
      hint: 'Give its savepoint, or its last checkpoint, as savepointPath; or a transactionalId that was not used before, and say where sources start: nothing tells what of their messages is written.',
    },
  );
}
