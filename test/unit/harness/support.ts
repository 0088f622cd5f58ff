// SPDX-License-Identifier: Apache-2.0
// Stages made from real pipelines, and bundles run through them in memory.

import { ByteReader, ByteWriter } from '../../../src/base/index.ts';
import {
  type Coder,
  coderFromProto,
  GlobalWindow,
  JsCoder,
  MIN_TIMESTAMP,
  NO_FIRING,
  type WindowedValue,
} from '../../../src/coders/index.ts';
import {
  type BundleInput,
  type BundleIO,
  type BundleState,
  dataPorts,
  type InputChunk,
} from '../../../src/harness/engine/index.ts';
import {
  newOutput,
  type PCollection,
  Pipeline,
  pipelineToProto,
  Root,
  type WindowingStrategy,
  windowingStrategy,
} from '../../../src/pipeline/index.ts';
import { create, fn, pb, toBinary, urns } from '../../../src/proto/index.ts';
import { globalWindows } from '../../../src/transforms/index.ts';

export const SOURCE = 'source';
export const WIRE_CODER = 'wire:';

/** A PCollection that only stands for what a runner would feed into a stage. */
export function fed<T>(
  root: Root,
  name = 'fed',
  coder: Coder<T> = new JsCoder() as Coder<unknown> as Coder<T>,
  windowing: WindowingStrategy = windowingStrategy(globalWindows()),
): PCollection<T> {
  const source = (_root: Root, pipeline: Pipeline, node: never) =>
    newOutput(pipeline, node, 'main', coder, { windowing, bounded: true });
  return root.apply(Object.assign(source, { beamName: name }) as never);
}

/** A stage, with ways to write its input and read its output. */
export interface Stage {
  pipeline: Pipeline;
  descriptor: fn.ProcessBundleDescriptor;
  /** Encodes elements for the source. */
  encode(values: readonly unknown[]): Uint8Array;
  encodeWindowed(elements: readonly WindowedValue<unknown>[]): Uint8Array;
  /** Decodes what a sink wrote. */
  decode(sink: string, chunks: readonly Uint8Array[]): WindowedValue<unknown>[];
  /** Decodes elements of the PCollection that the source reads. */
  decodeInput(data: Uint8Array): WindowedValue<unknown>[];
  /** Ids of the transforms by their unique names. */
  idOf(name: string): string;
}

/** An element in the global window, as sources make them. */
export function element(value: unknown, over: Partial<WindowedValue<unknown>> = {}) {
  return {
    value,
    timestamp: MIN_TIMESTAMP,
    windows: [GlobalWindow.INSTANCE],
    pane: NO_FIRING,
    ...over,
  } satisfies WindowedValue<unknown>;
}

/**
 * The fused stage of what `build` applies to its input; its outputs are read from the sinks named
 * after their keys.
 *
 * @param options.url - where the data goes through. @default nowhere
 */
