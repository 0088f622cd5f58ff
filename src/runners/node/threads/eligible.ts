// SPDX-License-Identifier: Apache-2.0
// Which stages can run in threads of this program: those that need nothing but their input, and share nothing
// with the run but what they give.

import { isDeepStrictEqual } from 'node:util';
import { BeamBridgeError } from '../../../base/index.ts';
import {
  type Coder,
  coderFromProto,
  decodeValue,
  encodeValue,
  KVCoder,
  LengthPrefixCoder,
} from '../../../coders/index.ts';
import { functionKey } from '../../../harness/index.ts';
import type { Pipeline } from '../../../pipeline/index.ts';
import { fromBinary, pb, urns } from '../../../proto/index.ts';
import type { RegisteredCombine } from '../../../transforms/index.ts';
import { isStateful, type Leaf } from '../engine/leaves.ts';
import type { Stage } from '../engine/plan.ts';

const SPLITTABLE: ReadonlySet<string> = new Set(
  Object.values(urns.StandardPTransforms_SplittableParDoComponents),
);
const { COMBINE_PER_KEY_PRECOMBINE } = urns.StandardPTransforms_CombineComponents;

/** Why the stage stays on the main thread; undefined where it need not. */
export function whyNotInThreads(
  stage: Stage,
  { coders, pcollections }: pb.Components,
  pipeline: Pipeline,
): string | undefined {
  const isEndless = [stage.input, ...stage.leaves.flatMap(({ outputs }) => outputs)].some(
    (id) => pcollections[id]?.isBounded === pb.IsBounded_Enum.UNBOUNDED,
  );
  if (isEndless) return 'its elements have no end';
  for (const leaf of stage.leaves) {
    const why = whyNotLeaf(leaf) ?? whyKept(leaf, pipeline);
    if (why !== undefined) return `${leaf.proto.uniqueName} ${why}`;
    if (leaf.proto.spec?.urn !== COMBINE_PER_KEY_PRECOMBINE) continue;
    const coder = coderFromProto(pcollections[leaf.outputs[0]!]!.coderId, coders);
    if (!keepsAccumulators(leaf, coder, pipeline)) {
      return `the accumulators of ${leaf.proto.uniqueName} come out of their coder as others`;
    }
  }
  return undefined;
}

function whyNotLeaf({ parDo, proto, sideInputs }: Leaf): string | undefined {
  if (sideInputs.size > 0) return 'reads side inputs';
  if (SPLITTABLE.has(proto.spec?.urn ?? '')) return 'is a splittable DoFn';
  if (!parDo) return undefined;
  if (isStateful(parDo)) return 'keeps state or sets timers';
  if (parDo.requestsFinalization) return 'wants to hear when its bundles are stored';
  return undefined;
}

/** What runs a part of a transform is named below it. */
function whyKept({ proto }: Leaf, { transforms }: Pipeline): string | undefined {
  const { uniqueName } = proto;
  const keeper = transforms.find(
    ({ name, staysHere }) =>
      staysHere !== undefined && (uniqueName === name || uniqueName.startsWith(`${name}/`)),
  );
  return keeper?.staysHere;
}

/** Combiners may keep what no coder does as long as they are in one thread: classes, functions. */
function keepsAccumulators({ proto }: Leaf, coder: Coder<unknown>, pipeline: Pipeline): boolean {
  const { combineFn } = fromBinary(pb.CombinePayloadSchema, proto.spec!.payload);
  const found = pipeline.functions.get(functionKey(combineFn?.payload ?? new Uint8Array()));
  const inner = unprefixed(coder);
  if (!(inner instanceof KVCoder) || !found) return false;
  try {
    const accumulator = (found as RegisteredCombine).combineFn.createAccumulator();
    const kept = decodeValue(inner.value, encodeValue(inner.value, accumulator));
    return isDeepStrictEqual(kept, accumulator);
  } catch (error) {
    BeamBridgeError.from(error);
    return false;
  }
}

function unprefixed(coder: Coder<unknown>): Coder<unknown> {
  return coder instanceof LengthPrefixCoder ? unprefixed(coder.value as Coder<unknown>) : coder;
}
