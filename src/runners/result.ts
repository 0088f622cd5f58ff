// SPDX-License-Identifier: Apache-2.0
// A job that was started, seen from the program that started it.

import { BeamBridgeError, Condition } from '../base/index.ts';
import type { pb } from '../proto/index.ts';
import type { DistributionValue, GaugeValue, MetricResults } from './metrics.ts';
import type { JobState } from './state.ts';

/** A timer of Node's holds 24 days at most. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A stage of a pipeline, and where its functions run. */
export interface StagePlacement {
  /** The unique names of its transforms, which run together. */
  readonly transforms: readonly string[];
  readonly where: 'main thread' | 'threads';
  /** Why it is on the main thread, as a part of a sentence. */
  readonly because: string | undefined;
}

/** What a runner offers for a job of its own; {@link PipelineResult} is made of it. */
export interface JobControl {
  readonly jobId: string;
  readonly state: JobState;
  /** Resolves with the last state; rejects with the reason of a failure. */
  readonly finished: Promise<JobState>;
  /** Takes back that `finished` was asked for once: nobody waits for that promise any more. */
  forgetFinished?(): void;
  /** The program has seen that the job failed, though it did not ask for its end. */
  hear?(): void;
  cancel(): Promise<JobState>;
  /** Ends the sources and processes what they gave; resolves and rejects as `finished` does. */
  drain(): Promise<JobState>;
  /** Ends the job and has its engine keep its state; resolves with where. */
  stopWithSavepoint(): Promise<string>;
  /** Where stages of this program run, as far as it is told. */
  readonly stages?: readonly StagePlacement[];
  monitoringInfos(): Promise<readonly pb.MonitoringInfo[]>;
  metrics(): Promise<MetricResults>;
}

/**
 * A pipeline that was started: its state, its metrics, and the means to wait for it or to end it.
 *
 * @example
 * ```ts
 * const result = await createRunner().runAsync(pipeline);
 * const state = await result.waitUntilFinish(60_000);
 * if (state === 'RUNNING') await result.cancel();
 * ```
 */
export class PipelineResult {
  private readonly job: JobControl;
  private readonly end = new Condition();
  private isFollowed = false;
  private hasEnded = false;

  /** @internal */
  constructor(job: JobControl) {
    this.job = job;
  }

  /** The job's id in its job service. */
  get jobId(): string {
    return this.job.jobId;
  }

  /**
   * The stages of this program's functions and where each runs, on the runner `node` with `nodeWorkers`: in
   * threads, or on the main thread and why. It may change while the job runs. Other runners tell none.
   *
   * @example
   * ```ts
   * for (const { transforms, where, because } of result.stages) console.log(where, transforms, because ?? '');
   * ```
   */
  get stages(): readonly StagePlacement[] {
    return this.job.stages ?? [];
  }

  /**
   * The job's state as far as it is known here; it follows the job. One that is `DONE` has its outputs under
   * their names, and one that is `CANCELLED` or `FAILED` has none but those that got them as soon as they
   * were whole (see `writeToText`).
   */
  get state(): JobState {
    return this.seen(this.job.state);
  }

  private seen(state: JobState): JobState {
    if (state === 'FAILED') this.job.hear?.();
    return state;
  }

  /**
   * Waits until the job has ended, or for so many milliseconds, and gives the state then.
   *
   * @param timeoutMs - 0 or less, as of a deadline that is over, to be told at once. @default no limit
   * @throws BeamBridgeError why the job failed: `USER_CODE_FAILED`, `PYTHON_EXCEPTION`, `HOST_DIED`,
   * `JOB_SERVICE_UNAVAILABLE`, `ABORTED`, …; `INVALID_ARGUMENT` for a limit that is no number
   */
  async waitUntilFinish(timeoutMs?: number): Promise<JobState> {
    if (timeoutMs === undefined || timeoutMs === Number.POSITIVE_INFINITY) return this.job.finished;
    if (typeof timeoutMs !== 'number' || Number.isNaN(timeoutMs)) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `waitUntilFinish was given ${timeoutMs}`, {
        hint: 'Give a number of milliseconds, or nothing to wait until the job has ended.',
      });
    }
    const { finished } = this.job;
    if (await this.endsWithin(timeoutMs, finished)) return finished;
    this.job.forgetFinished?.();
    return this.state;
  }

  /** Nothing stays of a wait that is over: a program may look each second. */
  private async endsWithin(millis: number, finished: Promise<JobState>): Promise<boolean> {
    const until = performance.now() + millis;
    this.follow(finished);
    while (!this.hasEnded) {
      const left = Math.max(0, until - performance.now());
      const isAwake = await this.end.wait(Math.min(left, LONGEST_TIMER));
      if (!isAwake && left <= LONGEST_TIMER) return false;
    }
    return true;
  }

  private follow(finished: Promise<JobState>): void {
    if (this.isFollowed) return;
    this.isFollowed = true;
    const end = () => {
      this.hasEnded = true;
      this.end.notify();
    };
    finished.then(end, end);
  }

  /**
   * Ends the job before it is done; resolves with its last state when nothing of the run is left. A job that
   * has ended stays as it is, and so does one whose outputs are about to get their names: it is `DONE` then.
   */
  async cancel(): Promise<JobState> {
    return this.seen(await this.job.cancel());
  }

  /**
   * Ends a stream in order: its sources stop, the watermark goes to its end, and all open windows and
   * timers come out. Resolves with `DRAINED`. A bounded pipeline has an end of its own, which is awaited.
   *
   * @throws BeamBridgeError `UNSUPPORTED` where the runner cannot; why the job failed, if it did
   */
  async drain(): Promise<JobState> {
    return this.job.drain();
  }

  /**
   * Ends a stream on a Flink cluster where it is, and has Flink keep its state: what its sources have yet to
   * give, open windows, state and timers. Resolves with the savepoint's place, which goes to the option `savepointPath` of
   * a run of the same pipeline, when the job is over by Flink's word. The job counts as `CANCELLED` then, and
   * its outputs as not yet whole.
   *
   * @throws BeamBridgeError `UNSUPPORTED` on other runners; `JOB_FAILED` or `JOB_SERVICE_UNAVAILABLE` where Flink
   * cannot, as for want of a place (`flinkSavepoints`): the job goes on; `INVALID_ARGUMENT` for one that is
   * stopped already
   * @example
   * ```ts
   * const result = await createRunner({ runner: 'flink', flinkMaster: 'localhost:8081' }).runAsync(pipeline);
   * const savepointPath = await result.stopWithSavepoint();
   * ```
   */
  stopWithSavepoint(): Promise<string> {
    return this.job.stopWithSavepoint();
  }

  /**
   * The user's metrics so far; once the job has ended, the final ones.
   *
   * @throws BeamBridgeError `UNSUPPORTED` on Flink for a job that is not `DONE` or `DRAINED`, whose job server has
   * no metrics until then
   */
  metrics(): Promise<MetricResults> {
    return this.job.metrics();
  }

  /** Everything that the runner reports, in Beam's own messages. */
  async rawMetrics(): Promise<readonly pb.MonitoringInfo[]> {
    return this.job.monitoringInfos();
  }

  /** Counters by name, summed over all transforms. */
  async counters(): Promise<Record<string, number>> {
    return (await this.metrics()).counters();
  }

  /** Distributions by name, merged over all transforms. */
  async distributions(): Promise<Record<string, DistributionValue>> {
    return (await this.metrics()).distributions();
  }

  /** Gauges by name. */
  async gauges(): Promise<Record<string, GaugeValue>> {
    return (await this.metrics()).gauges();
  }
}
