// SPDX-License-Identifier: Apache-2.0
// A stage as the bundle descriptor that an SDK executes.

import type { Coder, Timer, Window } from '../../../coders/index.ts';
import { TimerCoder } from '../../../coders/index.ts';
import { clone, create, fn, pb, toBinary, urns } from '../../../proto/index.ts';
import { keyCoderId } from '../../combine-steps.ts';
import type { Stage } from './plan.ts';
import type { TimerFamily } from './user-timers.ts';
import type { WireCoders } from './wire.ts';

/** How a stage talks to its SDK. */
export interface StageDescriptor {
  readonly proto: fn.ProcessBundleDescriptor;
  /** Id of the data source. */
  readonly source: string;
  /** PCollections by the id of the data sink. */
  readonly sinks: ReadonlyMap<string, string>;
  readonly timers: readonly TimerFamily[];
}

export interface DescriptorOptions {
  /** Whether elements enter without being encoded. */
  readonly inputByReference: boolean;
  readonly outputByReference: boolean;
}

const { DATA_SOURCE, DATA_SINK } = urns.FnApiTransforms_Runner;

export function descriptorOf(
  stage: Stage,
  components: pb.Components,
  wire: WireCoders,
  { inputByReference, outputByReference }: DescriptorOptions,
): StageDescriptor {
  const transforms: Record<string, pb.PTransform> = {};
  const pcollections: Record<string, pb.PCollection> = {};
  const timers: TimerFamily[] = [];
  for (const { id, proto, parDo, input } of stage.leaves) {
    const families = Object.entries(parDo?.timerFamilySpecs ?? {});
    transforms[id] = proto;
    if (parDo && families.length > 0) {
      const payload = clone(pb.ParDoPayloadSchema, parDo);
      for (const [timerFamilyId, spec] of families) {
        timers.push(timerFamily(id, timerFamilyId, spec, input!, components, wire));
        payload.timerFamilySpecs[timerFamilyId]!.timerFamilyCoderId = wire.sdkCoder(
          spec.timerFamilyCoderId,
        );
      }
      const spec = create(pb.FunctionSpecSchema, {
        urn: proto.spec!.urn,
        payload: toBinary(pb.ParDoPayloadSchema, payload),
      });
      transforms[id] = create(pb.PTransformSchema, { ...proto, spec });
    }
    for (const pcollection of [...Object.values(proto.inputs), ...Object.values(proto.outputs)]) {
      const known = components.pcollections[pcollection]!;
      pcollections[pcollection] ??= create(pb.PCollectionSchema, {
        ...known,
        coderId: wire.sdkCoder(known.coderId),
      });
    }
  }
  const source = `${stage.id}:source`;
  const port = (pcollection: string, byReference: boolean) =>
    toBinary(
      fn.RemoteGrpcPortSchema,
      create(fn.RemoteGrpcPortSchema, { coderId: byReference ? '' : wire.windowed(pcollection) }),
    );
  transforms[source] = create(pb.PTransformSchema, {
    uniqueName: source,
    spec: { urn: DATA_SOURCE, payload: port(stage.input, inputByReference) },
    outputs: { out: stage.input },
  });
  const sinks = new Map<string, string>();
  for (const [i, output] of stage.outputs.entries()) {
    const id = `${stage.id}:sink${i + 1}`;
    sinks.set(id, output);
    transforms[id] = create(pb.PTransformSchema, {
      uniqueName: id,
      spec: { urn: DATA_SINK, payload: port(output, outputByReference) },
      inputs: { in: output },
    });
  }
  const proto = create(fn.ProcessBundleDescriptorSchema, {
    id: stage.id,
    transforms,
    pcollections,
    windowingStrategies: components.windowingStrategies,
    environments: components.environments,
  });
  // Not copied: coders may still be added while other stages are described.
  proto.coders = components.coders;
  return { proto, source, sinks, timers };
}

function timerFamily(
  transformId: string,
  timerFamilyId: string,
  { timeDomain, timerFamilyCoderId }: pb.TimerFamilySpec,
  input: string,
  components: pb.Components,
  wire: WireCoders,
): TimerFamily {
  const key = wire.runnerCoder(keyCoderId(components.pcollections[input]!.coderId, components));
  const window = wire.window(input);
  const coder = wire.runnerCoder(timerFamilyCoderId);
  return {
    transformId,
    timerFamilyId,
    inProcessingTime: timeDomain === pb.TimeDomain_Enum.PROCESSING_TIME,
    // TypeScript's coder of timers may write keys as bytes: the one that is declared reads them.
    coder: coder as Coder<Timer<unknown>>,
    key: coder instanceof TimerCoder ? (coder.key as Coder<unknown>) : key,
    window: window as Coder<Window>,
  };
}
