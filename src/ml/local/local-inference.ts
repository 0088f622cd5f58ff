// SPDX-License-Identifier: Apache-2.0
// The step that scores packed batches with a model of this process, in the place of Python's.

import { BytesCoder } from '../../coders/index.ts';
import { ParDo } from '../../pipeline/index.ts';
import { counter, type DoFn, distribution } from '../../transforms/index.ts';
import type { InferenceArgs, TypeScriptModelHandler } from '../handlers/typescript.ts';
import { checkCount, type InProcessModel, PackedAnswers } from '../packed-answers.ts';
import type { InferenceTypes } from '../packing.ts';
import { type Packed, step } from '../steps.ts';
import { BatchSizes, type LocalBatching } from './batch-sizes.ts';
import { acquireModel, type LoadedModel } from './loaded-models.ts';

type AnyHandler = TypeScriptModelHandler<never, unknown, unknown>;

/** How a model of this process is asked. */
export interface LocalInference {
  readonly handler: AnyHandler;
  readonly types: InferenceTypes;
  readonly hasFailures: boolean;
  readonly inferenceArgs: InferenceArgs;
  readonly metricsNamespace: string;
  /** In place of the handler's. */
  readonly batching?: LocalBatching<never> | undefined;
}

/** The metrics of a RunInference, by the names that Beam's Python SDK gives them. */
function metricsContext(namespace: string) {
  return {
    inferences: counter('num_inferences', namespace),
    failedBatches: counter('failed_batches_counter', namespace),
    batchSize: distribution('inference_request_batch_size', namespace),
    batchMicros: distribution('inference_batch_latency_micro_secs', namespace),
    loadMillis: distribution('load_model_latency_milli_secs', namespace),
  };
}
type Context = ReturnType<typeof metricsContext>;

class Predict implements DoFn<Uint8Array, Uint8Array, Context> {
  private readonly sizes: BatchSizes;
  private loaded: LoadedModel | undefined;
  private isLoadReported = false;

  constructor(private readonly inference: LocalInference) {
    this.sizes = new BatchSizes((inference.batching ?? inference.handler.batching) as never);
  }

  async setup(): Promise<void> {
    this.loaded = await acquireModel(this.inference.handler);
    this.isLoadReported = this.loaded.loadMillis === undefined;
  }

  async teardown(): Promise<void> {
    await this.loaded?.release();
    this.loaded = undefined;
  }

  async process(batch: Uint8Array, context: Context): Promise<Uint8Array[]> {
    if (!this.isLoadReported) {
      this.isLoadReported = true;
      context.loadMillis.update(Math.round(this.loaded!.loadMillis!));
    }
    const { types, hasFailures, handler } = this.inference;
    const model: InProcessModel = {
      what: nameOf(handler),
      modelId: handler.modelUri ?? null,
      predict: (examples) => this.predict(examples as never[], context),
    };
    return [await new PackedAnswers(types, model, hasFailures).answer(batch)];
  }

  private async predict(examples: never[], context: Context): Promise<unknown[]> {
    const { handler, inferenceArgs } = this.inference;
    const predictions: unknown[] = [];
    for (let start = 0; start < examples.length; ) {
      const end = this.sizes.endOf(examples, start);
      const began = performance.now();
      const part = start === 0 && end === examples.length ? examples : examples.slice(start, end);
      let answer: readonly unknown[];
      try {
        answer = await handler.runInference(part, this.loaded!.model, inferenceArgs);
      } catch (error) {
        context.failedBatches.increment();
        throw error;
      }
      const millis = performance.now() - began;
      this.sizes.learn(end - start, millis);
      context.inferences.increment(end - start);
      context.batchSize.update(end - start);
      context.batchMicros.update(Math.round(millis * 1000));
      checkCount(nameOf(handler), answer, end - start);
      for (const prediction of answer) predictions.push(prediction);
      start = end;
    }
    return predictions;
  }
}

const nameOf = ({ name }: AnyHandler) => `the model handler ${name}`;

/** A step of a `RunInference`. */
export function localInferenceStep(inference: LocalInference): Packed {
  const user = {
    kind: 'doFn',
    doFn: new Predict(inference) as never,
    context: metricsContext(inference.metricsNamespace),
  } as const;
  return step(new ParDo<Uint8Array, Uint8Array>(user, new BytesCoder()), 'Predict');
}
