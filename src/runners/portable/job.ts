// SPDX-License-Identifier: Apache-2.0
// One job in a job service: prepared, its artifacts staged, started, then watched until it ends.

import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, conceal, getLogger } from '../../base/index.ts';
import { createClient, GrpcStatus, jobs, type pb, type ServiceClient } from '../../proto/index.ts';
import type { JobService } from '../job-service.ts';
import type { JsonValue } from '../options.ts';
import { isTerminal, type JobState, stateFromProto } from '../state.ts';
import { callError, isServiceError, isUnknownJob, LONG_CALL_MS, QUICK_CALL_MS } from './calls.ts';
import { artifactsOf, stageArtifacts } from './staging.ts';

const log = getLogger('job');

/** How often a service that says nothing is asked whether it is still there. Milliseconds. */
const HEARTBEAT_MS = 10_000;
/** How many questions in a row a service may leave unanswered. */
const SILENCES = 3;
const RETRY_MS = 500;
/** How long messages may keep coming after the job has ended. Milliseconds. */
const LAST_WORDS_MS = 1000;
const MESSAGES_KEPT = 20;

/** What a job is made of. */
export interface Submission {
  pipeline: pb.Pipeline;
  jobName: string;
  options: Record<string, JsonValue>;
}

/** A job that was started. */
export class Job {
  readonly id: string;
  state: JobState = 'STARTING';
  /** Texts of the messages that the runner marked as errors, the latest last. */
  readonly errors: string[] = [];
  /** Resolves with the last state; rejects when the service is gone. */
  readonly ended: Promise<JobState>;
  private readonly service: JobService;
  private readonly client: ServiceClient<typeof jobs.JobService>;
  private readonly watching = new AbortController();
  private settle!: (state: JobState) => void;
  private messagesDone: Promise<void> = Promise.resolve();

  private constructor(
    service: JobService,
    client: ServiceClient<typeof jobs.JobService>,
    id: string,
  ) {
    this.service = service;
    this.client = client;
    this.id = id;
    this.ended = new Promise((resolve, reject) => {
      this.settle = resolve;
      this.watch().catch(reject);
    });
    this.ended.catch(() => {});
  }

