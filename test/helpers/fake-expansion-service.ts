// SPDX-License-Identifier: Apache-2.0
// An expansion service that does as a test says, to see what becomes of its answers.

import {
  create,
  type DiscoverSchemaTransformResponseSchema,
  type ExpansionRequest,
  type ExpansionResponseSchema,
  ExpansionService,
  jobs,
  LoopbackServer,
  type MessageInitShape,
  pb,
} from '../../src/proto/index.ts';

type Answer = MessageInitShape<typeof ExpansionResponseSchema>;

/** A service that is up. */
export interface FakeExpansionService extends Disposable {
  address: string;
  /** What it was asked, in order. */
  requests: ExpansionRequest[];
  close(): void;
}

/** Starts a service. @param files - contents of artifacts by their payload, as text @param schemas - what it lists */
export async function fakeExpansionService(
  expand: (request: ExpansionRequest) => Answer | Promise<Answer>,
  files: Record<string, string> = {},
  schemas: MessageInitShape<typeof DiscoverSchemaTransformResponseSchema> = {},
): Promise<FakeExpansionService> {
  const requests: ExpansionRequest[] = [];
  const server = new LoopbackServer()
    .add(ExpansionService, {
      expand: async (request) => {
        requests.push(request);
        return expand(request);
      },
      discoverSchemaTransform: async () => schemas,
    })
    .add(jobs.ArtifactRetrievalService, {
      resolveArtifacts: async ({ artifacts }) => ({ replacements: artifacts }),
      getArtifact: (call) => {
        const name = Buffer.from(call.request.artifact!.typePayload).toString();
        for (const data of (files[name] ?? '').split(/(?<=\n)/)) {
          call.write(create(jobs.GetArtifactResponseSchema, { data: Buffer.from(data) }));
        }
        call.end();
      },
    });
  const address = await server.listen();
  const close = () => server.close();
  return { address, requests, close, [Symbol.dispose]: close };
}

/** What {@link expansion} may vary. */
export interface ExpansionOptions {
  /** Outputs by tag: a coder's URN each. @default one output of strings */
  outputs?: Record<string, string>;
  environment?: MessageInitShape<typeof pb.EnvironmentSchema>;
  requirements?: string[];
  /** Unique name of the transform inside. @default below the name that was asked for */
  innerName?: string;
  /** Window function of what comes out. @default that of the input */
  windowFn?: string;
  /** What else of the windowing of what comes out is another than that of the input. */
  windowing?: MessageInitShape<typeof pb.WindowingStrategySchema>;
  /** Starts all ids. @default the namespace that was asked for */
  namespace?: string;
}

/** The answer of a well-behaved service: a composite with one transform inside. */
export function expansion(request: ExpansionRequest, options: ExpansionOptions = {}): Answer {
  const ns = options.namespace ?? request.namespace;
  const components = request.components!;
  const outputs = options.outputs ?? { None: 'beam:coder:string_utf8:v1' };
  let windowing = Object.keys(components.windowingStrategies)[0] ?? `${ns}windowing`;
  if (!components.windowingStrategies[windowing] || options.windowFn) {
    const coderId = `${ns}window_coder`;
    components.coders[coderId] = create(pb.CoderSchema, {
      spec: { urn: 'beam:coder:global_window:v1' },
    });
    components.windowingStrategies[windowing] = create(pb.WindowingStrategySchema, {
      windowFn: { urn: options.windowFn ?? 'beam:window_fn:global_windows:v1' },
      windowCoderId: coderId,
      environmentId: `${ns}env`,
    });
  }
  if (options.windowing) {
    const { $typeName: _, ...given } = components.windowingStrategies[windowing]!;
    windowing = `${ns}other_windowing`;
    components.windowingStrategies[windowing] = create(pb.WindowingStrategySchema, {
      ...given,
      ...options.windowing,
    });
  }
  const ids: Record<string, string> = {};
  for (const [tag, urn] of Object.entries(outputs)) {
    ids[tag] = `${ns}out_${tag}`;
    components.coders[`${ns}coder_${tag}`] = create(pb.CoderSchema, { spec: { urn } });
    components.pcollections[ids[tag]] = create(pb.PCollectionSchema, {
      uniqueName: ids[tag],
      coderId: `${ns}coder_${tag}`,
      windowingStrategyId: windowing,
      isBounded: pb.IsBounded_Enum.BOUNDED,
    });
  }
  components.environments[`${ns}env`] = create(
    pb.EnvironmentSchema,
    options.environment ?? { urn: 'beam:env:fake:v1' },
  );
  components.transforms[`${ns}inner`] = create(pb.PTransformSchema, {
    uniqueName: options.innerName ?? `${request.transform!.uniqueName}/inner`,
    spec: { urn: 'fake:inner', payload: request.transform!.spec!.payload },
    inputs: request.transform!.inputs,
    outputs: ids,
    environmentId: `${ns}env`,
  });
  return {
    components,
    transform: {
      uniqueName: request.transform!.uniqueName,
      spec: { urn: 'fake:composite' },
      subtransforms: [`${ns}inner`],
      inputs: request.transform!.inputs,
      outputs: ids,
    },
    requirements: options.requirements ?? [],
  };
}
