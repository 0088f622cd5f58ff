// SPDX-License-Identifier: Apache-2.0
// One look at a cluster: which partitions there are, and what is to be read of each.

import { BeamBridgeError } from '../../base/index.ts';
import type { Instant } from '../../coders/index.ts';
import type { KafkaClient, PartitionOf, TopicPartition } from './client.ts';
import type { Offsets, Position, ReadSpec } from './read-options.ts';

/** What is to be read of a partition. */
export interface PartitionTask extends PartitionOf {
  readonly start: number;
  /** Messages from before this time are left out: there was none of it or later to begin with. */
  readonly notBefore: Instant | undefined;
  /** Undefined for no end, or none that is known yet. */
  readonly stop: number | undefined;
  /** Where it ends as of then: at the messages of this time, which is to come. */
  readonly until: Instant | undefined;
  /** No message is from before that; undefined where nothing is known. */
  readonly since: Instant | undefined;
}

export interface Look {
  /** Partitions that are being read. */
  readonly seen: ReadonlySet<string>;
  /** When it was looked before; undefined for the first look. */
  readonly before: Instant | undefined;
  readonly now: Instant;
}

export const nameOf = ({ topic, partition }: TopicPartition) => `${topic}:${partition}`;

/**
 * What is to be read of partitions that are new.
 *
 * @throws BeamBridgeError `TOPIC_NOT_FOUND`, `INVALID_ARGUMENT`
 */
export async function look<K, V>(
  client: KafkaClient,
  spec: ReadSpec<K, V>,
  { seen, before, now }: Look,
): Promise<PartitionTask[]> {
  const topics = await topicsOf(client, spec, before === undefined);
  if (topics.length === 0) return [];
  const counts = await client.partitions(topics);
  const tasks: PartitionTask[] = [];
  for (const [topic, count] of counts) {
    const numbers = Array.from({ length: count }, (_, partition) => partition);
    const fresh = numbers.filter((partition) => !seen.has(nameOf({ topic, partition })));
    if (fresh.length === 0) continue;
    checkNamed(spec, topic, count);
    const from = before === undefined ? spec.start : startOfLater(spec.start);
    const { found: starts, open } = await starting(client, spec, topic, fresh, from);
    const stops = spec.stop && (await stopping(client, spec.stop, topic, fresh, now));
    const isToCome = isTime(spec.stop) && spec.stop.time > now;
    for (const partition of fresh) {
      const start = starts.get(partition) ?? 0;
      const notBefore = isTime(from) && open?.has(partition) ? from.time : undefined;
      const stop = stops?.get(partition);
      if (spec.stop === 'latest' && stop !== undefined && start > stop) {
        throw behindTheEnd({ topic, partition }, start, stop);
      }
      tasks.push({
        topic,
        partition,
        topicId: client.topicId(topic),
        start,
        notBefore,
        // A partition whose end lies in front of its start has nothing to be read.
        stop: stop === undefined ? undefined : Math.max(start, stop),
        until: isToCome ? (spec.stop as { time: number }).time : undefined,
        since: before,
      });
    }
  }
  return tasks;
}

/** Whoever went on from there later would pass over all that is written until then. */
function behindTheEnd({ topic, partition }: TopicPartition, start: number, end: number) {
  return new BeamBridgeError(
    'IO_FAILED',
    `partition ${partition} of ${topic} is to be read from offset ${start}, and ends at ${end}`,
    {
      hint: 'Its messages were lost or written anew since the offset was committed or noted; or the transaction in front of it is open, and who committed does not wait for those. Begin where the messages are: start, or reset the offsets of the group.',
    },
  );
}

