// SPDX-License-Identifier: Apache-2.0
// Makes what is read part of the transactions of what is written: finds, when a sink is applied, the sources
// that its elements come of, and refuses those that could not go on behind a transaction.

import { BeamBridgeError } from '../../base/index.ts';
import {
  type PCollection,
  type RegisteredParDo,
  TRANSACTION_SOURCE,
  type TransformNode,
} from '../../pipeline/index.ts';
import { DiscoverPartitions } from './discover.ts';
import { ReadPartition } from './read-partition.ts';
import type { TransactionCycle } from './transaction-cycle.ts';

export interface Joining {
  readonly cycle: TransactionCycle;
  /** The sink's cluster, as its messages name it. */
  readonly servers: string;
  /** Marks all that commit together. */
  readonly mark: Uint8Array;
}

const NEEDS =
  'exactlyOnce goes on where the group is: read with readFromKafka({ groupId, commitOffsets: true, … }) from the same cluster, start as it is.';

/** @throws BeamBridgeError `INVALID_ARGUMENT` for elements that do not come of messages of this cluster */
export function joinSources(elements: PCollection<unknown>, joining: Joining): void {
  const { functions } = elements.pipeline;
  const registered = (node: TransformNode) =>
    (functions.get(node.name) ?? {}) as Partial<RegisteredParDo>;
  const isSide = (node: TransformNode, tag: string) =>
    registered(node).sideInputs?.has(tag) ?? false;
  let sources = 0;
  for (const node of before(elements.node.producer, isSide)) {
    const { user } = registered(node);
    const doFn = user?.kind === 'splittable' ? (user.doFn as object) : undefined;
    if (doFn instanceof DiscoverPartitions) doFn.cycle = joining.cycle;
    if (!(doFn instanceof ReadPartition)) continue;
    join(doFn, node, joining);
    sources += 1;
  }
  if (sources > 0) return;
  throw new BeamBridgeError('INVALID_ARGUMENT', 'no element comes of messages of Kafka', {
    hint: NEEDS,
  });
}

/** The transforms that elements come of, this one included; what is read beside them is none of it. */
function* before(
  last: TransformNode,
  isSide: (node: TransformNode, tag: string) => boolean,
): Generator<TransformNode> {
  const seen = new Set<TransformNode>([last]);
  for (const node of seen) {
    yield node;
    for (const [tag, { producer }] of node.inputs) if (!isSide(node, tag)) seen.add(producer);
  }
}

function join(
  source: ReadPartition<unknown, unknown>,
  node: TransformNode,
  { cycle, servers, mark }: Joining,
): void {
  const { cluster, commitOffsets, start } = source.spec;
  const refuse = (what: string, hint = NEEDS) =>
    new BeamBridgeError('INVALID_ARGUMENT', `${node.name} ${what}`, { hint });
  if (!commitOffsets) throw refuse('commits no offsets');
  if (start !== 'committed') throw refuse('does not start where its group is');
  if (cluster.servers !== servers) {
    throw refuse(
      `reads from ${cluster.servers}, and ${servers} is written to`,
      'A transaction is of one cluster: give both the same bootstrapServers.',
    );
  }
  if (source.cycle && source.cycle !== cycle) {
    throw refuse(
      'is read for a sink with another transactionalId',
      'Its offsets can be in one transaction: give the sinks the same transactionalId.',
    );
  }
  source.cycle = cycle;
  node.annotations.set(TRANSACTION_SOURCE, mark);
}
