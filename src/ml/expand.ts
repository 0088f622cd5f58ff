// SPDX-License-Identifier: Apache-2.0
// The steps of a RunInference, put together from what it was asked for.

import { BeamBridgeError } from '../base/index.ts';
import {
  BytesCoder,
  type Coder,
  JsCoder,
  type KV,
  KVCoder,
  RowCoder,
  type Window,
} from '../coders/index.ts';
import {
  MultiParDo,
  P,
  ParDo,
  type PCollection,
  type PTransform,
  type PValue,
  type UserFunction,
} from '../pipeline/index.ts';
import { coderOf, type RowType } from '../schema/index.ts';
import { flatten, isGlobal } from '../transforms/index.ts';
import { FAILED, type FailedInference, REJECTED } from './failures/dead-letters.ts';
import { Tally } from './failures/tally.ts';
import { checkThreshold, onlyThese, watched } from './failures/threshold.ts';
import { ApplyFunctions, type ValueFunction } from './functions.ts';
import type { InferenceOptions } from './options.ts';
import {
  type InferenceTypes,
  PackExamples,
  packingContext,
  packLimits,
} from './packing/packing.ts';
import { UnpackPredictions, unpackingContext } from './packing/unpacking.ts';
import { type Packed, step } from './steps.ts';
import { type UpdateSource, updatesSideInput } from './updates/model-updates.ts';
import { gatherOverTime } from './updates/over-time.ts';

/** What the steps around Python's transform are made of. */
export interface StepSettings {
  readonly output: RowType<unknown>;
  readonly types: InferenceTypes;
  readonly options: InferenceOptions;
  /** The program's functions in the order in which they run. */
  readonly before: readonly ValueFunction[];
  readonly after: readonly ValueFunction[];
  /** The coder of what each function after the model gives. */
  readonly afterCoders: readonly Coder<unknown>[];
  readonly updates: UpdateSource | undefined;
  readonly monitoring: PTransform<PCollection<unknown>, PValue> | undefined;
}

type Failed = PCollection<FailedInference<unknown>>;
/** Rows that are worth waiting for when nothing says how many are. */
const GATHERED_ROWS = 4096;

/**
 * Applies the steps.
 *
 * @param folder - where relative paths of updates start from, if on this machine
 */
export function expandSteps(
  input: PCollection<unknown>,
  settings: StepSettings,
  model: Packed,
  transform: string,
  folder: string | undefined,
): PCollection<unknown> | { predictions: PCollection<unknown>; failed: PCollection<unknown> } {
  const { types, output, options, before, after, monitoring } = settings;
  const rejects = options.deadLetters !== undefined;
  const failures: Failed[] = [];
  const tally = rejects ? new Tally(transform, options.deadLetters?.threshold === 1) : undefined;
  /** A step whose rejected elements are kept, where there is an output for them. */
  const apply = <T>(
    from: PCollection<unknown>,
    name: string,
    user: UserFunction,
    coder: Coder<T>,
    failed = REJECTED,
  ): PCollection<T> => {
    // Without dead letters there is one output, and so the plain step.
    if (!rejects) return from.apply(step(new ParDo<unknown, T>(user, coder), name));
    const outputs = from.apply(
      step(
        new MultiParDo<unknown, { main: T; [failed: string]: unknown }>(
          user,
          'main',
          [failed],
          { main: coder },
          // What is ours is of its type; what a user's function gives is checked where it is called.
          false,
        ),
        name,
      ),
    ) as { main: PCollection<T>; [failed: string]: PCollection<unknown> };
    failures.push(watched(outputs[failed] as Failed, name, tally!));
    return outputs.main;
  };
  const functions = (
    fns: readonly ValueFunction[],
    when: 'preprocess' | 'postprocess',
    declared: readonly Coder<unknown>[] = [],
  ) =>
    ({
      kind: 'doFn',
      doFn: new ApplyFunctions(fns, when, types.key !== undefined, rejects, declared) as never,
    }) as UserFunction;

  checkWindows(input, options, transform);
  const examples =
    before.length === 0
      ? input
      : apply(
          input,
          'Preprocess',
          functions(before, 'preprocess'),
          new JsCoder() as Coder<unknown>,
        );
  const { batching = {} } = options;
  const { windowFn } = input.node.windowing;
  const limits = packLimits(batching.minSize, batching.maxSize);
  const pack = new PackExamples(types, windowFn.windowCoder() as Coder<Window>, rejects, limits);
  const side =
    settings.updates && updatesSideInput(settings.updates, input.root(), folder, types.key);
  const packed = apply(
    examples,
    'Pack',
    { kind: 'doFn', doFn: pack as never, context: packingContext(side) },
    new BytesCoder(),
  );
  const { maxDurationMs } = batching;
  const enough = batching.minSize ?? batching.maxSize ?? GATHERED_ROWS;
  const batches =
    maxDurationMs === undefined
      ? packed
      : gatherOverTime(packed, enough, maxDurationMs, (several) => pack.join(several));
  const fields = output.fields.map((field) => field.name);
  const rows = new RowCoder(output) as Coder<unknown>;
  const keyed = (value: Coder<unknown>) =>
    types.key ? (new KVCoder(coderOf(types.key), value) as Coder<KV<unknown, unknown>>) : value;
  const unpack = new UnpackPredictions(types, fields, rejects, tally);
  const predictions = apply(
    batches.apply(model),
    'Unpack',
    { kind: 'doFn', doFn: unpack as never, context: unpackingContext() },
    keyed(rows),
    FAILED,
  );
  if (monitoring) predictions.apply(monitoring);
  const results =
    after.length === 0
      ? predictions
      : apply(
          predictions,
          'Postprocess',
          functions(after, 'postprocess', settings.afterCoders),
          keyed(settings.afterCoders.at(-1)!),
        );
  if (!tally) return results;
  input.root().pipeline.cleanUps.push(async () => tally.tell());
  const { errorTypes, threshold = 1 } = options.deadLetters!;
  const all = P(failures).apply(flatten<FailedInference<unknown>>());
  const failed = errorTypes ? onlyThese(all, errorTypes, transform) : all;
  if (threshold < 1) checkThreshold(results, failed, threshold, transform);
  return { predictions: results, failed };
}

/** A threshold is checked when a window ends, which one never does. */
function checkWindows(
  input: PCollection<unknown>,
  { deadLetters, batching }: InferenceOptions,
  transform: string,
): void {
  if (batching?.maxDurationMs !== undefined && input.node.windowing.windowFn.isMerging()) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      'maxDurationMs of withBatching gathers rows over time with a timer, which has no place in windows that merge',
      {
        transform,
        hint: 'Leave maxDurationMs out, score before windowInto(sessions(…)), or use fixed, sliding or global windows.',
      },
    );
  }
  const { threshold = 1 } = deadLetters ?? {};
  if (threshold === 1 || input.isBounded || !isGlobal(input.node.windowing.windowFn)) return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    'a threshold would never be checked: the input is unbounded and in the global window',
    { transform, hint: 'Put the input into windows first: windowInto(fixedWindows(60)).' },
  );
}
