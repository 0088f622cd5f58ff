// SPDX-License-Identifier: Apache-2.0
// Google Cloud Dataflow's job service: a process of Python with what Google's cloud needs, for one run. It acts
// with the credentials of whoever starts it, and so obeys only who has the token of its start.

import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { hostEnvironment } from '../host/host.ts';
import { logHostLine } from '../host/logs.ts';
import { PYTHON_ENV_FOLDER } from '../host/paths.ts';
import { type Service, startService } from '../process/service.ts';
import { ensurePythonEnvironment } from '../python/environment.ts';

/** How {@link startDataflow} starts it. */
export interface DataflowOptions {
  /** Path of a Python with `apache-beam[gcp]`. @default that of an environment with the extra `gcp` */
  readonly python?: string | undefined;
  /** Hears where a job can be seen. @default a line on standard error */
  readonly onJob?: ((job: DataflowJob) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A job as Dataflow knows it. */
export interface DataflowJob {
  /** Dataflow's own number of it. */
  readonly job: string;
  /** The address of its page. */
  readonly console: string;
}

/** A job service that is up. `info` is its `127.0.0.1:PORT`. */
export interface DataflowService {
  readonly service: Service<string>;
  /** For every call: `authorization: Bearer <token>`. */
  readonly token: string;
}

/**
 * Starts a job service.
 *
 * @throws BeamBridgeError `ENGINE_START_FAILED`, `ABORTED`, and what a Python environment may fail with
 */
export async function startDataflow({
  python,
  onJob = ({ job, console }) =>
    process.stderr.write(`beambridge: Dataflow runs the job ${job}: ${console}\n`),
  signal,
}: DataflowOptions): Promise<DataflowService> {
  const command = python ?? (await ensurePythonEnvironment({ extras: ['gcp'], signal })).python;
  const token = randomBytes(24).toString('base64url');
  const service = await startService<string>({
    name: "Dataflow's job service",
    command,
    args: [path.join(PYTHON_ENV_FOLDER, 'start.py'), 'beambridge_host.host.dataflow'],
    env: {
      ...hostEnvironment(token),
      // It calls Google, through a proxy perhaps.
      no_grpc_proxy: process.env.no_grpc_proxy,
    },
    ready: (line) => text(line, 'address'),
    onLine: (line) => {
      const [job, page] = [text(line, 'job'), text(line, 'console')];
      if (job !== undefined && page !== undefined) onJob({ job, console: page });
      else logHostLine(line);
    },
    failure: 'ENGINE_START_FAILED',
    hint: `${command} must have apache-beam[gcp]; what it printed is below.`,
    signal,
  });
  return { service, token };
}

/** A field of a line of JSON. */
function text(line: string, name: string): string | undefined {
  try {
    const value: unknown = (JSON.parse(line) as Record<string, unknown>)[name];
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
