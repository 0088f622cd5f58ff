// SPDX-License-Identifier: Apache-2.0
// What stores of objects say, as our errors. Their packages throw errors of many shapes, all of which have the status
// of HTTP somewhere.

import { BeamBridgeError } from '../../../base/index.ts';
import { changed } from '../changed.ts';

/** A transfer that came to no end, and may be begun anew. */
export class TornTransfer extends Error {}

/** A last call that failed, though the object is there and not as it should be, or nobody knows whether it is. */
export class Unsettled extends Error {
  constructor(
    readonly is: 'there' | 'unknown',
    readonly reason: unknown,
  ) {
    super();
  }
}

/** What became of a request. */
export type Failure = 'missing' | 'no-bucket' | 'changed' | 'refused' | 'busy' | 'lost' | 'other';

interface SdkError {
  readonly name?: string;
  readonly code?: unknown;
  readonly message?: string;
  readonly statusCode?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
}

const NO_BUCKET = /NoSuchBucket|ContainerNotFound|specified (?:bucket|container) does not exist/;
const NO_CREDENTIALS = /Credential|InvalidAccessKeyId|Could not load .*credentials|invalid_grant/i;
const BUSY = /SlowDown|Throttl|TooManyRequests|RequestLimitExceeded|ServerBusy/i;
const LOST =
  /ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|socket hang up|aborted|terminated|premature|TimeoutError|RequestTimeout|IncompleteBody|NetworkingError/i;

export function statusOf(error: unknown): number | undefined {
  const { $metadata, statusCode, code } = (error ?? {}) as SdkError;
  const status = $metadata?.httpStatusCode ?? statusCode ?? code;
  return typeof status === 'number' ? status : undefined;
}

/** How often a package made the request, as far as it says. */
export function attemptsOf(error: unknown): number {
  return ((error ?? {}) as SdkError).$metadata?.attempts ?? 1;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof TornTransfer) return 'lost';
  const { name = '', code = '', message = '' } = (error ?? {}) as SdkError;
  const text = `${name} ${String(code)} ${message}`;
  const status = statusOf(error);
  if (NO_BUCKET.test(text)) return 'no-bucket';
  if (status === 404) return 'missing';
  if (status === 412 || /PreconditionFailed/.test(text)) return 'changed';
  if (BUSY.test(text) || status === 429 || (status !== undefined && status >= 500)) return 'busy';
  if (status === 401 || status === 403 || NO_CREDENTIALS.test(`${name} ${message}`))
    return 'refused';
  return LOST.test(text) ? 'lost' : 'other';
}

/** How an error is told that came of a path. */
export interface Told {
  readonly path: string;
  readonly bucket: string;
  readonly credentials: string;
  readonly done: 'read' | 'written';
}

/** What was thrown, as an error of reading or writing a path. */
export function objectError(error: unknown, told: Told): BeamBridgeError {
  if (error instanceof BeamBridgeError) return error;
  if (error instanceof Unsettled) return objectError(error.reason, told);
  const { path, bucket, credentials, done } = told;
  const make = (
    code: 'FILE_NOT_FOUND' | 'IO_FAILED' | 'OUTPUT_NOT_WRITABLE',
    text: string,
    hint?: string,
  ) => new BeamBridgeError(code, text, { hint, cause: error });
  const denied = done === 'read' ? 'IO_FAILED' : 'OUTPUT_NOT_WRITABLE';
  const message = messageOf(error);
  switch (failureOf(error)) {
    case 'no-bucket':
      return make(
        done === 'read' ? 'FILE_NOT_FOUND' : 'OUTPUT_NOT_WRITABLE',
        `${path}: there is no bucket ${bucket}`,
        'Is its name right, and the region or the endpoint? Buckets are not made here.',
      );
    case 'missing':
      return make(done === 'read' ? 'FILE_NOT_FOUND' : 'IO_FAILED', `${path} is not there`);
    case 'changed':
      return changed(path);
    case 'refused':
      return make(denied, `${path} cannot be ${done}: access is refused: ${message}`, credentials);
    case 'busy':
      return make(
        'IO_FAILED',
        `${path} cannot be ${done}: the store is overloaded, or refuses so many requests: ${message}`,
        'It was tried several times. Try later, or with fewer workers.',
      );
    case 'lost':
      return make(
        'IO_FAILED',
        `${path} cannot be ${done}: the connection was lost: ${message}`,
        'It was tried several times. Is the endpoint right, and the network up?',
      );
    default:
      return make('IO_FAILED', `${path} cannot be ${done}: ${message}`);
  }
}

function messageOf(error: unknown): string {
  const { name = '', message = '' } = (error ?? {}) as SdkError;
  return message || name || String(error);
}
