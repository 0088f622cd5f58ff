// SPDX-License-Identifier: Apache-2.0
// A job of a Flink cluster by Flink's own word. Beam's job server says that a job runs when it has yet to
// send it, and that it is cancelled when it has only stopped to look at it.

import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, getLogger } from '../../base/index.ts';

const log = getLogger('flink');

/** Time between two looks at a job. Milliseconds. */
export const LOOK_EVERY_MS = 200;
/** States in which a job has ended. */
export const OVER: ReadonlySet<string> = new Set(['FINISHED', 'CANCELED', 'FAILED', 'SUSPENDED']);

/** The part of Flink's answers that says how a job is. */
export interface JobSummary {
  readonly jid: string;
  readonly state: string;
}

/** A job with its steps: how many tasks of each are in which state. */
interface JobDetails extends JobSummary {
  readonly vertices?: readonly { readonly tasks?: Readonly<Record<string, number>> }[];
}

/** States of tasks in which they cannot keep their state yet. */
const TO_COME = ['CREATED', 'SCHEDULED', 'DEPLOYING', 'RECONCILING', 'INITIALIZING'];

/** What a job asks of its cluster's REST. */
export interface Asking {
  get(path: string, signal: AbortSignal): Promise<unknown>;
  post(path: string, body: unknown, signal: AbortSignal): Promise<unknown>;
  patch(path: string, signal: AbortSignal): Promise<void>;
}

/** How a job is stopped with its state kept. */
export interface Stopping {
  /** Whether the watermark goes to its end first, so that windows and timers come out. */
  readonly drain: boolean;
  /** A folder or address that JobManager and TaskManagers write to. @default what Flink is configured to */
  readonly directory: string | undefined;
  /** Called once Flink has taken it. */
  readonly accepted?: (() => void) | undefined;
}

interface SavepointStatus {
  readonly status: { readonly id: string };
  readonly operation?: {
    readonly location?: string;
    readonly 'failure-cause'?: { readonly class?: string; readonly 'stack-trace'?: string };
  } | null;
}

/** A job under its number. */
export class FlinkJob {
  private readonly path: string;

  constructor(
    private readonly rest: Asking,
    readonly id: string,
  ) {
    this.path = `/jobs/${id}`;
  }

  /** Flink's state of it: `RUNNING`, `FINISHED`, … */
  async state(signal: AbortSignal): Promise<string> {
    return ((await this.rest.get(this.path, signal)) as JobSummary).state;
  }

  /** Cancels it, and resolves when Flink says that it is over. */
  async cancel(signal: AbortSignal): Promise<void> {
    if (OVER.has(await this.state(signal))) return;
    await this.rest.patch(`${this.path}?mode=cancel`, signal);
    await this.over(signal);
  }

  /**
   * Stops its sources, has its state kept, and resolves with where that is when Flink says that it is over.
   *
   * @throws BeamBridgeError `JOB_FAILED` where Flink cannot, `JOB_SERVICE_UNAVAILABLE` where it refuses
   */
  async stop({ drain, directory, accepted }: Stopping, signal: AbortSignal): Promise<string> {
    await this.running(signal);
    const wish = { drain, ...(directory === undefined ? {} : { targetDirectory: directory }) };
    const given = (await this.rest.post(`${this.path}/stop`, wish, signal)) as {
      'request-id': string;
    };
    accepted?.();
    for (;;) {
      const path = `${this.path}/savepoints/${given['request-id']}`;
      const { status, operation } = (await this.rest.get(path, signal)) as SavepointStatus;
      const cause = operation?.['failure-cause'];
      if (cause) throw this.notStopped(cause['stack-trace'] ?? cause.class ?? '');
      if (status.id === 'COMPLETED') {
        await this.over(signal);
        return operation?.location ?? '';
      }
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  /** Waits until all tasks run: Flink stops no job before. */
  private async running(signal: AbortSignal): Promise<void> {
    for (;;) {
      const { state, vertices = [] } = (await this.rest.get(this.path, signal)) as JobDetails;
      if (OVER.has(state)) {
        throw new BeamBridgeError('JOB_FAILED', `the job ${this.id} is ${state} already on Flink`, {
          hint: 'There is nothing left of it to stop: waitUntilFinish() tells why it ended.',
        });
      }
      const isWaiting = vertices.some(({ tasks }) => TO_COME.some((each) => tasks?.[each]));
      if (state === 'RUNNING' && !isWaiting) return;
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  private async over(signal: AbortSignal): Promise<void> {
    for (;;) {
      const state = await this.state(signal);
      if (OVER.has(state)) return;
      log.debug(`the job ${this.id} is ${state}`);
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  private notStopped(trace: string): BeamBridgeError {
    const reasons = trace
      .split('\n')
      .filter((line) => /^(?:Caused by: )?\S*(?:Exception|Error)\b/.test(line));
    const reason = (reasons.at(-1) ?? trace.split('\n')[0] ?? '').replace(/^Caused by: /, '');
    return new BeamBridgeError('JOB_FAILED', `Flink could not stop the job ${this.id}: ${reason}`, {
      hint: 'The job goes on. flinkSavepoints must name a place that JobManager and TaskManagers can write to.',
      detail: trace,
    });
  }
}
