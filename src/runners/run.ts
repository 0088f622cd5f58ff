// SPDX-License-Identifier: Apache-2.0
// One run of a pipeline, from graph to last state: open the job service and a worker pool for this
// program's functions, expand, submit, watch, and leave nothing behind however it ends.

import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, getLogger } from '../base/index.ts';
import { expandPipeline, withAnotherHost } from '../external/index.ts';
import { type Pipeline, pipelineToProto, TRANSACTION_SINK } from '../pipeline/index.ts';
import type { pb } from '../proto/index.ts';
import type { Construct, PipelineDefinition } from './definition.ts';
import { arrival, EngineStop, notCounted, refuseDrain } from './engine-job.ts';
import { jobFailure } from './failure.ts';
import type { WishToEnd } from './interrupts.ts';
import type { JobService } from './job-service.ts';
import { defaultJobName, optionsToStruct, type PipelineOptions, withStreaming } from './options.ts';
import { type OwnWorkers, openWorkers } from './own-workers.ts';
import { Job } from './portable/job.ts';
import { PipelineResult } from './result.ts';
import { BaseRun } from './run-base.ts';
import { isTerminal, type JobState } from './state.ts';

const log = getLogger('runner');

/** How long a cancelled job may take to end before its service is given up. Milliseconds. */
const CANCEL_GRACE_MS = 4000;
/** The same where its engine is asked for its word: tasks on other machines end what they are at. Milliseconds. */
const ENGINE_GRACE_MS = 10_000;
/** The same when a signal is about to end the whole program. */
const SIGNAL_GRACE_MS = 3000;

/** Makes the job service that a run submits to. */
export type OpenService = (
  pipeline: Pipeline,
  options: PipelineOptions,
  signal: AbortSignal,
) => Promise<JobService>;

/**
 * Starts a pipeline on the job service that `open` gives; resolves once the job runs.
 *
 * @param source - what the pipeline was constructed by, for workers that construct it again
 */
export async function startRun(
  pipeline: Pipeline,
  options: PipelineOptions,
  open: OpenService,
  source?: Construct | PipelineDefinition,
): Promise<PipelineResult> {
  refuseTransactions(pipeline);
  const run = new Run(pipeline, options, source);
  await run.start(open);
  return new PipelineResult(run);
}

/**
 * A transaction of what is written and how far its sources are needs both in one process, and to hear when all that
 * came of a source's elements has been written: job services tell no such thing.
 */
function refuseTransactions(pipeline: Pipeline): void {
  const sink = pipeline.transforms.find(({ annotations }) => annotations.has(TRANSACTION_SINK));
  if (!sink) return;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    "exactlyOnce is for the runner 'node', and for streams of 'flink' with a checkpointingInterval",
    {
      ...sink.errorDetails,
      hint: 'Use one of these, or leave out exactlyOnce: every runner writes at least once.',
    },
  );
}

class Run extends BaseRun {
  /** Undefined while Python is set up, which shows progress of its own. */
  private phase: string | undefined;
  private service: JobService | undefined;
  private workers: OwnWorkers | undefined;
  private job: Job | undefined;
  private infos: Promise<readonly pb.MonitoringInfo[]> | undefined;
  private cancelling: Promise<JobState> | undefined;
  private isCommitted = false;
  private readonly stopping = new EngineStop();
  private readonly starting = new AbortController();

  constructor(
    pipeline: Pipeline,
    options: PipelineOptions,
    private readonly source: Construct | PipelineDefinition | undefined,
  ) {
    super(pipeline, options);
  }

  get jobId(): string {
    return this.job!.id;
  }

  /** As the job service tells it; but a job is done only when its outputs have their names. */
  get state(): JobState {
    const { state } = this.job!;
    if (isTerminal(state) && !isDone(state)) return state;
    const isDrained = this.stopping.for === 'drain';
    if (isDone(state) && this.isCommitted) return isDrained ? 'DRAINED' : state;
    if (isDrained) return 'DRAINING';
    return isDone(state) ? 'RUNNING' : state;
  }

