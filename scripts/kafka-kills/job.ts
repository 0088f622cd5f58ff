// SPDX-License-Identifier: Apache-2.0
// The program that scripts/kafka-kills.ts runs, and kills: messages of one topic through RunInference in
// Python to another topic. Its argument is its options and its runner's, as JSON.

import { resolve } from 'node:path';
import { createRunner, pipeline } from '../../src/index.ts';
import { kafkaJson, readFromKafka, writeToKafka } from '../../src/io/index.ts';
import { custom, RunInference } from '../../src/ml/index.ts';
import { int64, row, string } from '../../src/schema/index.ts';

/** What the program is told beside its runner's options. */
export interface JobOptions {
  readonly broker: string;
  readonly from: string;
  readonly to: string;
  readonly groupId: string;
  /** Whether it writes exactly once. */
  readonly once: boolean;
}

const doubling = custom({
  file: resolve(import.meta.dirname, 'doubling.py'),
  example: int64,
  inference: int64,
});

export const score = pipeline(import.meta.url, (root, options) => {
  const { broker: bootstrapServers, from, to, groupId, once } = options.job as JobOptions;
  root
    .apply(
      readFromKafka({
        bootstrapServers,
        topics: from,
        groupId,
        commitOffsets: true,
        keySchema: string,
        valueSchema: kafkaJson(row({ n: int64 })),
      }),
    )
    .map(({ key, value }) => ({ key: key!, value: value!.n }))
    .apply(RunInference.ofKVs(doubling, string))
    .map(({ key, value }) => ({ key, value: { n: value.example, twice: value.inference } }))
    .apply(
      writeToKafka({
        bootstrapServers,
        topic: to,
        keySchema: string,
        valueSchema: kafkaJson(row({ n: int64, twice: int64 })),
        ...(once && { exactlyOnce: { transactionalId: 'kafka-kills' } }),
      }),
    );
});

const result = await createRunner(JSON.parse(process.argv[2] ?? '{}')).runAsync(score);
if (process.argv[3] === 'leave') process.exit(0);
console.log(await result.waitUntilFinish());
