// SPDX-License-Identifier: Apache-2.0
// Which sinks of a pipeline write in the same transactions: those that give the same name, so that what comes of a
// message in several of them counts together.

import { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { TransactionCycle } from './transaction-cycle.ts';
import type { KafkaTransactions, TransactionSettings } from './transactional-producer.ts';

/** What sinks with the same name must agree in. */
export interface SharedSettings extends TransactionSettings {
  readonly bootstrapServers: string;
}

interface Shared {
  readonly cycle: TransactionCycle;
  readonly settings: SharedSettings;
}

const cyclesOf = new WeakMap<Pipeline, Map<string, Shared>>();
const AGREED = ['bootstrapServers', 'timeout', 'compression'] as const;

/**
 * The cycle of a sink; its pipeline commits the last transaction, and lets go of the cluster.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` for settings that are not those of another sink with this name
 */
export function cycleOf(
  pipeline: Pipeline,
  settings: SharedSettings,
  open: () => Promise<KafkaTransactions>,
): TransactionCycle {
  const { transactionalId } = settings;
  const known = cyclesOf.get(pipeline) ?? new Map<string, Shared>();
  cyclesOf.set(pipeline, known);
  const shared = known.get(transactionalId);
  if (shared) {
    checkAgreement(shared.settings, settings);
    return shared.cycle;
  }
  const cycle = new TransactionCycle(open);
  known.set(transactionalId, { cycle, settings });
  pipeline.lastCommits.push(() => cycle.finish());
  pipeline.cleanUps.push(() => cycle.close());
  return cycle;
}

function checkAgreement(one: SharedSettings, other: SharedSettings): void {
  const name = AGREED.find((each) => one[each] !== other[each]);
  if (!name) return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `two sinks with the transactionalId ${one.transactionalId} have the ${name} ${one[name]} and ${other[name]}`,
    { hint: 'They write in the same transactions: give them the same, or names of their own.' },
  );
}