  async start(open: OpenService): Promise<void> {
    try {
      const end = ({ reason, isExiting }: WishToEnd) =>
        this.stop(reason, isExiting ? SIGNAL_GRACE_MS : this.graceMs);
      this.attend({ end }, () => ({ phase: this.job ? this.state : this.phase }));
      await this.submit(open, this.starting.signal);
    } catch (error) {
      const gone = await this.deathOfService();
      await this.letGo();
      throw this.stopReason ?? gone ?? BeamBridgeError.from(error, 'JOB_FAILED');
    }
    this.follow(this.watch());
    // The wish to end may have come while the job was on its way.
    if (this.stopReason) void this.cancel();
  }

  private async submit(open: OpenService, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // Without the signal: a job that is cancelled should end before its workers do.
    const starting = openWorkers(this.pipeline, this.options, this.source);
    // What did start is cleaned up even when something else did not.
    starting.then(
      (workers) => {
        this.workers = workers;
      },
      () => {},
    );
    const proto = await withAnotherHost(() => this.expand(open, starting, signal), signal);
    this.proto = proto;

    this.phase = 'submitting';
    const jobName = this.options.jobName ?? defaultJobName();
    const given = withStreaming(this.options, this.pipeline.isStream);
    const options = optionsToStruct({
      ...(this.service!.withDefaults?.(given) ?? given),
      ...this.workers!.options,
      jobName,
    });
    this.job = await Job.submit(this.service!, { pipeline: proto, jobName, options }, signal);
    await arrival(this.service!.engine, [this.job.ended, this.service!.lost], signal);
  }

  /** Opens the job service and gives the pipeline as it is submitted there. May be repeated. */
  private async expand(
    open: OpenService,
    starting: Promise<OwnWorkers>,
    signal: AbortSignal,
  ): Promise<pb.Pipeline> {
    this.phase = undefined;
    const before = this.service;
    this.service = undefined;
    await before?.[Symbol.asyncDispose]();
    const [service, workers] = await Promise.allSettled([
      open(this.pipeline, this.options, signal),
      starting,
    ]);
    if (service.status === 'rejected') throw service.reason;
    this.service = service.value;
    if (workers.status === 'rejected') throw workers.reason;
    signal.throwIfAborted();

    this.phase = 'expanding';
    const { resolveService } = service.value;
    const expanded = await expandPipeline(
      this.pipeline,
      pipelineToProto(this.pipeline, workers.value.environment),
      { resolveService, signal },
    );
    this.cleanUps.push(() => expanded[Symbol.asyncDispose]());
    await service.value.prepare(expanded.proto);
    signal.throwIfAborted();
    return expanded.proto;
  }

  private async watch(): Promise<JobState> {
    const job = this.job!;
    let failure: BeamBridgeError | undefined;
    let isThere = true;
    try {
      const lost = this.service!.lost.then((error) => {
        throw error;
      });
      lost.catch(() => {});
      await Promise.race([job.ended, lost]);
      if (job.state === 'FAILED') failure = this.failure();
      // Its state is kept for a run that goes on, whose outputs these are.
      if (isDone(job.state) && this.stopping.for === 'savepoint') job.forget('CANCELLED');
    } catch (error) {
      isThere = false;
      // A service that is lost when it has said that the job is done has done its part.
      if (!isDone(job.state)) failure = await this.giveUp(error);
    }
    if (isDone(job.state)) failure = await this.commit();
    // Afterwards the service may be gone, or may have forgotten the job.
    if (isThere && job.state !== 'CANCELLED') await this.monitoringInfos().catch(() => {});
    await this.letGo();
    if (failure) throw failure;
    if (job.state === 'CANCELLED' && this.stopReason) throw this.stopReason;
    return this.state;
  }

  /** Ends a job that nobody can tell of any more; why, unless that was wanted. */
  private async giveUp(error: unknown): Promise<BeamBridgeError | undefined> {
    const job = this.job!;
    // When a host dies, the end of its streams may be seen before the end of its process.
    const gone = await this.deathOfService();
    // The engine may go on without its job service, and write: what it needs for that is left.
    if (!this.cancelling && !isTerminal(job.state)) this.pipeline.runMark = undefined;
    // A job service that lost only its Python workers may wait for them for ever.
    if (gone && !isTerminal(job.state)) await job.cancel().catch(() => {});
    if (!isTerminal(job.state)) job.forget(this.cancelling ? 'CANCELLED' : 'FAILED');
    return this.cancelling ? undefined : (gone ?? BeamBridgeError.from(error, 'JOB_FAILED'));
  }