  /**
   * Prepares, stages and starts.
   *
   * @throws BeamBridgeError `JOB_SERVICE_UNAVAILABLE`, `JOB_FAILED`, `FILE_NOT_FOUND`, `ABORTED`
   */
  static async submit(
    service: JobService,
    submission: Submission,
    signal: AbortSignal,
  ): Promise<Job> {
    const client = createClient(jobs.JobService, service.address, { token: service.token });
    const call = { signal, timeoutMs: LONG_CALL_MS };
    try {
      const prepared = await client
        .prepare(
          {
            pipeline: submission.pipeline,
            jobName: submission.jobName,
            pipelineOptions: submission.options,
          },
          call,
        )
        .catch(rethrow(service, 'to prepare the job'));
      await stage(service, submission.pipeline, prepared, signal);
      signal.throwIfAborted();
      // Once this is sent the job may run, and only the answer tells what to cancel: so a wish to
      // end does not stop the call at once.
      const { jobId } = await client
        .run(
          { preparationId: prepared.preparationId, retrievalToken: '' },
          { ...call, signal: later(signal, QUICK_CALL_MS) },
        )
        .catch(rethrow(service, 'to run the job'));
      return new Job(service, client, jobId);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Asks the service to end the job. */
  async cancel(): Promise<void> {
    await this.client.cancel({ jobId: this.id }, { timeoutMs: QUICK_CALL_MS });
  }

  /** Stops watching: the job counts as ended in this state. */
  forget(state: JobState): void {
    this.state = state;
    this.settle(state);
    this.watching.abort();
  }

  async monitoringInfos(): Promise<readonly pb.MonitoringInfo[]> {
    const { metrics } = await this.client
      .getJobMetrics({ jobId: this.id }, { timeoutMs: QUICK_CALL_MS })
      .catch(rethrow(this.service, 'to get the metrics'));
    // Batch runners fill in `committed`, streaming ones often only `attempted`.
    return metrics?.committed.length ? metrics.committed : (metrics?.attempted ?? []);
  }

  close(): void {
    this.watching.abort();
    this.client.close();
  }

  private async watch(): Promise<void> {
    this.messagesDone = this.readMessages();
    const beat = this.heartbeat();
    const state = await Promise.race([this.followState(), beat]);
    const lastWords = new AbortController();
    await Promise.race([
      this.messagesDone,
      delay(LAST_WORDS_MS, undefined, { signal: lastWords.signal }).catch(() => {}),
    ]);
    lastWords.abort();
    this.watching.abort();
    this.settle(state);
  }

  private see(event: jobs.JobStateEvent | undefined): boolean {
    const state = event && stateFromProto(event.state);
    if (state && !isTerminal(this.state)) {
      // Streams begin with the job's history: STOPPED there only says that it was not yet started.
      if (state !== 'STOPPED') this.state = state;
      log.debug(`${this.id} is ${state}`);
    }
    return isTerminal(this.state);
  }

  /** Follows the state stream; where that breaks or does not exist, asks. */
  private async followState(): Promise<JobState> {
    const { signal } = this.watching;
    for (let silences = 0; ; ) {
      const stream = this.client.getStateStream({ jobId: this.id }, { signal });
      try {
        for await (const event of stream as AsyncIterable<jobs.JobStateEvent>) {
          if (this.see(event)) return this.state;
        }
      } catch (error) {
        if (signal.aborted) return this.state;
        log.debug(`the state stream broke: ${conceal(String(error))}`);
      } finally {
        // Leaving the loop closes the stream on this side only.
        stream.cancel();
      }
      try {
        const event = await this.client.getState(
          { jobId: this.id },
          { signal, timeoutMs: QUICK_CALL_MS },
        );
        silences = 0;
        if (this.see(event)) return this.state;
      } catch (error) {
        if (signal.aborted) return this.state;
        if (++silences === SILENCES || !mayPass(error)) throw this.gone(error);
      }
      await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** A stream does not break when the other machine vanishes, so ask now and then. */
  private async heartbeat(): Promise<JobState> {
    const { signal } = this.watching;
    for (let silences = 0; ; ) {
      await delay(HEARTBEAT_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return this.state;
      try {
        const event = await this.client.getState(
          { jobId: this.id },
          { signal, timeoutMs: HEARTBEAT_MS },
        );
        silences = 0;
        if (this.see(event)) return this.state;
      } catch (error) {
        if (signal.aborted) return this.state;
        if (++silences === SILENCES) throw this.gone(error);
      }
    }
  }

  private gone(error: unknown): BeamBridgeError {
    const cause = callError(error, this.service.name, 'to get the state of the job');
    const isForgotten = isUnknownJob(error, this.id);
    if (cause.code !== 'JOB_SERVICE_UNAVAILABLE' && !isForgotten) return cause;
    return new BeamBridgeError(
      'JOB_SERVICE_UNAVAILABLE',
      `${this.service.name} went away while the job ${this.id} ran${isForgotten ? ', and the one there now does not know it' : ''}`,
      {
        cause: error,
        hint: 'Look at the log of the job service for the reason, and run the pipeline again once it is up.',
        detail: conceal(this.errors.at(-1) ?? '') || undefined,
      },
    );
  }

  private async readMessages(): Promise<void> {
    const { signal } = this.watching;
    try {
      const stream = this.client.getMessageStream({ jobId: this.id }, { signal });
      for await (const { response } of stream as AsyncIterable<jobs.JobMessagesResponse>) {
        if (response.case === 'messageResponse') this.hear(response.value);
      }
    } catch (error) {
      // Messages are a comfort: the state stream tells whether the service is there.
      if (!signal.aborted) log.debug(`the message stream broke: ${conceal(String(error))}`);
    }
  }

  private hear({ importance, messageText }: jobs.JobMessage): void {
    const Importance = jobs.JobMessage_MessageImportance;
    if (importance >= Importance.JOB_MESSAGE_ERROR) {
      this.errors.push(messageText);
      if (this.errors.length > MESSAGES_KEPT) this.errors.shift();
    }
    if (this.service.logs) return;
    const text = conceal(messageText);
    if (importance === Importance.JOB_MESSAGE_WARNING) log.warn(text);
    else if (importance >= Importance.JOB_MESSAGE_ERROR) log.info(text);
    else log.debug(text);
  }
}

// Only a service that does not answer may answer later.
function mayPass(error: unknown): boolean {
  return (
    isServiceError(error) &&
    (error.code === GrpcStatus.UNAVAILABLE ||
      error.code === GrpcStatus.DEADLINE_EXCEEDED ||
      error.code === GrpcStatus.INTERNAL)
  );
}

function rethrow(service: JobService, doing: string): (error: unknown) => never {
  return (error) => {
    throw callError(error, service.name, doing);
  };
}

async function stage(
  service: JobService,
  pipeline: pb.Pipeline,
  prepared: jobs.PrepareJobResponse,
  signal: AbortSignal,
): Promise<void> {
  const address = prepared.artifactStagingEndpoint?.url;
  const artifacts = artifactsOf(pipeline);
  if (!address || artifacts.length === 0) return;
  log.debug(`staging ${artifacts.length} artifacts at ${address}`);
  // The token belongs to the job service alone.
  const token = address === service.address ? service.token : undefined;
  await stageArtifacts({ address, token }, prepared.stagingSessionToken, artifacts, signal).catch(
    rethrow(service, 'to stage artifacts'),
  );
}

/** A signal that fires `ms` after another. */
function later(signal: AbortSignal, ms: number): AbortSignal {
  const controller = new AbortController();
  signal.addEventListener(
    'abort',
    () => {
      setTimeout(() => controller.abort(signal.reason), ms).unref();
    },
    { once: true },
  );
  return controller.signal;
}
