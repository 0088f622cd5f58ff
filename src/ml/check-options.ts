// SPDX-License-Identifier: Apache-2.0
// What a RunInference is asked for besides its handler is refused where it cannot be, as it is asked for.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import { describeValue } from '../coders/index.ts';
import type { PythonCallable } from '../external/index.ts';
import type { DeadLetterOptions } from './failures/dead-letters.ts';
import {
  type BatchingOptions,
  isCallable,
  type ModelManagerOptions,
  type ResourceHints,
} from './options.ts';

const BATCHING: OptionNames<BatchingOptions> = {
  minSize: true,
  maxSize: true,
  maxDurationMs: true,
  maxWeight: true,
  weight: true,
  length: true,
  lengthBuckets: true,
};
const DEAD_LETTERS: OptionNames<DeadLetterOptions> = {
  errorTypes: true,
  threshold: true,
  timeoutMs: true,
  useSubprocess: true,
};
const HINTS: OptionNames<ResourceHints> = {
  minRam: true,
  accelerator: true,
  cpuCount: true,
  maxActiveBundlesPerWorker: true,
};
const MANAGER: OptionNames<ModelManagerOptions> = {
  slackPercentage: true,
  pollIntervalSecs: true,
  peakWindowSecs: true,
  minDataPoints: true,
  smoothingFactor: true,
  evictionCooldownSecs: true,
  minModelCopies: true,
  waitTimeoutSecs: true,
  lockTimeoutSecs: true,
};

function refuse(message: string, hint: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', message, { hint });
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for a value that is no whole number above 0 */
export function checkCount(name: string, value: unknown): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) > 0)) return;
  throw refuse(`${name} is ${describeValue(value)}`, 'Give a whole number above 0.');
}

function checkPositive(name: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return;
  throw refuse(`${name} is ${describeValue(value)}`, 'Give a number above 0.');
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for what is no text of at least a character */
export function checkText(name: string, value: unknown): void {
  if (typeof value === 'string' && value.trim() !== '') return;
  throw refuse(`${name} is ${describeValue(value)}`, 'Give a text that is not empty.');
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for what cannot be */
export function checkBatching(batching: BatchingOptions): BatchingOptions {
  checkOptionNames('withBatching', batching, BATCHING);
  const { minSize, maxSize, maxDurationMs, maxWeight, weight, length, lengthBuckets } = batching;
  checkCount('minSize', minSize);
  checkCount('maxSize', maxSize);
  checkCount('maxWeight', maxWeight);
  checkPositive('maxDurationMs', maxDurationMs);
  if (minSize !== undefined && maxSize !== undefined && minSize > maxSize) {
    throw refuse(`minSize ${minSize} is above maxSize ${maxSize}`, 'Leave one of them out.');
  }
  for (const [name, given] of Object.entries({ weight, length })) {
    if (given === undefined || isCallable(given)) continue;
    throw refuse(
      `${name} is no Python callable`,
      `Python calls it: ${name}: pythonCallable('lambda row: len(row)').`,
    );
  }
  if (maxWeight !== undefined && !weight) {
    throw refuse('maxWeight is given without weight', "Add weight: pythonCallable('len').");
  }
  if (lengthBuckets !== undefined) checkBuckets(lengthBuckets, length);
  return batching;
}

function checkBuckets(buckets: readonly number[], length: PythonCallable | undefined): void {
  if (!length)
    throw refuse('lengthBuckets are given without length', "Add length: pythonCallable('len').");
  const rises = (bound: number, i: number) =>
    Number.isSafeInteger(bound) && bound > (i === 0 ? 0 : buckets[i - 1]!);
  if (Array.isArray(buckets) && buckets.length > 0 && buckets.every(rises)) return;
  throw refuse(
    `lengthBuckets are ${describeValue(buckets)}`,
    'Give whole numbers above 0, each above the one before.',
  );
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for what cannot be */
export function checkDeadLetters(options: DeadLetterOptions): DeadLetterOptions {
  checkOptionNames('withDeadLetters', options, DEAD_LETTERS);
  const { errorTypes, threshold, timeoutMs } = options;
  if (
    threshold !== undefined &&
    !(typeof threshold === 'number' && threshold >= 0 && threshold <= 1)
  ) {
    throw refuse(
      `threshold is ${describeValue(threshold)}`,
      'Give the share of rows that may fail, from 0 to 1.',
    );
  }
  checkPositive('timeoutMs', timeoutMs);
  const isName = (name: unknown) => typeof name === 'string' && name.trim() !== '';
  if (errorTypes !== undefined && !(Array.isArray(errorTypes) && errorTypes.every(isName))) {
    throw refuse(
      `errorTypes are ${describeValue(errorTypes)}`,
      "Give names as errorType has them, such as ['ValueError'].",
    );
  }
  return options;
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for what cannot be */
export function checkResourceHints(hints: ResourceHints): ResourceHints {
  checkOptionNames('withResourceHints', hints, HINTS);
  const { minRam, accelerator, cpuCount, maxActiveBundlesPerWorker } = hints;
  const isSize = typeof minRam === 'string' && /^\s*\d+(\.\d+)?\s*([KMGTP]i?)?B\s*$/.test(minRam);
  if (!isSize) {
    if (typeof minRam === 'string') {
      throw refuse(
        `minRam is ${describeValue(minRam)}`,
        "Give bytes, or text such as '16GB' or '512MiB'.",
      );
    }
    checkCount('minRam', minRam);
  }
  if (accelerator !== undefined) checkText('accelerator', accelerator);
  checkCount('cpuCount', cpuCount);
  checkCount('maxActiveBundlesPerWorker', maxActiveBundlesPerWorker);
  return hints;
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for what is no option */
export function checkModelManager(options: ModelManagerOptions): ModelManagerOptions {
  checkOptionNames('withModelManager', options, MANAGER);
  return options;
}
