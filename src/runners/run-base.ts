// SPDX-License-Identifier: Apache-2.0
// What all runs have in common, wherever their stages are executed: who may wish them to end, what they
// show and count, what they leave to be undone, and how their end is told.

import { BeamBridgeError, getLogger, keepSteady } from '../base/index.ts';
import type { Pipeline } from '../pipeline/index.ts';
import type { pb } from '../proto/index.ts';
import { cannot } from './engine-job.ts';
import { located } from './failure.ts';
import { type Endable, unlessExiting, whileWanted } from './interrupts.ts';
import { unlessHeard } from './loose-ends.ts';
import { MetricResults } from './metrics.ts';
import { type PipelineOptions, runsElsewhere } from './options.ts';
import { Progress, type ProgressReport } from './progress.ts';
import type { JobControl } from './result.ts';
import type { JobState } from './state.ts';
import { tidyUp } from './tidy-up.ts';

const log = getLogger('runner');

export abstract class BaseRun implements JobControl {
  abstract readonly jobId: string;
  abstract readonly state: JobState;
  /** The pipeline's message, expanded once it is. */
  protected proto: pb.Pipeline | undefined;
  /** Why the program itself wanted the run to end. */
  protected stopReason: BeamBridgeError | undefined;
  /** The end of the run, once it has begun. */
  protected outcome: Promise<JobState> | undefined;
  protected readonly cleanUps: (() => unknown)[] = [];
  /** What listens for wishes to end, also while all else is undone. */
  protected readonly listeners: (() => void)[] = [];
  /** How many wait for the outcome. */
  private awaited = 0;
  /** Whether the program has seen that the run failed. */
  private isSeen = false;
  private markHeard: () => void = () => {};
  /** Whether the log has it why the run fails. */
  protected isTold = false;
  private markClosed!: () => void;
  /** Resolves when nothing of the run is left. */
  protected readonly closed = new Promise<void>((resolve) => {
    this.markClosed = resolve;
  });

  constructor(
    protected readonly pipeline: Pipeline,
    protected readonly options: PipelineOptions,
  ) {
    pipeline.isCommittedHere = !runsElsewhere(options);
  }

  abstract cancel(): Promise<JobState>;
  abstract drain(): Promise<JobState>;
  async stopWithSavepoint(): Promise<string> {
    throw cannot(
      'keep the state of a job',
      "Run it with runner: 'flink' and the flinkMaster of a cluster, or drain() or cancel() it.",
    );
  }

  abstract monitoringInfos(): Promise<readonly pb.MonitoringInfo[]>;

  get finished(): Promise<JobState> {
    this.awaited += 1;
    this.markHeard();
    return this.outcome!;
  }

  /** The program has seen that the run failed, without asking for its end. */
  hear(): void {
    this.isSeen = true;
    this.markHeard();
  }

  forgetFinished(): void {
    this.awaited -= 1;
  }

  /** Whether somebody hears of a failure. */
  protected get isAwaited(): boolean {
    return this.awaited > 0;
  }

  async metrics(): Promise<MetricResults> {
    const transforms = this.proto?.components?.transforms ?? {};
    return new MetricResults(
      await this.monitoringInfos(),
      (id) => transforms[id]?.uniqueName ?? id,
    );
  }

  /** Listens for wishes to end until the run is closed, and shows how far it is. */
  protected attend(endable: Endable, report: () => ProgressReport): void {
    this.listeners.push(whileWanted(this.options, endable), keepSteady());
    this.cleanUps.push(this.whileWhole(endable));
    const progress = new Progress(report, this.options.progress);
    this.cleanUps.push(() => progress[Symbol.dispose]());
  }

  /** Ends a run that lacks what the program applied too late. An error that nobody awaits may go unheard. */
  private whileWhole({ end }: Endable): () => void {
    const { pipeline } = this;
    const tell = (reason: BeamBridgeError) => void end({ reason, isExiting: false });
    pipeline.onTooLate = tell;
    if (pipeline.tooLate) tell(pipeline.tooLate);
    return () => {
      pipeline.onTooLate = undefined;
    };
  }

  /** Why a run failed, with the line of the transform that is at fault. */
  protected failureOf(error: unknown): BeamBridgeError {
    return located(BeamBridgeError.from(error, 'JOB_FAILED'), this.pipeline, this.proto);
  }

  /**
   * A program may start a job and never ask what became of it: that it failed goes to the log then, and is the
   * program's exit code. What the program itself wanted is no failure.
   */
  protected follow(outcome: Promise<JobState>): void {
    this.outcome = outcome;
    outcome.catch((error: unknown) => {
      if (this.isSeen || this.isAwaited || error === this.stopReason) return;
      if (!this.isTold) {
        log.error(`a run has failed whose end nobody has asked for: ${messageOf(error)}`);
      }
      this.markHeard = unlessHeard();
    });
  }

  /** Gives outputs their names. */
  protected async commitOutputs(): Promise<void> {
    for (const commit of this.pipeline.commits) await commit();
  }

  /** Undoes what is left of the run, `last` at its end. Never resolves when a signal ends the program. */
  protected async close(...last: (() => unknown)[]): Promise<void> {
    await tidyUp([...this.cleanUps.splice(0), ...last, ...this.pipeline.cleanUps.splice(0)]);
    await tidyUp(this.listeners.splice(0));
    this.markClosed();
    await unlessExiting();
  }
}

const messageOf = (error: unknown) => BeamBridgeError.from(error, 'JOB_FAILED').message;
