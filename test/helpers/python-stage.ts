// SPDX-License-Identifier: Apache-2.0
// The Python part of a pipeline as one stage, and bundles of it run by hand: what the node runner's
// engine does, as far as tests of its executor of Python stages need it.

import { ByteReader, ByteWriter } from '../../src/base/index.ts';
import {
  coderFromProto,
  GlobalWindow,
  GlobalWindowCoder,
  NO_FIRING,
  WindowedValueCoder,
} from '../../src/coders/index.ts';
import { chooseEnvironments, expandPipeline } from '../../src/external/index.ts';
import {
  type BundleIO,
  type BundleState,
  CAPABILITIES,
  type InputChunk,
} from '../../src/harness/index.ts';
import { pipelineToProto, type Root } from '../../src/pipeline/index.ts';
import { create, fn, pb, toBinary, urns } from '../../src/proto/index.ts';
import { expansionResolver } from '../../src/runners/expansion-services.ts';
import { constructPipeline } from '../../src/runners/index.ts';

const { DATA_SOURCE, DATA_SINK } = urns.FnApiTransforms_Runner;
const { EXTERNAL } = urns.StandardEnvironments_Environments;

export interface PythonStage {
  readonly environment: pb.Environment;
  readonly descriptor: fn.ProcessBundleDescriptor;
  /** Encodes elements in the global window. */
  encode(values: readonly unknown[]): Uint8Array;
  /** The same without windows, as side inputs are read. */
  encodeBare(values: readonly unknown[], pcollectionId?: string): Uint8Array;
  decode(data: Uint8Array): unknown[];
}

/** Expands `build`'s pipeline; all that Python does in it, after one input, becomes the stage. */
export async function pythonStage(
  build: (root: Root) => unknown,
  mainInput?: (components: pb.Components) => string,
): Promise<PythonStage> {
  const pipeline = await constructPipeline((root) => build(root) as never, {});
  const { proto } = await expandPipeline(
    pipeline,
    pipelineToProto(pipeline, { urn: 'test', capabilities: [...CAPABILITIES] }),
    { resolveService: expansionResolver(pipeline, {}) },
  );
  chooseEnvironments(proto);
  const components = proto.components!;
  const isPython = ({ environmentId }: pb.PTransform) =>
    components.environments[environmentId]?.urn === EXTERNAL;
  const leaves = Object.entries(components.transforms).filter(
    ([, each]) => each.subtransforms.length === 0 && each.spec && isPython(each),
  );
  const made = new Set(leaves.flatMap(([, { outputs }]) => Object.values(outputs)));
  const read = new Set(leaves.flatMap(([, { inputs }]) => Object.values(inputs)));
  const input = mainInput?.(components) ?? [...read].find((id) => !made.has(id))!;
  const output = [...made].find((id) => !read.has(id))!;
  const { coders } = components;
  const windows = new GlobalWindowCoder();
  coders.window = create(pb.CoderSchema, { spec: { urn: urns.StandardCoders_Enum.GLOBAL_WINDOW } });
  const transforms = Object.fromEntries(leaves);
  for (const [id, pcollection, urn] of [
    ['source', input, DATA_SOURCE],
    ['sink', output, DATA_SINK],
  ] as const) {
    const { coderId } = components.pcollections[pcollection]!;
    coders[`${id}:windowed`] = create(pb.CoderSchema, {
      spec: { urn: urns.StandardCoders_Enum.WINDOWED_VALUE },
      componentCoderIds: [coderId, 'window'],
    });
    const port = create(fn.RemoteGrpcPortSchema, { coderId: `${id}:windowed` });
    transforms[id] = create(pb.PTransformSchema, {
      uniqueName: id,
      spec: { urn, payload: toBinary(fn.RemoteGrpcPortSchema, port) },
      [urn === DATA_SOURCE ? 'outputs' : 'inputs']: { out: pcollection },
    });
  }
  const descriptor = create(fn.ProcessBundleDescriptorSchema, {
    id: 'by hand',
    transforms,
    pcollections: components.pcollections,
    windowingStrategies: components.windowingStrategies,
    coders,
  });
  const coderOf = (id: string) => coderFromProto(components.pcollections[id]!.coderId, coders);
  const around = (id: string) => new WindowedValueCoder(coderOf(id), windows);
  return {
    environment: components.environments[leaves[0]![1].environmentId]!,
    descriptor,
    encode: (values) => {
      const out = new ByteWriter();
      const coder = around(input);
      for (const value of values) {
        const element = { value, timestamp: 0, windows: [GlobalWindow.INSTANCE], pane: NO_FIRING };
        coder.encode(element as never, out, true);
      }
      return out.take();
    },
    encodeBare: (values, id = input) => {
      const out = new ByteWriter();
      const coder = coderOf(id);
      for (const value of values) coder.encode(value, out, true);
      return out.take();
    },
    decode: (data) => {
      const reader = new ByteReader(data);
      const coder = around(output);
      const values: unknown[] = [];
      while (reader.remaining > 0) values.push(coder.decode(reader, true).value);
      return values;
    },
  };
}

const NO_STATE: BundleState = {
  async *sideInput() {},
  async *iterable() {},
};

/** A bundle's surroundings: these chunks go in, and `written` is what came out. */
export function bundleIO(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  state: Partial<BundleState> = {},
) {
  const written: Uint8Array[] = [];
  const closed: string[] = [];
  const all = async function* (): AsyncGenerator<InputChunk> {
    for await (const data of chunks) yield { transformId: 'source', data };
  };
  const input = all();
  const io: BundleIO = {
    input: { next: async () => (await input.next()).value as InputChunk | undefined },
    output: {
      write: (_, data) => void written.push(data),
      close: (transformId, data) => {
        written.push(data);
        closed.push(transformId);
      },
    },
    state: { ...NO_STATE, ...state },
  };
  return { io, closed, written: () => Buffer.concat(written) };
}
