// SPDX-License-Identifier: Apache-2.0
// A job service that does as a test says, to see what a runner makes of it.

import { setTimeout as delay } from 'node:timers/promises';
import {
  create,
  GrpcStatus,
  jobs,
  LoopbackServer,
  type MessageInitShape,
  type pb,
  type ServiceImplementation,
} from '../../src/proto/index.ts';

const State = jobs.JobState_Enum;
const Importance = jobs.JobMessage_MessageImportance;

/** What the fake does with its one job. */
export interface FakeBehaviour {
  /** What a job does once it runs. It ends by calling `become`. @default it is DONE at once */
  run?: (job: FakeJob) => unknown;
  /** Artifacts that it asks for while staging. @default those of the pipeline's environments */
  wanted?: (pipeline: pb.Pipeline) => pb.ArtifactInformation[];
  /** Whether it has a staging service at all. @default true */
  staging?: boolean;
  metrics?: MessageInitShape<typeof jobs.MetricResultsSchema>;
  /** What a cancellation does. @default the job is CANCELLED */
  cancel?: (job: FakeJob) => unknown;
  /** Replaces calls. */
  calls?: Partial<ServiceImplementation<typeof jobs.JobService>>;
}

/** The job as its service sees it. */
export class FakeJob {
  readonly events: jobs.JobMessagesResponse[] = [];
  state = State.STOPPED;
  private readonly watchers = new Set<() => void>();

  become(state: keyof typeof State): void {
    this.state = State[state];
    this.add({ response: { case: 'stateResponse', value: { state: this.state } } });
  }

  say(messageText: string, importance: keyof typeof Importance = 'JOB_MESSAGE_ERROR'): void {
    const value = { messageText, importance: Importance[importance] };
    this.add({ response: { case: 'messageResponse', value } });
  }

  get isOver(): boolean {
    return [State.DONE, State.FAILED, State.CANCELLED].includes(this.state);
  }

  /** Calls `send` for each event, past and to come, and then `end`. */
  follow(send: (event: jobs.JobMessagesResponse) => void, end: () => void): void {
    let next = 0;
    const go = () => {
      while (next < this.events.length) send(this.events[next++]!);
      if (this.isOver) {
        this.watchers.delete(go);
        end();
      }
    };
    this.watchers.add(go);
    go();
  }

  private add(event: MessageInitShape<typeof jobs.JobMessagesResponseSchema>): void {
    this.events.push(create(jobs.JobMessagesResponseSchema, event));
    for (const watcher of [...this.watchers]) watcher();
  }
}

/** A running fake, with what it was asked. */
export class FakeJobService implements AsyncDisposable {
  readonly job = new FakeJob();
  readonly calls: string[] = [];
  prepared: jobs.PrepareJobRequest | undefined;
  /** The bytes of each artifact that was staged. */
  readonly staged: Buffer[] = [];
  address = '';
  private readonly server = new LoopbackServer();
  private readonly behaviour: FakeBehaviour;

  private constructor(behaviour: FakeBehaviour) {
    this.behaviour = behaviour;
  }

  static async start(behaviour: FakeBehaviour = {}): Promise<FakeJobService> {
    const fake = new FakeJobService(behaviour);
    fake.server.add(jobs.JobService, fake.jobService());
    if (behaviour.staging !== false)
      fake.server.add(jobs.ArtifactStagingService, fake.stagingService());
    fake.address = await fake.server.listen();
    return fake;
  }

  /** Ends at once, as a process that is killed. */
  die(): void {
    this.server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.die();
  }

  private jobService(): ServiceImplementation<typeof jobs.JobService> {
    const unimplemented = async () => {
      throw Object.assign(new Error('not here'), { code: GrpcStatus.UNIMPLEMENTED });
    };
    const { job } = this;
    const log = <F extends (...args: never[]) => unknown>(name: string, f: F): F =>
      ((...args: never[]) => {
        this.calls.push(name);
        return f(...args);
      }) as F;
    return {
      getJobs: log('getJobs', async () => ({})),
      prepare: log('prepare', async (request: jobs.PrepareJobRequest) => {
        this.prepared = request;
        return {
          preparationId: 'p1',
          stagingSessionToken: 's1',
          ...(this.behaviour.staging === false
            ? {}
            : { artifactStagingEndpoint: { url: this.address } }),
        };
      }),
      run: log('run', async () => {
        job.become('RUNNING');
        setImmediate(() => (this.behaviour.run ?? ((j) => j.become('DONE')))(job));
        return { jobId: 'job-1' };
      }),
      getState: log('getState', async () => ({ state: job.state })),
      getStateStream: (call) => {
        job.follow(
          ({ response }) => {
            if (response.case === 'stateResponse') call.write(response.value);
          },
          () => call.end(),
        );
      },
      getMessageStream: (call) => {
        job.follow(
          (event) => call.write(event),
          () => call.end(),
        );
      },
      getJobMetrics: log('getJobMetrics', async () => ({ metrics: this.behaviour.metrics ?? {} })),
      cancel: log('cancel', async () => {
        await (this.behaviour.cancel ?? ((j) => j.become('CANCELLED')))(job);
        return { state: job.state };
      }),
      getPipeline: unimplemented,
      drain: unimplemented,
      describePipelineOptions: unimplemented,
      ...this.behaviour.calls,
    };
  }

  private stagingService(): ServiceImplementation<typeof jobs.ArtifactStagingService> {
    return {
      reverseArtifactRetrievalService: (call) => {
        const answers: jobs.ArtifactResponseWrapper[] = [];
        let wake = () => {};
        call.on('data', (message: jobs.ArtifactResponseWrapper) => {
          answers.push(message);
          wake();
        });
        const next = async () => {
          while (answers.length === 0) await new Promise<void>((resolve) => (wake = resolve));
          return answers.shift()!;
        };
        const ask = (request: MessageInitShape<typeof jobs.ArtifactRequestWrapperSchema>) =>
          call.write(create(jobs.ArtifactRequestWrapperSchema, request));
        const stage = async () => {
          await next();
          const { pipeline } = this.prepared!;
          const wanted = this.behaviour.wanted?.(pipeline!) ?? dependenciesOf(pipeline!);
          if (wanted.length > 0) {
            ask({ request: { case: 'resolveArtifact', value: { artifacts: wanted } } });
            const answer = (await next()).response;
            const found =
              answer.case === 'resolveArtifactResponse' ? answer.value.replacements : [];
            for (const artifact of found) {
              ask({ request: { case: 'getArtifact', value: { artifact } } });
              const chunks: Uint8Array[] = [];
              for (;;) {
                const { response, isLast } = await next();
                if (response.case === 'getArtifactResponse') chunks.push(response.value.data);
                if (isLast) break;
              }
              this.staged.push(Buffer.concat(chunks));
            }
          }
          call.end();
        };
        stage().catch((error: Error) => call.destroy(error));
      },
    };
  }
}

function dependenciesOf(pipeline: pb.Pipeline): pb.ArtifactInformation[] {
  return Object.values(pipeline.components?.environments ?? {}).flatMap((e) => e.dependencies);
}

/** Waits until `condition` holds. */
export async function until(condition: () => boolean, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('what a test waits for did not happen');
    await delay(5);
  }
}