export function stageOf(
  build: (input: PCollection<never>, root: Root) => Record<string, PCollection<unknown>>,
  options: { url?: string; input?: Coder<never>; windowing?: WindowingStrategy; id?: string } = {},
): Stage {
  const pipeline = new Pipeline();
  const root = new Root(pipeline);
  const input = fed<never>(root, 'fed', options.input, options.windowing);
  const outputs = build(input, root);
  const { components } = pipelineToProto(pipeline, { urn: 'test' });
  const { transforms, pcollections, coders, windowingStrategies } = components!;
  const descriptor = create(fn.ProcessBundleDescriptorSchema, {
    id: options.id ?? 'stage',
    pcollections,
    coders,
    windowingStrategies,
    transforms: Object.fromEntries(
      Object.entries(transforms).filter(
        ([, { environmentId, subtransforms, spec }]) =>
          subtransforms.length === 0 &&
          (environmentId || spec?.urn === urns.StandardPTransforms_Primitives.FLATTEN),
      ),
    ),
    ...(options.url ? { stateApiServiceDescriptor: { url: options.url } } : {}),
  });
  const wire = (pcollectionId: string) => {
    const { coderId, windowingStrategyId } = pcollections[pcollectionId]!;
    const id = WIRE_CODER + pcollectionId;
    descriptor.coders[id] = create(pb.CoderSchema, {
      spec: { urn: urns.StandardCoders_Enum.WINDOWED_VALUE },
      componentCoderIds: [coderId, windowingStrategies[windowingStrategyId]!.windowCoderId],
    });
    return toBinary(
      fn.RemoteGrpcPortSchema,
      create(fn.RemoteGrpcPortSchema, {
        coderId: id,
        ...(options.url ? { apiServiceDescriptor: { url: options.url } } : {}),
      }),
    );
  };
  const { DATA_SOURCE, DATA_SINK } = urns.FnApiTransforms_Runner;
  descriptor.transforms[SOURCE] = create(pb.PTransformSchema, {
    uniqueName: SOURCE,
    spec: { urn: DATA_SOURCE, payload: wire(input.node.id) },
    outputs: { out: input.node.id },
  });
  for (const [sink, pcollection] of Object.entries(outputs)) {
    descriptor.transforms[sink] = create(pb.PTransformSchema, {
      uniqueName: sink,
      spec: { urn: DATA_SINK, payload: wire(pcollection.node.id) },
      inputs: { in: pcollection.node.id },
    });
  }
  const coder = (pcollectionId: string) =>
    coderFromProto(WIRE_CODER + pcollectionId, descriptor.coders) as Coder<WindowedValue<unknown>>;
  const encodeWindowed = (elements: readonly WindowedValue<unknown>[]) => {
    const out = new ByteWriter();
    for (const one of elements) coder(input.node.id).encode(one, out, true);
    return out.take();
  };
  const decodeAs = (pcollectionId: string, chunks: readonly Uint8Array[]) => {
    const reader = new ByteReader(Buffer.concat(chunks));
    const found: WindowedValue<unknown>[] = [];
    while (!reader.done) found.push(coder(pcollectionId).decode(reader, true));
    return found;
  };
  return {
    pipeline,
    descriptor,
    encodeWindowed,
    encode: (values) => encodeWindowed(values.map((value) => element(value))),
    decode: (sink, chunks) => decodeAs(outputs[sink]!.node.id, chunks),
    decodeInput: (data) => decodeAs(input.node.id, [data]),
    idOf: (name) =>
      Object.entries(transforms).find(([, { uniqueName }]) => uniqueName === name)?.[0] ?? '',
  };
}

/** Chunks that are there from the beginning. */
export function inputOf(...chunks: (Uint8Array | InputChunk)[]): BundleInput {
  const left = chunks.map((chunk) =>
    chunk instanceof Uint8Array ? { transformId: SOURCE, data: chunk } : chunk,
  );
  return { next: () => left.shift() };
}

export const NO_STATE: BundleState = {
  sideInput: () => async function* () {}.call(undefined),
  iterable: () => async function* () {}.call(undefined),
};

/** Output that keeps what every sink wrote. */
export function collector() {
  const written = new Map<string, Uint8Array[]>();
  const closed: string[] = [];
  const write = (id: string, data: Uint8Array) => {
    written.set(id, [...(written.get(id) ?? []), data]);
  };
  return {
    written,
    closed,
    output: {
      write,
      close: (id: string, data: Uint8Array) => {
        if (data.length > 0) write(id, data);
        closed.push(id);
      },
    },
  };
}

/** IO from parts, with what the sinks wrote. */
export function io(input: BundleInput, state: BundleState = NO_STATE) {
  const out = collector();
  const bundle: BundleIO = { input, output: out.output, state };
  return { ...out, bundle };
}

/** Values that a sink got. */
export function valuesOf(stage: Stage, sink: string, written: Map<string, Uint8Array[]>) {
  return stage.decode(sink, written.get(sink) ?? []).map(({ value }) => value);
}

export { dataPorts };
