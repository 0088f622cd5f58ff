// SPDX-License-Identifier: Apache-2.0
// How far groups are in partitions, as it stands in requests and answers of transactions.

import type { GroupOffset } from './transactional-producer.ts';

const UNKNOWN_LEADER_EPOCH = -1;

/** The part of an answer that tells of a group's offsets. */
interface AnsweredGroup {
  readonly topics: readonly {
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly committedOffset: bigint;
      readonly metadata: string | null;
    }[];
  }[];
}

/** What a group has committed of a topic, by partition, none where it has nothing. */
export function storedOffsets(
  groupId: string,
  topic: string,
  groups: readonly AnsweredGroup[],
): ReadonlyMap<number, GroupOffset> {
  const all = groups.flatMap(({ topics }) => topics.flatMap((one) => one.partitions));
  const offsets = new Map<number, GroupOffset>();
  for (const { partitionIndex: partition, committedOffset, metadata } of all) {
    if (committedOffset < 0n) continue;
    const offset = Number(committedOffset);
    offsets.set(partition, { groupId, topic, partition, offset, metadata: metadata ?? '' });
  }
  return offsets;
}

/** The offsets of a group as they are committed. */
export function committedTopics(offsets: readonly GroupOffset[]) {
  return [...groupedBy(offsets, ({ topic }) => topic)].map(([name, its]) => ({
    name,
    partitions: its.map(({ partition, offset, metadata = null }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: UNKNOWN_LEADER_EPOCH,
      committedMetadata: metadata,
    })),
  }));
}

export function byGroup(offsets: readonly GroupOffset[]): ReadonlyMap<string, GroupOffset[]> {
  return groupedBy(offsets, ({ groupId }) => groupId);
}

function groupedBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}
