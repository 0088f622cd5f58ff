// SPDX-License-Identifier: Apache-2.0
// One source commits for a group and a topic. Two of a pipeline would each commit how far it is itself: what the
// slower one has not given yet would count as read, and be lost with the program.

import { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';

interface Committing {
  readonly cluster: { readonly servers: string };
  readonly topics: readonly string[] | RegExp;
  readonly groupId: string | undefined;
  readonly commitOffsets: boolean;
}

const committing = new WeakMap<Pipeline, Committing[]>();

/** @throws BeamBridgeError `INVALID_ARGUMENT` where another source of the pipeline commits for the same */
export function claimGroup(pipeline: Pipeline, source: Committing): void {
  if (!source.commitOffsets) return;
  const others = committing.get(pipeline) ?? [];
  for (const other of others) {
    const isSame =
      other.groupId === source.groupId && other.cluster.servers === source.cluster.servers;
    const topic = isSame && shared(other.topics, source.topics);
    if (!topic) continue;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `two sources commit how far ${source.groupId} is in ${topic}`,
      {
        hint: 'Read it once, and apply what follows to those messages twice; or give each source a group of its own.',
      },
    );
  }
  committing.set(pipeline, [...others, source]);
}

/** A topic of both, or a pattern; of two patterns only whether they are the same can be told. */
function shared(one: Committing['topics'], other: Committing['topics']): string | undefined {
  if (one instanceof RegExp && other instanceof RegExp) {
    return String(one) === String(other) ? String(one) : undefined;
  }
  if (one instanceof RegExp) return shared(other, one);
  return one.find((topic) => (other instanceof RegExp ? other.test(topic) : other.includes(topic)));
}
