// SPDX-License-Identifier: Apache-2.0
// The options of writing exactly once.

import { checkOptionNames } from '../../base/index.ts';
import { invalid } from './connection.ts';

/** How messages are written exactly once. */
export interface KafkaExactlyOnce {
  /**
   * The name of the writer, the same in each run of the program and no other program's: who begins with it ends
   * whoever had it before. Sinks of a pipeline with the same name write in the same transactions.
   */
  transactionalId: string;
  /**
   * How long a transaction may take, in milliseconds. Brokers abort one of which they hear nothing for so long,
   * and until then readers wait for it; the next run ends what a killed one has left at once. At most the
   * brokers' `transaction.max.timeout.ms` (15 minutes). @default 300,000
   */
  timeout?: number;
  /**
   * On Flink alone: in how many parts messages are written at the same time, each with transactions of its own. A
   * run that goes on from a savepoint has the same number, or loses the order of keys where it does so. @default 16
   */
  shards?: number;
}

/** As long as Kafka's own `transaction.max.timeout.ms` allows thrice over. Milliseconds. */
const TRANSACTION_MS = 300_000;
const SHARDS = 16;
export const MOST_SHARDS = 1_000;

/** @throws BeamBridgeError `INVALID_ARGUMENT` for options that are not as described */
export function checkExactlyOnce(of: string, given: KafkaExactlyOnce): Required<KafkaExactlyOnce> {
  if (typeof given !== 'object' || given === null) {
    throw invalid(of, 'exactlyOnce', given, "Give { transactionalId: 'my-writer' }.");
  }
  checkOptionNames(`${of}: exactlyOnce`, given, {
    transactionalId: true,
    timeout: true,
    shards: true,
  });
  const { transactionalId, timeout = TRANSACTION_MS, shards = SHARDS } = given;
  if (typeof transactionalId !== 'string' || transactionalId === '') {
    throw invalid(of, 'exactlyOnce.transactionalId', transactionalId, "Give the writer's name.");
  }
  // A number of Kafka's protocol has 32 bits.
  if (!Number.isInteger(timeout) || timeout < 1 || timeout >= 2 ** 31) {
    throw invalid(of, 'exactlyOnce.timeout', timeout, 'Give whole milliseconds.');
  }
  if (!Number.isInteger(shards) || shards < 1 || shards > MOST_SHARDS) {
    throw invalid(
      of,
      'exactlyOnce.shards',
      shards,
      `Give a whole number from 1 to ${MOST_SHARDS}.`,
    );
  }
  return { transactionalId, timeout, shards };
}
