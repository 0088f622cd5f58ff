// SPDX-License-Identifier: Apache-2.0
// The options that all handlers of models elsewhere have: how often, how many at once, how long.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../../base/index.ts';
import { type Check, count, jsonArguments, type PythonHandlerOptions, text } from './options.ts';

/** A service that grants requests to all workers together: Envoy's rate limit service. */
export interface RateLimiter {
  /** `HOST:PORT` of the service. */
  serviceAddress: string;
  /** Domain of its configuration. */
  domain: string;
  /** Which of its limits holds. */
  descriptors: readonly Readonly<Record<string, string>>[];
  /** Seconds that it may take to answer. @default 5 */
  timeout?: number;
  /** Whether to wait until a request is granted. @default true */
  blockUntilAllowed?: boolean;
  /** How often to ask again, where `blockUntilAllowed` is false. @default 3 */
  retries?: number;
}

/** Options of every handler whose model is served elsewhere. Handlers of Python's side hold no model. */
export interface RemoteOptions extends Omit<PythonHandlerOptions, 'largeModel' | 'modelCopies'> {
  /**
   * Most requests a second, spaced evenly, by all workers of a machine together.
   *
   * @default no limit
   */
  requestsPerSecond?: number;
  /** Most requests that a worker has in flight. @default 8 */
  maxConcurrency?: number;
  /**
   * How often a request is tried again that fails in a way that may pass (HTTP 408, 409, 5xx, no connection, no answer in time). Waits as long as the service asks for,
   * else 0.5 s and twice as long each time.
   *
   * @default 4
   */
  maxRetries?: number;
  /** Longest wait before another try, in milliseconds; a service that asks for more fails. @default 60000 */
  maxRetryDelayMs?: number;
  /**
   * How long one request may be throttled (HTTP 429) before its row fails, in milliseconds. Does not count
   * against `maxRetries`, whose 0 switches this off, too.
   *
   * @default 600_000
   */
  maxThrottleMs?: number;
  /** Milliseconds that a request may take. @default 60000 */
  timeoutMs?: number;
  /** A limit for all machines together, kept by a service. @default none */
  rateLimiter?: RateLimiter;
  /** Seconds to wait when Beam's own throttling holds a batch back. @default 5 */
  throttleDelaySecs?: number;
  /** Milliseconds of history that Beam's own throttling looks at. @default 1000 */
  windowMs?: number;
  /** Grain of that history in milliseconds. @default 1000 */
  bucketMs?: number;
  /** Batches sent for each that succeeded, above which Beam throttles. @default 2 */
  overloadRatio?: number;
}

const positive: Check = (value) =>
  typeof value === 'number' && value > 0 && Number.isFinite(value)
    ? undefined
    : 'not a number above 0';

const notNegative: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : 'not a whole number from 0';

const LIMITER: OptionNames<RateLimiter> = {
  serviceAddress: true,
  domain: true,
  descriptors: true,
  timeout: true,
  blockUntilAllowed: true,
  retries: true,
};

const limiter: Check = (value) => {
  checkOptionNames('rateLimiter', value, LIMITER);
  const { serviceAddress, domain, descriptors } = (value ?? {}) as Partial<RateLimiter>;
  const isComplete =
    text(serviceAddress) === undefined &&
    text(domain) === undefined &&
    Array.isArray(descriptors) &&
    descriptors.length > 0;
  return isComplete ? undefined : 'not { serviceAddress, domain, descriptors }';
};

/** What may be given for each option of {@link RemoteOptions}. */
export const REMOTE_CHECKS = {
  requestsPerSecond: positive,
  maxConcurrency: count,
  maxRetries: notNegative,
  maxRetryDelayMs: notNegative,
  maxThrottleMs: notNegative,
  timeoutMs: count,
  rateLimiter: limiter,
  throttleDelaySecs: count,
  windowMs: count,
  bucketMs: count,
  overloadRatio: positive,
} as const satisfies Readonly<
  Record<Exclude<keyof RemoteOptions, keyof PythonHandlerOptions>, Check>
>;

/** Options that concern models in a worker's memory. */
export const NOT_REMOTE = ['largeModel', 'modelCopies'] as const;

/** A number from 0. */
export const amount: Check = (value) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0
    ? undefined
    : 'not a number from 0';

/** A value of JSON's. */
export const jsonValue: Check = (value) => jsonArguments({ value } as never);

/** The name of an environment variable, which is all that a pipeline says of a credential. */
export const variable: Check = (value) =>
  typeof value === 'string' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(value)
    ? undefined
    : 'not the name of an environment variable: the credential itself has no place in a pipeline';

/** An address of a service. */
export const httpUrl: Check = (value) => {
  if (typeof value !== 'string') return 'not an address';
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return 'not an address such as https://host/v1';
  if (url.username || url.password) return 'an address with a credential: name a variable instead';
  return undefined;
};

/** The refusal of options that exclude one another. */
export function excluding(name: string, message: string, hint: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', `${name}: ${message}`, { hint });
}
