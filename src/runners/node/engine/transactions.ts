// SPDX-License-Identifier: Apache-2.0
// Whether a sink that commits what it writes together with how far its sources are can do so: when the bundles
// of the sources are finalized, all that came of them must have reached it. What groupings, state and side inputs
// have is in memory, and lost with the process; and elements that wait for it would wait for ever, since the
// sources pause until they have come.

import { BeamBridgeError } from '../../../base/index.ts';
import { type Pipeline, TRANSACTION_SINK, TRANSACTION_SOURCE } from '../../../pipeline/index.ts';
import { urns } from '../../../proto/index.ts';
import { inputsOf, isStateful, type Leaf } from './leaves.ts';

const { FLATTEN } = urns.StandardPTransforms_Primitives;
const { RESHUFFLE } = urns.StandardPTransforms_Composites;
/** What the runner does and hands elements on at once. */
const PASSING: ReadonlySet<string> = new Set([FLATTEN, RESHUFFLE]);

/** @throws BeamBridgeError `UNSUPPORTED` with the transform that stands in between */
export function checkTransactions(leaves: readonly Leaf[]): void {
  const producers = new Map(leaves.flatMap((one) => one.outputs.map((id) => [id, one] as const)));
  for (const sink of leaves) {
    if (Object.hasOwn(sink.proto.annotations, TRANSACTION_SINK)) checkSink(sink, producers);
  }
}

/**
 * A batch that writes files stores them at its end, and a source's bundles are finalized then: in one transaction
 * with all that is written, or behind what the files lack if the run fails.
 *
 * @throws BeamBridgeError `UNSUPPORTED`
 */
export function refuseFiles(pipeline: Pipeline): void {
  const sink = pipeline.transforms.find(({ annotations }) => annotations.has(TRANSACTION_SINK));
  if (!sink || pipeline.commits.length === 0 || pipeline.isStream) return;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    'exactlyOnce cannot hold in a batch that writes files, too, which are stored at its end',
    {
      ...sink.errorDetails,
      hint: 'Write the files in a pipeline of their own.',
    },
  );
}

type Producers = ReadonlyMap<string, Leaf>;

function checkSink(sink: Leaf, producers: Producers): void {
  const mark = sink.proto.annotations[TRANSACTION_SINK]!;
  const isSource = ({ proto }: Leaf) => {
    const its = proto.annotations[TRANSACTION_SOURCE];
    return its !== undefined && Buffer.compare(its, mark) === 0;
  };
  const between = new Set([sink]);
  for (const leaf of between) {
    if (isSource(leaf)) continue;
    const reason = reasonAgainst(leaf, (side) => comesOf(side, isSource, producers));
    if (reason) throw refusal(sink, leaf, reason);
    const sides = [...leaf.sideInputs.values()];
    for (const id of inputsOf(leaf)) {
      const producer = producers.get(id);
      if (producer && !sides.includes(id)) between.add(producer);
    }
  }
}

/** Why elements that go through a transform are not all there, or come again. */
function reasonAgainst(leaf: Leaf, isOfSource: (side: string) => boolean): string | undefined {
  const { environment, parDo, proto, sideInputs } = leaf;
  if (environment === undefined && inputsOf(leaf).length === 0) {
    return 'gives elements that come again with the next run';
  }
  if (environment === undefined && !PASSING.has(proto.spec?.urn ?? '')) {
    return 'groups, and what a group has waits in memory';
  }
  if (parDo && isStateful(parDo)) return 'has state or timers, which are in memory';
  if ([...sideInputs.values()].some(isOfSource)) {
    return 'reads a side input of the messages, for which they would wait';
  }
  return undefined;
}

/** Whether a PCollection comes of a source, by main inputs or others. */
function comesOf(id: string, isSource: (leaf: Leaf) => boolean, producers: Producers): boolean {
  const seen = new Set([id]);
  for (const each of seen) {
    const producer = producers.get(each);
    if (!producer) continue;
    if (isSource(producer)) return true;
    for (const input of inputsOf(producer)) seen.add(input);
  }
  return false;
}

function refusal(sink: Leaf, { proto }: Leaf, reason: string): BeamBridgeError {
  return new BeamBridgeError(
    'UNSUPPORTED',
    `exactlyOnce cannot hold: between the source and ${sink.proto.uniqueName}, ${proto.uniqueName} ${reason}`,
    {
      transform: sink.proto.uniqueName,
      hint: 'Let messages go from readFromKafka to writeToKafka by steps that keep nothing (map, RunInference, flatten, reshuffle), or write at least once, without exactlyOnce.',
    },
  );
}
