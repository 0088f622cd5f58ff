// SPDX-License-Identifier: Apache-2.0
// A bundle descriptor with lookups that say what is missing instead of giving undefined.

import { BeamBridgeError } from '../../base/index.ts';
import {
  type Coder,
  type CoderContext,
  coderFromProto,
  KVCoder,
  LengthPrefixCoder,
} from '../../coders/index.ts';
import type { WindowFn } from '../../pipeline/index.ts';
import { fn, fromBinary, type MessageShape, pb, urns } from '../../proto/index.ts';
import type { TransformInfo } from './errors.ts';
import type { FunctionLookup } from './types.ts';
import { windowFnFromProto } from './window-fns.ts';

/** A key in the payload of one of our own functions. */
export function functionKey(payload: Uint8Array): string {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
}

/** Read access to one descriptor. */
export class DescriptorView {
  private readonly coders = new Map<string, Coder<unknown>>();

  constructor(
    readonly descriptor: fn.ProcessBundleDescriptor,
    readonly functions: FunctionLookup,
    private readonly coderContext: CoderContext,
  ) {}

  get transformIds(): string[] {
    return Object.keys(this.descriptor.transforms);
  }

  transform(id: string): pb.PTransform {
    return this.descriptor.transforms[id] ?? missing('transform', id);
  }

  /** Whether what a transform is made of is here; a runner may have sent the whole alone. */
  isTakenApart(id: string): boolean {
    return this.transform(id).subtransforms.some((child) => child in this.descriptor.transforms);
  }

  pcollection(id: string): pb.PCollection {
    return this.descriptor.pcollections[id] ?? missing('PCollection', id);
  }

  coder(id: string): Coder<unknown> {
    let coder = this.coders.get(id);
    if (!coder) {
      coder = coderFromProto(id, this.descriptor.coders, this.coderContext);
      this.coders.set(id, coder);
    }
    return coder;
  }

  elementCoder(pcollectionId: string): Coder<unknown> {
    return this.coder(this.pcollection(pcollectionId).coderId);
  }

  /** The coder of a PCollection of key-values; runners may have put a length prefix around it. */
  kvCoder(pcollectionId: string): KVCoder<unknown, unknown> {
    let coder = this.elementCoder(pcollectionId);
    while (coder instanceof LengthPrefixCoder) coder = coder.value as Coder<unknown>;
    if (coder instanceof KVCoder) return coder as KVCoder<unknown, unknown>;
    throw new BeamBridgeError(
      'HARNESS_PROTOCOL',
      `PCollection ${pcollectionId} must hold key-values, but its coder is ${coder.name}`,
    );
  }

  windowing(pcollectionId: string): pb.WindowingStrategy {
    const id = this.pcollection(pcollectionId).windowingStrategyId;
    return this.descriptor.windowingStrategies[id] ?? missing('windowing strategy', id);
  }

  windowFn(pcollectionId: string): WindowFn {
    return windowFnFromProto(this.windowing(pcollectionId).windowFn, this.functions);
  }

  windowCoder(pcollectionId: string): Coder<unknown> {
    return this.coder(this.windowing(pcollectionId).windowCoderId);
  }

  /** What the user calls the transform, and where it was applied, as far as that is known here. */
  transformInfo(id: string): TransformInfo {
    const { uniqueName } = this.transform(id);
    const { appliedAt } = (this.functions.get(uniqueName) ?? {}) as { appliedAt?: unknown };
    return {
      transform: uniqueName || id,
      appliedAt: typeof appliedAt === 'string' ? appliedAt : undefined,
    };
  }

  /** The transform that puts elements into a PCollection. */
  producerInfo(pcollectionId: string): TransformInfo | undefined {
    for (const [id, { outputs }] of Object.entries(this.descriptor.transforms)) {
      if (Object.values(outputs).includes(pcollectionId)) return this.transformInfo(id);
    }
    return undefined;
  }
}

function missing(what: string, id: string): never {
  throw new BeamBridgeError(
    'HARNESS_PROTOCOL',
    `the bundle descriptor has no ${what} ${JSON.stringify(id)}`,
    {
      hint: 'This is a defect of the runner, or of the conversion of the pipeline: please report it.',
    },
  );
}

type PayloadSchema =
  | typeof pb.ParDoPayloadSchema
  | typeof pb.CombinePayloadSchema
  | typeof pb.WindowIntoPayloadSchema
  | typeof pb.FunctionSpecSchema
  | typeof fn.RemoteGrpcPortSchema;

/** The payload of a transform as the message that its URN says it is. */
export function payloadOf<S extends PayloadSchema>(
  schema: S,
  transform: pb.PTransform,
): MessageShape<S> {
  return fromBinary(schema, transform.spec?.payload ?? new Uint8Array());
}

/** The URNs whose payload is that of a ParDo. */
const PAR_DO_URNS: ReadonlySet<string> = new Set([
  urns.StandardPTransforms_Primitives.PAR_DO,
  ...Object.values(urns.StandardPTransforms_SplittableParDoComponents),
]);

/** Tags of the inputs that are side inputs: they do not flow through the operator. */
export function sideInputTags(transform: pb.PTransform): Set<string> {
  if (!PAR_DO_URNS.has(transform.spec?.urn ?? '')) return new Set();
  return new Set(Object.keys(payloadOf(pb.ParDoPayloadSchema, transform).sideInputs));
}

/** Where the data of a source or a sink goes through. */
export function remotePort(transform: pb.PTransform) {
  const port = payloadOf(fn.RemoteGrpcPortSchema, transform);
  return { url: port.apiServiceDescriptor?.url ?? '', coderId: port.coderId };
}

/** One family of timers of a transform. */
export interface TimerPort {
  readonly transformId: string;
  readonly timerFamilyId: string;
}

/** All families of timers in a descriptor. */
export function timerPorts(descriptor: fn.ProcessBundleDescriptor): TimerPort[] {
  return Object.entries(descriptor.transforms).flatMap(([transformId, transform]) => {
    if (transform.spec?.urn !== urns.StandardPTransforms_Primitives.PAR_DO) return [];
    const { timerFamilySpecs } = payloadOf(pb.ParDoPayloadSchema, transform);
    return Object.keys(timerFamilySpecs).map((timerFamilyId) => ({ transformId, timerFamilyId }));
  });
}

/** One data source or sink: the transform's id and the address that it names, empty for none. */
export interface DataPort {
  readonly transformId: string;
  readonly url: string;
}

/** All data sources or all data sinks of a descriptor. */
export function dataPorts(
  descriptor: fn.ProcessBundleDescriptor,
  kind: keyof typeof urns.FnApiTransforms_Runner,
): DataPort[] {
  const urn = urns.FnApiTransforms_Runner[kind];
  return Object.entries(descriptor.transforms)
    .filter(([, transform]) => transform.spec?.urn === urn)
    .map(([transformId, transform]) => ({ transformId, url: remotePort(transform).url }));
}
