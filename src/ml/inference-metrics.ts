// SPDX-License-Identifier: Apache-2.0
// Beam's inference metrics by names of their own.

import { checkOptionNames, type OptionNames } from '../base/index.ts';

/** Count, sum, least, greatest and mean of what was reported. */
export interface InferenceDistribution {
  count: number;
  sum: number;
  min: number;
  max: number;
  mean: number;
}

/** What a query of a job's metrics gives, as far as it matters here. */
interface QueriedMetrics {
  query(filter: { namespace?: string | undefined; transform?: string | undefined }): {
    counters: readonly { namespace: string; name: string; value: number }[];
    distributions: readonly { namespace: string; name: string; value: InferenceDistribution }[];
  };
}

/** Whose metrics; what is left out matches all. */
export interface InferenceMetricsFilter {
  /** Unique name of a transform, or of a composite that contains it. */
  transform?: string | undefined;
  /** Such as `BeamML_Sklearn`, or what `withMetricsNamespace` named. @default all */
  namespace?: string | undefined;
  /** The name of a model update, or of keys, whose share is asked for. @default all together */
  model?: string | undefined;
}

const FILTER: OptionNames<InferenceMetricsFilter> = {
  transform: true,
  namespace: true,
  model: true,
};

/** What models did in a run. Distributions are undefined where there was nothing to report. */
export interface InferenceMetrics {
  /** Rows that were scored. */
  inferences: number;
  /** Calls of a handler that raised or took too long. */
  failedBatches: number;
  /** Model updates that could not be loaded, each attempt. */
  modelUpdateFailures: number;
  /** Rows of each call. */
  batchSize: InferenceDistribution | undefined;
  /** Packed bytes of each call's rows. */
  batchBytes: InferenceDistribution | undefined;
  /** Microseconds of each call. */
  batchLatencyMicros: InferenceDistribution | undefined;
  /** Milliseconds that loading each model took. */
  modelLoadMillis: InferenceDistribution | undefined;
  /** Bytes by which the process grew as each model was loaded. */
  modelBytes: InferenceDistribution | undefined;
}

/**
 * The metrics that Beam's RunInference reports, as numbers.
 *
 * @param metrics - of a result: `await result.metrics()`
 *
 * @example
 * ```ts
 * const result = await runner.run(score);
 * const { inferences, batchLatencyMicros } = inferenceMetrics(await result.metrics());
 * ```
 */
export function inferenceMetrics(
  metrics: QueriedMetrics,
  filter: InferenceMetricsFilter = {},
): InferenceMetrics {
  checkOptionNames('inferenceMetrics', filter, FILTER);
  const { transform, namespace, model } = filter;
  const { counters, distributions } = metrics.query({ namespace, transform });
  const named = (name: string) => (model === undefined ? name : `${model}_${name}`);
  const count = (name: string) =>
    counters
      .filter((counter) => counter.name === named(name))
      .reduce((total, { value }) => total + value, 0);
  const spread = (name: string) =>
    distributions
      .filter((distribution) => distribution.name === named(name))
      .map(({ value }) => value)
      .reduce<InferenceDistribution | undefined>(merged, undefined);
  return {
    inferences: count('num_inferences'),
    failedBatches: count('failed_batches_counter'),
    modelUpdateFailures: count('modelUpdateFailures'),
    batchSize: spread('inference_request_batch_size'),
    batchBytes: spread('inference_request_batch_byte_size'),
    batchLatencyMicros: spread('inference_batch_latency_micro_secs'),
    modelLoadMillis: spread('load_model_latency_milli_secs'),
    modelBytes: spread('model_byte_size'),
  };
}

function merged(
  a: InferenceDistribution | undefined,
  b: InferenceDistribution,
): InferenceDistribution {
  if (!a) return { ...b };
  const [count, sum] = [a.count + b.count, a.sum + b.sum];
  const mean = count === 0 ? 0 : sum / count;
  return { count, sum, min: Math.min(a.min, b.min), max: Math.max(a.max, b.max), mean };
}
