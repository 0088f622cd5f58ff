// SPDX-License-Identifier: Apache-2.0
// A Flink cluster by its REST address: of what version it is, and the end of a job by Flink's own word.
// Beam's job server says that a job is cancelled when it has only stopped to look at it.
// Source: https://nightlies.apache.org/flink/flink-docs-stable/docs/ops/rest_api/

import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, getLogger } from '../../base/index.ts';

const log = getLogger('flink');

/** How long Flink may take to answer. Milliseconds. */
const ANSWER_MS = 5000;
/** Time between two looks at a job that is to end. Milliseconds. */
const LOOK_EVERY_MS = 200;
const OVER: ReadonlySet<string> = new Set(['FINISHED', 'CANCELED', 'FAILED', 'SUSPENDED']);

interface JobSummary {
  readonly jid: string;
  readonly state: string;
}

/** The REST side of a cluster. */
export class FlinkRest {
  /** @param address - `HOST:PORT` */
  constructor(private readonly address: string) {}

  /**
   * Major and minor release: `1.19`.
   *
   * @throws BeamBridgeError `JOB_SERVICE_UNAVAILABLE`
   */
  async version(signal: AbortSignal): Promise<string> {
    const { 'flink-version': version } = (await this.get('/config', signal)) as {
      'flink-version'?: unknown;
    };
    const release = typeof version === 'string' ? /^\d+\.\d+/.exec(version)?.[0] : undefined;
    if (release) return release;
    throw this.unavailable('does not say of what version it is: it is no Flink');
  }

  /** Cancels the job with this `appName`, and resolves when Flink says that it is over. */
  async cancel(appName: string, signal: AbortSignal): Promise<void> {
    const jid = await this.find(appName, signal);
    if (jid === undefined) return;
    await this.ask(`/jobs/${jid}?mode=cancel`, signal, 'PATCH');
    for (;;) {
      const { state } = (await this.get(`/jobs/${jid}`, signal)) as JobSummary;
      if (OVER.has(state)) return;
      log.debug(`the job ${jid} is ${state}`);
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  /** The job that goes on under this `appName`. Flink's own name of a job is no more than the user's. */
  private async find(appName: string, signal: AbortSignal): Promise<string | undefined> {
    const { jobs } = (await this.get('/jobs/overview', signal)) as { jobs: JobSummary[] };
    for (const { jid, state } of jobs) {
      if (OVER.has(state)) continue;
      const config = (await this.get(`/jobs/${jid}/config`, signal)) as {
        'execution-config'?: { 'user-config'?: { appName?: unknown } };
      };
      if (config['execution-config']?.['user-config']?.appName === appName) return jid;
    }
    return undefined;
  }

  private async get(path: string, signal: AbortSignal): Promise<unknown> {
    const response = await this.ask(path, signal, 'GET');
    return response.json().catch(() => {
      throw this.unavailable('does not answer as Flink does');
    });
  }

  private async ask(path: string, signal: AbortSignal, method: string): Promise<Response> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const response = await fetch(`http://${this.address}${path}`, { method, signal: limit }).catch(
      (error: unknown) => {
        if (signal.aborted) throw signal.reason;
        throw this.unavailable(`cannot be reached (${why(error)})`, error);
      },
    );
    if (response.ok) return response;
    throw this.unavailable(`answers ${path} with status ${response.status}`);
  }

  private unavailable(what: string, cause?: unknown): BeamBridgeError {
    return new BeamBridgeError('JOB_SERVICE_UNAVAILABLE', `Flink at ${this.address} ${what}`, {
      cause,
      hint: "flinkMaster is HOST:PORT of the JobManager's REST, port 8081 unless its configuration says otherwise, or '[local]' for a Flink of one's own.",
    });
  }
}

function why(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
