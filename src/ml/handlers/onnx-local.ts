// SPDX-License-Identifier: Apache-2.0
// ONNX models without Python.

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BeamBridgeError, checkOptionNames, type OptionNames } from '../../base/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import type { LocalBatching } from '../local/batch-sizes.ts';
import { isReadable, isTensor, portsOf } from '../local/onnx-ports.ts';
import { predict } from '../local/onnx-predict.ts';
import {
  type OnnxModel,
  type OnnxSession,
  onnxRuntime,
  requireOnnxRuntime,
  usesOnnxRuntime,
} from '../local/onnx-runtime.ts';
import { noTensor } from '../local/onnx-tensors.ts';
import { modelHandler, type TypeScriptModelHandler } from './typescript.ts';

/** Options of {@link onnxLocal}. */
export interface OnnxLocalOptions<ExampleT, InferenceT> {
  /** Path of the `.onnx` file. A relative one starts at the folder in which the program runs. */
  modelUri: string;
  /** Type of the examples. A row gives each input of the model the field of its name. */
  example: SchemaType<ExampleT>;
  /** Type of the predictions. A row takes each field from the output of its name. */
  inference: SchemaType<InferenceT>;
  /** The input that examples are, unless they are rows. @default the model's first */
  input?: string;
  /** The output that predictions are, unless they are rows. @default the model's first */
  output?: string;
  /** How examples are put together. @default sizes found by measuring, up to 10,000 */
  batching?: LocalBatching<ExampleT>;
  /** Where onnxruntime computes, in order of preference. @default ['cpu'] */
  executionProviders?: readonly string[];
  /** Threads of one operator. @default as many as the machine has cores */
  intraOpNumThreads?: number;
  /** Further options of onnxruntime-node's `InferenceSession.create`. */
  sessionOptions?: Readonly<Record<string, unknown>>;
}

const OPTIONS: OptionNames<OnnxLocalOptions<unknown, unknown>> = {
  modelUri: true,
  example: true,
  inference: true,
  input: true,
  output: true,
  batching: true,
  executionProviders: true,
  intraOpNumThreads: true,
  sessionOptions: true,
};

/** The options, whatever the types are. */
type Options = Omit<OnnxLocalOptions<unknown, unknown>, 'batching'>;

/**
 * An ONNX model that onnxruntime-node runs in this process: no Python, and no boundary to cross. The
 * same pipeline runs the model in Python when its handler is `onnx` instead; the two agree to 1e-5.
 *
 * Needs the npm package `onnxruntime-node`, 1.22 or newer, installed beside this one.
 *
 * Examples are numbers, strings, lists or tensors for a model with one input, rows of these for one
 * with several; a flat list may stand for any shape of its size. A batch is one tensor, whose first
 * dimension counts examples: examples of several shapes are scored shape by shape, and a model whose first
 * dimension is fixed gets batches of that size, filled up with the last example. Elements get the number type
 * of the input where that changes none of them; fractions are rounded to its precision.
 *
 * Errors when run: `MODEL_INVALID`, `ROW_MISMATCH` for an example of a shape or type that the model
 * does not take, `INFERENCE_MISMATCH`.
 *
 * @throws BeamBridgeError `PACKAGE_NOT_FOUND`, `MODEL_NOT_FOUND`, `INVALID_ARGUMENT`, `INVALID_SCHEMA`
 * @example
 * ```ts
 * const digits = onnxLocal({ modelUri: 'digits.onnx', example: array(float32), inference: int64 });
 * pixels.apply(RunInference.of(digits)).map(({ inference }) => …);
 * ```
 */
export function onnxLocal<ExampleT, InferenceT>(
  options: OnnxLocalOptions<ExampleT, InferenceT>,
): TypeScriptModelHandler<ExampleT, InferenceT, unknown> {
  const { modelUri, example, inference, batching } = options ?? {};
  if (typeof modelUri !== 'string' || modelUri.trim() === '') {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'onnxLocal: modelUri is missing', {
      hint: "Give the path of the model, as in onnxLocal({ modelUri: 'digits.onnx', … }).",
    });
  }
  checkOptionNames('onnxLocal', options, OPTIONS);
  requireOnnxRuntime();
  checkFile(modelUri);
  const untyped = options as unknown as Options;
  const handler = modelHandler<ExampleT, InferenceT, OnnxModel>({
    name: 'onnxLocal',
    modelUri,
    example,
    inference,
    batching,
    concurrent: true,
    loadModel: (uri = modelUri) => load(uri, untyped),
    runInference: (batch, model) => predict(batch, model, untyped) as Promise<InferenceT[]>,
    closeModel: ({ session }) => session.release(),
  });
  return usesOnnxRuntime(handler) as TypeScriptModelHandler<ExampleT, InferenceT, unknown>;
}

function checkFile(modelUri: string): void {
  if (statSync(resolve(modelUri), { throwIfNoEntry: false })?.isFile()) return;
  throw new BeamBridgeError('MODEL_NOT_FOUND', `there is no model at ${resolve(modelUri)}`, {
    hint: 'Relative paths start from the folder in which the program runs. Check the path and who may read it.',
  });
}

async function load(modelUri: string, options: Options): Promise<OnnxModel> {
  checkFile(modelUri);
  const { executionProviders = ['cpu'], intraOpNumThreads, sessionOptions } = options;
  const runtime = await onnxRuntime();
  let session: OnnxSession;
  try {
    session = await runtime.InferenceSession.create(resolve(modelUri), {
      executionProviders,
      ...(intraOpNumThreads && { intraOpNumThreads }),
      // Its warnings are about the model's graph, and go past every log of ours.
      logSeverityLevel: 3,
      ...sessionOptions,
    });
  } catch (cause) {
    throw new BeamBridgeError(
      'MODEL_INVALID',
      `onnxruntime cannot load ${modelUri}: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        hint: 'The file is damaged, no ONNX model, or of a newer version than this onnxruntime-node reads.',
        cause,
      },
    );
  }
  checkPorts(session, options);
  return { runtime, session };
}

function checkPorts(
  { inputMetadata, outputMetadata }: OnnxSession,
  { example, inference, input, output }: Options,
): void {
  const inputs = portsOf(example, input, inputMetadata);
  const outputs = portsOf(inference, output, outputMetadata);
  const refuse = (what: string, name: string, have: readonly { name: string }[]) => {
    throw new BeamBridgeError('MODEL_INVALID', `the model has no ${what} ${name}`, {
      hint: `It has ${have.map((port) => port.name).join(', ')}.`,
    });
  };
  for (const name of inputs) {
    if (!inputMetadata.some((port) => port.name === name)) refuse('input', name, inputMetadata);
  }
  for (const name of outputs) {
    if (!outputMetadata.some((port) => port.name === name)) refuse('output', name, outputMetadata);
  }
  const zipped = outputs.find((name) => !isTensor(name, outputMetadata));
  if (zipped !== undefined) throw noTensor(zipped);
  const packed = outputs.find((name) => !isReadable(name, outputMetadata));
  if (packed !== undefined) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `the output ${packed} gives four-bit numbers, which onnxruntime-node does not read`,
      { hint: 'Export the model with a Cast to int8 behind it, or run it in Python with onnx(…).' },
    );
  }
  const missing = inputMetadata.find(({ name }) => !inputs.includes(name));
  if (missing) {
    throw new BeamBridgeError('MODEL_INVALID', `the model has an input ${missing.name} too`, {
      hint: 'Declare example: row({ … }) with a field for each input of the model.',
    });
  }
}
