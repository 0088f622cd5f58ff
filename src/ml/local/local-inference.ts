// SPDX-License-Identifier: Apache-2.0
// The step that scores packed batches with a model of this process, in the place of Python's.

import { type Asking, NO_TURN, yieldIfDue } from '../../base/index.ts';
import { BytesCoder } from '../../coders/index.ts';
import { AskingParam, ParDo, setUpFor } from '../../pipeline/index.ts';
import { counter, type DoFn, distribution } from '../../transforms/index.ts';
import type { InferenceArgs, TypeScriptModelHandler } from '../handlers/typescript.ts';
import { type InProcessModel, PackedAnswers } from '../packing/packed-answers.ts';
import type { InferenceTypes } from '../packing/packing.ts';
import { type Packed, step } from '../steps.ts';
import { BatchSizes, type LocalBatching } from './batch-sizes.ts';
import { type ChosenModel, ModelChoice } from './model-choice.ts';
import { OwnPredictions } from './own-predictions.ts';

type AnyHandler = TypeScriptModelHandler<never, unknown, unknown>;

/** How a model of this process is asked. */
export interface LocalInference {
  readonly handler: AnyHandler;
  readonly types: InferenceTypes;
  readonly hasFailures: boolean;
  readonly inferenceArgs: InferenceArgs;
  readonly metricsNamespace: string;
  /** The handler's, with what the program asks for. */
  readonly batching: LocalBatching<never>;
}

/** The metrics of a RunInference, by the names that Beam's Python SDK gives them, and whether to go on. */
function contextOf(namespace: string) {
  return {
    inferences: counter('num_inferences', namespace),
    failedBatches: counter('failed_batches_counter', namespace),
    batchSize: distribution('inference_request_batch_size', namespace),
    batchMicros: distribution('inference_batch_latency_micro_secs', namespace),
    loadMillis: distribution('load_model_latency_milli_secs', namespace),
    updateFailures: counter('modelUpdateFailures', namespace),
    asking: new AskingParam(),
  };
}
type Context = ReturnType<typeof contextOf>;

class Predict implements DoFn<Uint8Array, Uint8Array, Context> {
  private readonly sizes: BatchSizes;
  private readonly models: ModelChoice;
  private readonly own: OwnPredictions;
  /** Of the handler's own model, until a bundle has counted it. */
  private loadMillis: number | undefined;

  constructor(private readonly inference: LocalInference) {
    this.sizes = new BatchSizes(inference.batching as LocalBatching);
    this.models = new ModelChoice(inference.handler);
    this.own = new OwnPredictions(inference.types.inference, nameOf(inference.handler));
  }

  async [setUpFor](asking: Asking): Promise<void> {
    this.loadMillis = (await this.models.setUp(asking)).loadMillis;
  }

  teardown(): Promise<void> {
    return this.models.tearDown();
  }

  async process(batch: Uint8Array, context: Context): Promise<Uint8Array[]> {
    const { types, hasFailures, handler } = this.inference;
    this.count(this.loadMillis, context);
    this.loadMillis = undefined;
    let chosen: ChosenModel | undefined;
    let turn = NO_TURN;
    const asking = context.asking.lookup();
    const model: InProcessModel = {
      what: nameOf(handler),
      use: async (updates) => {
        const paths = updates.map(({ path }) => path);
        for (;;) {
          chosen = await this.models.choose(
            paths,
            () => context.updateFailures.increment(),
            asking,
          );
          this.count(chosen.loadMillis, context);
          // Until the answer is bytes.
          const given = await chosen.turn(asking);
          if (given) turn = given;
          if (given) return chosen.modelUri ?? null;
          await chosen.release();
        }
      },
      isOver: () => asking.aborted() !== undefined,
      endOf: (examples, start) => this.sizes.endOf(examples, start),
      predict: (examples, _, isOnly) =>
        turn.run(() => this.predict(examples as never[], chosen!.model, isOnly, context)),
    };
    try {
      return [await new PackedAnswers(types, model, hasFailures).answer(batch)];
    } finally {
      turn.end();
      await chosen?.release();
    }
  }

  private count(loadMillis: number | undefined, context: Context): void {
    if (loadMillis !== undefined) context.loadMillis.update(Math.round(loadMillis));
  }

  private async predict(
    examples: never[],
    model: unknown,
    isOnly: boolean,
    context: Context,
  ): Promise<readonly unknown[]> {
    const { handler, inferenceArgs } = this.inference;
    // A packed batch may be thousands of calls: all else has its turn, and may end the run.
    await yieldIfDue();
    const aborted = context.asking.lookup().aborted();
    if (aborted) throw aborted;
    const began = performance.now();
    const count = examples.length;
    let answer: readonly unknown[];
    try {
      answer = await handler.runInference(examples, model, inferenceArgs);
    } catch (error) {
      context.failedBatches.increment();
      throw error;
    }
    const millis = performance.now() - began;
    this.sizes.learn(count, millis);
    context.inferences.increment(count);
    context.batchSize.update(count);
    context.batchMicros.update(Math.round(millis * 1000));
    if (isOnly || !Array.isArray(answer)) return answer;
    return answer.map((prediction) => this.own.copyOf(prediction));
  }
}

const nameOf = ({ name }: AnyHandler) => `the model handler ${name}`;

/** A step of a `RunInference`. */
export function localInferenceStep(inference: LocalInference): Packed {
  const user = {
    kind: 'doFn',
    doFn: new Predict(inference) as never,
    context: contextOf(inference.metricsNamespace),
  } as const;
  return step(new ParDo<Uint8Array, Uint8Array>(user, new BytesCoder()), 'Predict');
}
