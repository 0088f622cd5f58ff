// SPDX-License-Identifier: Apache-2.0
// What a failed call to a job service means for the person who runs a pipeline.

import { BeamBridgeError, concealError } from '../../base/index.ts';
import { GrpcStatus, type ServiceError } from '../../proto/index.ts';
import { isRefusal, REFUSAL_HINT } from '../refusals.ts';

/** Milliseconds in which a job service must answer a question that costs it nothing. */
export const QUICK_CALL_MS = 5000;
/** Milliseconds for calls that make it work: it may translate a whole pipeline first. */
export const LONG_CALL_MS = 120_000;

/** How many lines that a first one announces are part of a message; what is longer is detail. */
const ANNOUNCED_LINES = 5;

/** Whether something thrown is the status of a gRPC call. */
export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number';
}

const START_HINT =
  'Start a Beam job service there, or set jobEndpoint to HOST:PORT of one that runs. ' +
  "Without jobEndpoint the runner 'direct' needs no job service.";

/**
 * The error of a call that failed.
 *
 * @param doing - what was being done: `to prepare the job`; nothing for a mere look
 */
export function callError(thrown: unknown, service: string, doing?: string): BeamBridgeError {
  const error = isServiceError(thrown) ? concealError(thrown) : thrown;
  if (!isServiceError(error)) return BeamBridgeError.from(error, 'JOB_SERVICE_UNAVAILABLE');
  const details = { hint: START_HINT, cause: error };
  const what = doing ? ` ${doing}` : '';
  const unavailable = (message: string) =>
    new BeamBridgeError('JOB_SERVICE_UNAVAILABLE', message, details);
  switch (error.code) {
    case GrpcStatus.UNAVAILABLE:
      return unavailable(`${service} cannot be reached${what} (${reason(error)})`);
    case GrpcStatus.DEADLINE_EXCEEDED:
      return unavailable(`${service} did not answer in time${doing ? ` when asked ${doing}` : ''}`);
    case GrpcStatus.UNIMPLEMENTED:
      return unavailable(`${service} is not a job service (${reason(error)})`);
    case GrpcStatus.UNAUTHENTICATED:
    case GrpcStatus.PERMISSION_DENIED:
      return unavailable(`${service} refused the call${what} (${reason(error)})`);
    case GrpcStatus.CANCELLED:
      return new BeamBridgeError('ABORTED', `the call${what} was cancelled`, { cause: error });
    default:
      return failed(error, `${service} failed${what}`);
  }
}

/** A call that the service answered with a failure: its own words, all of them. */
function failed(error: ServiceError, what: string): BeamBridgeError {
  const text = (error.details || error.message).trim();
  const [first = '', ...rest] = text.split('\n').map((line) => line.trim());
  // A line that ends so announces the next ones, which say what it is about.
  const announced = first.endsWith(':') ? rest.splice(0, ANNOUNCED_LINES).join('; ') : '';
  const message = `${what}: ${first}${announced && ` ${announced}`}`;
  const detail = rest.length > 0 ? text : undefined;
  return isRefusal(text)
    ? new BeamBridgeError('UNSUPPORTED', message, { cause: error, detail, hint: REFUSAL_HINT })
    : new BeamBridgeError('JOB_FAILED', message, {
        cause: error,
        detail,
        hint: 'The log of the job service may tell more.',
      });
}

/** Whether a service says that it has no job of this id: one that was restarted has forgotten it. */
export function isUnknownJob(error: unknown, jobId: string): boolean {
  if (!isServiceError(error)) return false;
  if (error.code === GrpcStatus.NOT_FOUND) return true;
  const text = error.details || error.message;
  return text.includes(jobId) && /not found|does not exist|unknown job|no such job/i.test(text);
}

function reason(error: ServiceError): string {
  const first = (error.details || error.message).trim().split('\n')[0]!;
  // grpc-js wraps the system's own words, which say it best.
  return first.replace(/^.*Last error: (Error: )?/, '').replace(/\.? *Resolution note:.*$/, '');
}