async function topicsOf<K, V>(client: KafkaClient, spec: ReadSpec<K, V>, isFirst: boolean) {
  const { topics: wanted } = spec;
  // Only at first: whoever deletes a topic that is being read hears of it from the reading.
  if (!isFirst && !(wanted instanceof RegExp)) return wanted;
  const there = await client.topics();
  if (wanted instanceof RegExp) {
    const found = there.filter((topic) => wanted.test(topic));
    if (found.length > 0 || !spec.stop) return found;
    throw new BeamBridgeError('TOPIC_NOT_FOUND', `no topic matches ${wanted}`, {
      hint: `There are ${listed(there)}.`,
    });
  }
  const missing = wanted.filter((topic) => !there.includes(topic));
  if (missing.length === 0) return wanted;
  throw new BeamBridgeError('TOPIC_NOT_FOUND', `there is no topic ${missing.join(', ')}`, {
    hint: `Create it first, or look at its name and at what this user may see. There are ${listed(there)}.`,
  });
}

function listed(topics: readonly string[]): string {
  if (topics.length === 0) return 'none';
  const shown = topics.slice(0, 10).join(', ');
  return topics.length > 10 ? `${shown} and ${topics.length - 10} more` : shown;
}

/** What is new since the pipeline began is new as a whole. */
function startOfLater(start: Position): Position {
  return start === 'latest' ? 'earliest' : start;
}

const isTime = (position: Position | undefined): position is { readonly time: number } =>
  typeof position === 'object' && 'time' in position;
const isOffsets = (position: Position | undefined): position is Offsets => position instanceof Map;

type Found = ReadonlyMap<number, number | undefined>;

/** Offsets of a time, and the partitions that have no message of it or later: theirs is where the next will be. */
interface AtTime {
  readonly found: Found;
  readonly open: ReadonlySet<number>;
}

async function starting<K, V>(
  client: KafkaClient,
  { groupId = '' }: ReadSpec<K, V>,
  topic: string,
  partitions: readonly number[],
  start: Position,
): Promise<{ found: Found; open?: AtTime['open'] }> {
  if (start === 'latest' || start === 'earliest') {
    return { found: await client.offsets(topic, partitions, start) };
  }
  if (isTime(start)) return atTime(client, topic, partitions, start.time);
  const known: Found = isOffsets(start)
    ? (start.get(topic) ?? new Map())
    : await client.committed(groupId, topic, partitions);
  const rest = partitions.filter((partition) => known.get(partition) === undefined);
  const earliest = rest.length > 0 ? await client.offsets(topic, rest, 'earliest') : new Map();
  const named = [...known].filter(([partition]) => partitions.includes(partition));
  return { found: new Map([...earliest, ...named]) };
}

/** The first message of a time, or where the next will be if there is none. */
export async function atTime(
  client: KafkaClient,
  topic: string,
  partitions: readonly number[],
  time: number,
): Promise<AtTime> {
  // In this order: what is written in between is behind the end, and of a later time.
  const latest = await client.offsets(topic, partitions, 'latest');
  const found = await client.offsets(topic, partitions, time);
  const open = new Set(partitions.filter((partition) => found.get(partition) === undefined));
  return {
    found: new Map(
      partitions.map((partition) => [partition, found.get(partition) ?? latest.get(partition)]),
    ),
    open,
  };
}

async function stopping(
  client: KafkaClient,
  stop: Position,
  topic: string,
  partitions: readonly number[],
  now: Instant,
): Promise<Found> {
  if (isOffsets(stop)) return stop.get(topic) ?? new Map();
  if (!isTime(stop)) return client.offsets(topic, partitions, 'latest');
  if (stop.time > now) return new Map();
  return (await atTime(client, topic, partitions, stop.time)).found;
}

/** Offsets are of partitions that are there; an end is given to each of them. */
function checkNamed<K, V>({ start, stop }: ReadSpec<K, V>, topic: string, count: number): void {
  for (const [option, offsets] of Object.entries({ start, stop })) {
    if (!isOffsets(offsets)) continue;
    for (const partition of offsets.get(topic)?.keys() ?? []) {
      if (partition < count) continue;
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `${option} names partition ${partition} of ${topic}, which has ${count}`,
      );
    }
  }
  if (!isOffsets(stop)) return;
  for (let partition = 0; partition < count; partition++) {
    if (stop.get(topic)?.has(partition)) continue;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `stop has no offset for partition ${partition} of ${topic}, which would never end`,
      { hint: 'Give the offset of every partition, or a Date, or leave stop out for a stream.' },
    );
  }
}
