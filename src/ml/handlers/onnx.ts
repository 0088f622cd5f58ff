// SPDX-License-Identifier: Apache-2.0
// ONNX, run by Python's onnxruntime.

import type { PythonModelHandler } from './handler.ts';
import {
  type Checks,
  checkedHandler,
  type DeclaredTypes,
  fieldNames,
  isNamed,
  type JsonArguments,
  jsonArguments,
  jsonObjects,
  type PythonFunction,
  type PythonHandlerOptions,
  pythonFunction,
  text,
  texts,
} from './options.ts';

/** Options of {@link onnx}. */
export interface OnnxOptions extends PythonHandlerOptions {
  /** Path of the model. */
  modelUri: string;
  /** Properties of onnxruntime's `SessionOptions`, such as `intra_op_num_threads`. @default none */
  sessionOptions?: JsonArguments;
  /**
   * Execution providers in the order of preference.
   *
   * @default CUDA where it is installed, then the CPU
   */
  providers?: readonly string[];
  /** Options of the providers, in the same order. @default none */
  providerOptions?: readonly JsonArguments[];
  /**
   * Function `(session, batch, inference_args)` that gives the predictions of a batch, a list of
   * examples.
   *
   * @default runs the session on the stacked batch
   */
  inferenceFn?: PythonFunction;
}

const CHECKS: Checks<OnnxOptions> = {
  modelUri: text,
  sessionOptions: jsonArguments,
  providers: texts,
  providerOptions: jsonObjects,
  inferenceFn: pythonFunction,
};

/**
 * An ONNX model: Beam's `OnnxModelHandlerNumpy`. Examples are converted to the number type of the
 * model's input. Where examples are rows, their fields are the model's inputs by name; where the
 * inference is a row, its fields are the model's outputs by name, else it is the first output.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `INVALID_SCHEMA`
 * @example
 * ```ts
 * const digits = onnx({
 *   modelUri: 'digits.onnx',
 *   example: array(float32),
 *   inference: row({ label: int64, probabilities: array(float32) }),
 * });
 * ```
 */
export function onnx<ExampleT, InferenceT>(
  options: OnnxOptions & DeclaredTypes<ExampleT, InferenceT>,
): PythonModelHandler<ExampleT, InferenceT> {
  const outputs = fieldNames(options?.inference);
  return checkedHandler(options as OnnxOptions, {
    name: 'onnx',
    provider: 'onnx.onnx',
    extra: 'onnx',
    checks: CHECKS,
    required: ['modelUri'],
    types: options,
    more: { keyed: isNamed(options?.example), ...(outputs ? { outputs } : {}) },
  });
}
