// SPDX-License-Identifier: Apache-2.0
// Writing exactly once where a runner has a step's input stable: what it gives is in its checkpoint, and comes again as
// it was. Messages are dealt out to shards, numbered there, and written in transactions that hold how far a shard is.
//
// Numbering and writing are two steps with a grouping in between, which hands each chunk on at once: fused, they would be
// one step with state and with stable input, in which Flink's runner (Beam 2.70) waits for itself.
// Source: org.apache.beam.sdk.io.kafka.KafkaExactlyOnceSink

import { BeamBridgeError } from '../../../base/index.ts';
import { BytesCoder, type Coder } from '../../../coders/index.ts';
import type { PCollection, Pipeline } from '../../../pipeline/index.ts';
import {
  afterCount,
  doFnStep,
  globalWindows,
  groupByKey,
  repeatedly,
  windowInto,
} from '../../../transforms/index.ts';
import type { WriteSpec } from '../../write-to-kafka.ts';
import { MOST_SHARDS } from '../exactly-once.ts';
import { MessageOf } from '../message-of.ts';
import type { KafkaTransactions, OpenTransactions } from '../transactional-producer.ts';
import { chunkCoder, numberedCoder } from './chunks.ts';
import { groupOf, idOf, MARKED_PARTITION, type ShardNames, usedBefore } from './mark.ts';
import { NumberChunks, numberingContext } from './number-chunks.ts';
import { ShardMessages } from './shard-messages.ts';
import { ShardWriter } from './shard-writer.ts';
import { WriteChunks } from './write-chunks.ts';

/** @throws BeamBridgeError `UNSUPPORTED` for what has an end, and for topics by a function */
export function writeInShards<T, K, V>(
  elements: PCollection<T>,
  spec: WriteSpec<T, K, V>,
  open: OpenTransactions,
): PCollection<never> {
  const names = namesOf(elements, spec);
  const { pipeline } = elements;
  claim(pipeline, names);
  const { shards } = spec.exactlyOnce!;
  pipeline.freshChecks.push(() => refuseUsed(names, () => open(idOf(names, 0))));
  const nothing = new BytesCoder() as Coder<unknown> as Coder<never>;
  const write = new WriteChunks(
    (shard) => new ShardWriter(names, shard, () => open(idOf(names, shard), PATIENCE_MS)),
  );
  return elements
    .apply(
      windowInto(globalWindows(), {
        trigger: repeatedly(afterCount(1)),
        accumulationMode: 'discarding',
      }),
    )
    .apply(doFnStep('shard', new ShardMessages(new MessageOf(spec), shards), chunkCoder))
    .apply(doFnStep('number', new NumberChunks(), numberedCoder, numberingContext()))
    .apply(groupByKey())
    .apply(doFnStep('write', write, nothing));
}

function namesOf<T, K, V>(
  { node }: PCollection<T>,
  { options, exactlyOnce }: WriteSpec<T, K, V>,
): ShardNames {
  const { topic } = options;
  const refuse = (what: string, hint: string) =>
    new BeamBridgeError('UNSUPPORTED', `on Flink exactlyOnce ${what}`, { hint });
  if (node.bounded) {
    throw refuse(
      'is for streams: a batch has no checkpoints',
      "Write at least once, without exactlyOnce, or use runner: 'node'.",
    );
  }
  if (typeof topic === 'function') {
    throw refuse(
      'is for one topic, with which it keeps how far it is',
      'Write each topic with a writeToKafka of its own.',
    );
  }
  return { transactionalId: exactlyOnce!.transactionalId, topic };
}

const claimed = new WeakMap<Pipeline, Set<string>>();

/** @throws BeamBridgeError `INVALID_ARGUMENT` for two sinks that would number the same shards */
function claim(pipeline: Pipeline, names: ShardNames): void {
  const known = claimed.get(pipeline) ?? new Set();
  claimed.set(pipeline, known);
  const id = JSON.stringify(names);
  if (known.has(id)) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `two sinks write to ${names.topic} as ${names.transactionalId}`,
      { hint: 'Flatten what they write into one, or give each a transactionalId of its own.' },
    );
  }
  known.add(id);
}

/**
 * How long a broker may be away. Flink gives up a checkpoint after ten minutes; and each try that fails leaves, in
 * Beam's runner (2.70), a list in its state that is multiplied by the parallelism, so that few may fail in a row.
 */
const PATIENCE_MS = 300_000;

/** So many shards are asked about at the same time. */
const AT_ONCE = 100;

/**
 * Says before a job begins anew what its writers would say later, again and again, and what they would not see: the
 * run before may have had more shards. @internal
 */
export async function refuseUsed(
  names: ShardNames,
  open: () => Promise<KafkaTransactions>,
): Promise<void> {
  const transactions = await open();
  try {
    for (let first = 0; first < MOST_SHARDS; first += AT_ONCE) {
      const marks = await Promise.all(
        Array.from({ length: AT_ONCE }, (_, i) =>
          transactions.stored(groupOf(names, first + i), names.topic, [MARKED_PARTITION], false),
        ),
      );
      if (marks.some(({ size }) => size > 0)) throw usedBefore(names.transactionalId);
    }
  } finally {
    await transactions.close();
  }
}
