// SPDX-License-Identifier: Apache-2.0
// A job service that somebody else runs: checked before the pipeline is expanded, since expansion
// can take seconds and a wrong address is best told at once.

import { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { createClient, GrpcStatus, jobs } from '../../proto/index.ts';
import type { JobService } from '../job-service.ts';
import type { PipelineOptions } from '../options.ts';
import { attach } from './attach.ts';
import { callError, isServiceError, QUICK_CALL_MS } from './calls.ts';

/**
 * The job service at the option `jobEndpoint`.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `JOB_SERVICE_UNAVAILABLE`
 */
export async function openService(
  pipeline: Pipeline,
  options: PipelineOptions,
  signal: AbortSignal,
): Promise<JobService> {
  const address = parseEndpoint(options.jobEndpoint);
  const name = `the job service at ${address}`;
  await check(address, name, signal);
  return attach(pipeline, options, { address, name });
}

function parseEndpoint(endpoint: unknown): string {
  if (typeof endpoint === 'string' && /^[^\s/]+:\d{1,5}$/.test(endpoint)) return endpoint;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    endpoint === undefined || endpoint === ''
      ? "the runner 'portable' was not told where its job service is"
      : `jobEndpoint ${JSON.stringify(endpoint)} is not an address`,
    {
      hint: "Give HOST:PORT: createRunner({ runner: 'portable', jobEndpoint: 'localhost:8099' }).",
    },
  );
}

async function check(address: string, name: string, signal: AbortSignal): Promise<void> {
  const client = createClient(jobs.JobService, address);
  const call = { signal, timeoutMs: QUICK_CALL_MS };
  try {
    await client.getJobs({}, call).catch(async (error: unknown) => {
      if (!isServiceError(error) || error.code !== GrpcStatus.UNIMPLEMENTED) throw error;
      // Not every job service lists its jobs. One that is none does not know this call either.
      await client.getState({ jobId: 'none' }, call);
    });
  } catch (error) {
    if (signal.aborted) throw callError(error, name);
    if (!isServiceError(error) || UNFIT.has(error.code)) throw callError(error, name);
  } finally {
    client.close();
  }
}

// With any other status it did answer, and knows the call.
const UNFIT: ReadonlySet<number> = new Set([
  GrpcStatus.UNAVAILABLE,
  GrpcStatus.UNIMPLEMENTED,
  GrpcStatus.DEADLINE_EXCEEDED,
  GrpcStatus.UNAUTHENTICATED,
  GrpcStatus.PERMISSION_DENIED,
  GrpcStatus.CANCELLED,
]);