  /** Gives outputs their names; what is wrong if that fails. */
  private async commit(): Promise<BeamBridgeError | undefined> {
    try {
      await this.commitOutputs();
      this.isCommitted = true;
      return undefined;
    } catch (error) {
      this.job!.forget('FAILED');
      return BeamBridgeError.from(error, 'JOB_FAILED');
    }
  }

  private failure(): BeamBridgeError {
    const failure = jobFailure({
      failures: this.workers!.failures,
      messages: this.job!.errors,
      pipeline: this.pipeline,
      proto: this.proto!,
    });
    return (failure.code === 'JOB_FAILED' && this.service?.knownReason?.()) || failure;
  }

  /** Why the service is gone, if it is or turns out to be within a moment. */
  private async deathOfService(): Promise<BeamBridgeError | undefined> {
    if (!this.service || this.stopReason) return undefined;
    return Promise.race([this.service.lost, delay(200, undefined)]);
  }

  /** Ends the run for a reason that lies in this program. */
  private async stop(reason: BeamBridgeError, graceMs: number): Promise<void> {
    this.stopReason ??= reason;
    this.starting.abort(this.stopReason);
    if (this.outcome) void this.cancel(graceMs);
    await this.closed;
  }

  async drain(): Promise<JobState> {
    if (!this.pipeline.isStream || isTerminal(this.job!.state)) return this.finished;
    refuseDrain(this.service!, this.pipeline, this.options);
    await this.stopping.ask('drain', this.job!, this.service!.engine!, () => {
      for (const drain of this.pipeline.drains) drain();
      this.workers!.drain?.();
    });
    return this.finished;
  }

  override async stopWithSavepoint(): Promise<string> {
    const { engine } = this.service!;
    if (!engine) return super.stopWithSavepoint();
    const savepoint = await this.stopping.ask('savepoint', this.job!, engine);
    await this.closed;
    return savepoint;
  }

  private get graceMs(): number {
    return this.service?.engine ? ENGINE_GRACE_MS : CANCEL_GRACE_MS;
  }

  cancel(graceMs = this.graceMs): Promise<JobState> {
    this.cancelling ??= this.end(graceMs);
    return this.cancelling;
  }

  private async end(graceMs: number): Promise<JobState> {
    const job = this.job!;
    if (isTerminal(job.state)) {
      // It is too late to keep outputs from getting their names, if they do.
      await this.closed;
      return job.state;
    }
    const over = new AbortController();
    const late = delay(graceMs, 'late' as const, { signal: over.signal }).catch(
      () => 'late' as const,
    );
    const refused = job.cancel().then(
      () => new Promise<never>(() => {}),
      (error: unknown) => {
        log.debug(`the job could not be cancelled: ${String(error)}`);
        return late;
      },
    );
    // Some services call a job cancelled that goes on elsewhere.
    const endedElsewhere = (): Promise<void> | undefined =>
      this.service!.engine?.ended(over.signal).catch((error: unknown) => {
        if (!over.signal.aborted) log.warn('the job may still run', error);
      });
    const ended = job.ended.then(endedElsewhere, () => {});
    const end = await Promise.race([ended, late, refused]);
    over.abort();
    if (end === 'late') {
      await this.service!.abandon().catch((error: unknown) =>
        log.warn('the job may still run', error),
      );
      if (!isTerminal(job.state)) job.forget('CANCELLED');
    }
    await this.closed;
    return job.state;
  }

  async monitoringInfos(): Promise<readonly pb.MonitoringInfo[]> {
    if (this.infos) return this.infos;
    const job = this.job!;
    if (this.service!.countsAtEnd && !isDone(job.state)) throw notCounted();
    const infos = job.monitoringInfos();
    // Those of a job that has ended do not change any more, and its service may go away.
    if (isTerminal(job.state)) this.infos = infos;
    return infos;
  }

  private letGo(): Promise<void> {
    return this.close(
      () => this.job?.close(),
      () => this.workers?.[Symbol.asyncDispose](),
      () => this.service?.[Symbol.asyncDispose](),
    );
  }
}

function isDone(state: JobState): boolean {
  return state === 'DONE' || state === 'DRAINED';
}
