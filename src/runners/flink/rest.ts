// SPDX-License-Identifier: Apache-2.0
// A Flink cluster by its REST address: of what version it is, and which job is which.
// Source: https://nightlies.apache.org/flink/flink-docs-stable/docs/ops/rest_api/

import { BeamBridgeError, conceal } from '../../base/index.ts';
import { FlinkJob, type JobSummary, OVER } from './job.ts';

/** How long Flink may take to answer. Milliseconds. */
const ANSWER_MS = 5000;

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

  /** The job with this `appName`. Flink's own name of a job is no more than the user's. */
  async find(appName: string, signal: AbortSignal): Promise<FlinkJob | undefined> {
    const { jobs } = (await this.get('/jobs/overview', signal)) as { jobs: JobSummary[] };
    for (const { jid, state } of jobs) {
      if (OVER.has(state)) continue;
      // One that has just come has none yet.
      const config = (await this.get(`/jobs/${jid}/config`, signal).catch(() => ({}))) as {
        'execution-config'?: { 'user-config'?: { appName?: unknown } };
      };
      signal.throwIfAborted();
      if (config['execution-config']?.['user-config']?.appName === appName) {
        return new FlinkJob(this, jid);
      }
    }
    return undefined;
  }

  get(path: string, signal: AbortSignal): Promise<unknown> {
    return this.json(path, signal, { method: 'GET' });
  }

  post(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const headers = { 'content-type': 'application/json' };
    return this.json(path, signal, { method: 'POST', body: JSON.stringify(body), headers });
  }

  async patch(path: string, signal: AbortSignal): Promise<void> {
    await this.ask(path, signal, { method: 'PATCH' });
  }

  private async json(path: string, signal: AbortSignal, init: RequestInit): Promise<unknown> {
    const response = await this.ask(path, signal, init);
    return response.json().catch(() => {
      throw this.unavailable('does not answer as Flink does');
    });
  }

  private async ask(path: string, signal: AbortSignal, init: RequestInit): Promise<Response> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const response = await fetch(`http://${this.address}${path}`, { ...init, signal: limit }).catch(
      (error: unknown) => {
        if (signal.aborted) throw signal.reason;
        throw this.unavailable(`cannot be reached (${why(error)})`, error);
      },
    );
    if (response.ok) return response;
    const said = conceal(firstError(await response.text().catch(() => '')));
    throw this.unavailable(`answers ${path} with status ${response.status}${said && `: ${said}`}`);
  }

  private unavailable(what: string, cause?: unknown): BeamBridgeError {
    return new BeamBridgeError('JOB_SERVICE_UNAVAILABLE', `Flink at ${this.address} ${what}`, {
      cause,
      hint: "flinkMaster is HOST:PORT of the JobManager's REST, port 8081 unless its configuration says otherwise, or '[local]' for a Flink of one's own.",
    });
  }
}

/** What Flink says of a request that it refuses; its answer holds a Java stack, too. */
function firstError(body: string): string {
  try {
    const { errors } = JSON.parse(body) as { errors?: unknown };
    if (!Array.isArray(errors)) return '';
    const text = errors.map(String).join(' ');
    return /(?:Exception|Error): ([^\n]+)/.exec(text)?.[1] ?? text.split('\n')[0]!;
  } catch {
    return '';
  }
}

function why(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
