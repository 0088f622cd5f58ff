// SPDX-License-Identifier: Apache-2.0
// All cross-language transforms of a pipeline turned into real ones, together, before it is run.

import { setMaxListeners } from 'node:events';
import type { ExpansionServiceChoice, Pipeline } from '../pipeline/index.ts';
import { clone, pb } from '../proto/index.ts';
import type { Served } from '../services/index.ts';
import { askedForBy, askForExpansion, type ServiceAddress } from './expansion-client.ts';
import type { Kept } from './kept.ts';
import { asLossOf, isStillGood } from './lost-host.ts';
import { ExpansionMerger } from './merge.ts';
import { TemporaryFolder } from './temporary-folder.ts';
import { learnUnbounded } from './unbounded.ts';

/** What {@link expandPipeline} is given besides the pipeline. */
export interface ExpandOptions {
  /** Where a transform is expanded; starts a service if need be. */
  resolveService(choice: ExpansionServiceChoice, signal?: AbortSignal): Promise<ServiceAddress>;
  signal?: AbortSignal | undefined;
  /** As what the answers may be known again. @default they are made for this run alone */
  kept?: Kept | undefined;
}

/** A pipeline without placeholders. Disposing of it removes the files that its environments name. */
export interface ExpandedPipeline extends AsyncDisposable {
  readonly proto: pb.Pipeline;
}

/**
 * Expands all cross-language transforms of `pipeline` at once and merges the answers into `proto`,
 * its message, which is changed.
 *
 * @throws BeamBridgeError the first failure, and cancels the other expansions
 */
export async function expandPipeline(
  pipeline: Pipeline,
  proto: pb.Pipeline,
  options: ExpandOptions,
): Promise<ExpandedPipeline> {
  const placeholders = pipeline.transforms.filter((node) => node.external);
  const folder = new TemporaryFolder();
  const failed = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
  // Every call listens to it, and there may be any number of them at once.
  setMaxListeners(0, signal);
  const hosts = new Set<Served>();
  try {
    const answers = await Promise.all(
      placeholders.map(async (node) => {
        const { service, expansion } = node.external!;
        // Asked before, in applyAsync. A copy, since merging changes it and there may be more runs.
        if (expansion && isStillGood(expansion)) {
          const { components, transform } = expansion;
          return {
            ...expansion,
            components: clone(pb.ComponentsSchema, components),
            transform: clone(pb.PTransformSchema, transform),
          };
        }
        const address = await askedForBy(node, options.resolveService(service, signal));
        if (address.host) hosts.add(address.host);
        return askForExpansion(node, address, () => folder.path(), signal, options.kept);
      }),
    );
    for (const host of hosts) {
      // Its workers are to run what it has answered, too.
      if (!host.alive) throw asLossOf(host, host.diedError());
    }
    const merger = new ExpansionMerger(proto);
    for (const [i, node] of placeholders.entries()) merger.add(node, answers[i]!);
    merger.finish();
    learnUnbounded(pipeline, proto.components!);
  } catch (error) {
    failed.abort();
    await folder[Symbol.asyncDispose]();
    throw error;
  }
  return { proto, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
