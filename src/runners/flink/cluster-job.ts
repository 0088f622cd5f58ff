// SPDX-License-Identifier: Apache-2.0
// The job of one run on a cluster: found there by a name that no other run has.

import { setTimeout as delay } from 'node:timers/promises';
import { getLogger } from '../../base/index.ts';
import type { EngineJob, StopWish } from '../engine-job.ts';
import { type FlinkJob, LOOK_EVERY_MS } from './job.ts';
import type { FlinkRest } from './rest.ts';

const log = getLogger('flink');

export class ClusterJob implements EngineJob {
  private job: FlinkJob | undefined;

  /**
   * @param appName - of this run alone
   * @param savepoints - where savepoints go, unless where the cluster is configured to put them
   */
  constructor(
    private readonly rest: FlinkRest,
    private readonly appName: string,
    private readonly savepoints: string | undefined,
  ) {}

  async arrived(signal: AbortSignal): Promise<void> {
    await this.found(signal);
  }

  async ended(signal: AbortSignal): Promise<void> {
    await (await this.found(signal)).cancel(signal);
  }

  async stop({ drain, accepted }: StopWish, signal: AbortSignal): Promise<string> {
    const job = await this.found(signal);
    return job.stop({ drain, directory: this.savepoints, accepted }, signal);
  }

  private async found(signal: AbortSignal): Promise<FlinkJob> {
    while (!this.job) {
      try {
        this.job = await this.rest.find(this.appName, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        // A JobManager that loads the classes of a job may have no time for questions.
        log.debug(`Flink does not say whether it has the job: ${String(error)}`);
      }
      if (!this.job) await delay(LOOK_EVERY_MS, undefined, { signal });
    }
    log.debug(`the job is ${this.job.id} on Flink`);
    return this.job;
  }
}
