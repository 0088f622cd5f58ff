// SPDX-License-Identifier: Apache-2.0
// The services that a runner has for its workers, doing as a test says: provision, artifacts, control, log.

import { EventEmitter, once } from 'node:events';
import {
  create,
  fn,
  fromBinary,
  jobs,
  LoopbackServer,
  type MessageInitShape,
  pb,
} from '../../src/proto/index.ts';

/** What the fake tells and hands out. */
export interface FakeRunnerOptions {
  /** Pipeline options as the worker gets them. */
  options?: MessageInitShape<typeof fn.ProvisionInfoSchema>['pipelineOptions'];
  dependencies?: pb.ArtifactInformation[];
  siblings?: string[];
  retrievalToken?: string;
  /** The bytes of every artifact. */
  artifact?: Uint8Array;
  /** Whether the provision service answers. @default true */
  answers?: boolean;
}

type ControlCall = Parameters<
  import('../../src/proto/index.ts').ServiceImplementation<typeof fn.BeamFnControl>['control']
>[0];

/** A running fake, with what workers asked of it. */
export class FakeRunner implements AsyncDisposable {
  address = '';
  /** The control streams of workers by id, as they connect. */
  readonly workers = new Map<string, ControlCall>();
  readonly logs: string[] = [];
  /** Worker ids that came with calls, by service. */
  readonly seen: string[] = [];
  readonly fetched: string[] = [];
  private readonly server = new LoopbackServer();
  private readonly events = new EventEmitter();
  private instruction = 0;

  private constructor(private readonly behaviour: FakeRunnerOptions) {}

  static async start(behaviour: FakeRunnerOptions = {}): Promise<FakeRunner> {
    const fake = new FakeRunner(behaviour);
    fake.address = await fake.serve();
    return fake;
  }

  /** Resolves with the control stream of a worker once it is connected. */
  async worker(id: string): Promise<ControlCall> {
    while (!this.workers.has(id)) await once(this.events, 'worker');
    return this.workers.get(id)!;
  }

  /** Has a worker run a bundle of these transforms, and gives its answer. */
  async runBundle(id: string, pipeline: pb.Components): Promise<fn.InstructionResponse> {
    const call = await this.worker(id);
    const descriptor = create(fn.ProcessBundleDescriptorSchema, {
      id: 'd1',
      transforms: pipeline.transforms,
      pcollections: pipeline.pcollections,
      coders: pipeline.coders,
      windowingStrategies: pipeline.windowingStrategies,
    });
    await this.ask(call, {
      case: 'register',
      value: create(fn.RegisterRequestSchema, { processBundleDescriptor: [descriptor] }),
    });
    return this.ask(call, {
      case: 'processBundle',
      value: create(fn.ProcessBundleRequestSchema, { processBundleDescriptorId: 'd1' }),
    });
  }

  private async ask(
    call: ControlCall,
    request: fn.InstructionRequest['request'],
  ): Promise<fn.InstructionResponse> {
    const answered = once(call, 'data') as Promise<[fn.InstructionResponse]>;
    call.write(
      create(fn.InstructionRequestSchema, { instructionId: `i${this.instruction++}`, request }),
    );
    return (await answered)[0];
  }

  /** Hangs up on all workers. */
  hangUp(): void {
    for (const call of this.workers.values()) call.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
  }

  private serve(): Promise<string> {
    const { behaviour } = this;
    const see = (service: string, metadata: { get(name: string): unknown[] }) => {
      const id = String(metadata.get('worker_id')[0]);
      this.seen.push(`${service} ${id}`);
      return id;
    };
    const endpoint = () => ({ url: this.address });
    this.server
      .add(fn.ProvisionService, {
        getProvisionInfo: async (_, metadata) => {
          see('provision', metadata);
          if (behaviour.answers === false) await new Promise(() => {});
          return {
            info: {
              pipelineOptions: behaviour.options ?? {},
              dependencies: behaviour.dependencies ?? [],
              siblingWorkerIds: behaviour.siblings ?? [],
              retrievalToken: behaviour.retrievalToken ?? '',
              controlEndpoint: endpoint(),
              loggingEndpoint: endpoint(),
              artifactEndpoint: endpoint(),
            },
          };
        },
      })
      .add(jobs.ArtifactRetrievalService, {
        resolveArtifacts: async ({ artifacts }, metadata) => {
          see('artifacts', metadata);
          return { replacements: artifacts };
        },
        getArtifact: (call) => {
          const { rolePayload } = (call.request as jobs.GetArtifactRequest).artifact!;
          this.fetched.push(
            fromBinary(pb.ArtifactStagingToRolePayloadSchema, rolePayload).stagedName,
          );
          const data = behaviour.artifact ?? new Uint8Array();
          for (let at = 0; at < data.length; at += 1 << 20) {
            call.write(
              create(jobs.GetArtifactResponseSchema, { data: data.subarray(at, at + (1 << 20)) }),
            );
          }
          call.end();
        },
      })
      .add(jobs.LegacyArtifactRetrievalService, {
        getManifest: async ({ retrievalToken }) => ({
          manifest: {
            artifact: [
              { name: this.behaviour.retrievalToken === retrievalToken ? this.legacyName : '' },
            ],
          },
        }),
        getArtifact: (call) => {
          this.fetched.push(`legacy ${(call.request as jobs.LegacyGetArtifactRequest).name}`);
          call.write(create(jobs.ArtifactChunkSchema, { data: behaviour.artifact! }));
          call.end();
        },
      })
      .add(fn.BeamFnControl, {
        control: (call) => {
          this.workers.set(see('control', call.metadata), call);
          call.on('data', () => {});
          call.on('error', () => {});
          this.events.emit('worker');
        },
        getProcessBundleDescriptor: async () => ({}),
      })
      .add(fn.BeamFnLogging, {
        logging: (call) => {
          call.on('data', ({ logEntries }: fn.LogEntry_List) => {
            for (const { message } of logEntries) this.logs.push(message);
          });
          call.on('end', () => call.end());
          call.on('error', () => {});
        },
      });
    return this.server.listen();
  }

  /** The name under which an older runner keeps the artifact. */
  legacyName = '';
}
