// SPDX-License-Identifier: Apache-2.0
// TensorRT.

import type { PythonModelHandler } from './handler.ts';
import {
  type Checks,
  checkedHandler,
  type DeclaredTypes,
  type PythonFunction,
  type PythonHandlerOptions,
  pythonFunction,
  text,
} from './options.ts';
import { excluding } from './remote.ts';

/** Options of {@link tensorrt}. */
export interface TensorrtOptions extends PythonHandlerOptions {
  /** Least rows of a batch; an engine with a fixed batch takes exactly that many. */
  minBatchSize: number;
  /** Most rows of a batch. */
  maxBatchSize: number;
  /** Path of a serialized engine, which fits one kind of GPU and one version of TensorRT. */
  enginePath?: string;
  /** In place of `enginePath`: path of an ONNX model, from which each worker builds the engine. */
  onnxPath?: string;
  /**
   * Function `(batch, engine, inference_args)` that gives the predictions of a batch.
   *
   * @default Beam's, which gives a row's outputs
   */
  inferenceFn?: PythonFunction;
}

const CHECKS: Checks<TensorrtOptions> = {
  enginePath: text,
  onnxPath: text,
  inferenceFn: pythonFunction,
};

/**
 * A TensorRT engine: Beam's `TensorRTEngineHandlerNumPy`. Needs Linux, an NVIDIA GPU and its driver.
 * A prediction is the engine's output for the row, or a list of them where there are several.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `INVALID_SCHEMA`
 * @example
 * ```ts
 * const net = tensorrt({
 *   onnxPath: 'net.onnx', minBatchSize: 4, maxBatchSize: 4,
 *   example: array(float32), inference: array(float32),
 * });
 * ```
 */
export function tensorrt<ExampleT, InferenceT>(
  options: TensorrtOptions & DeclaredTypes<ExampleT, InferenceT>,
): PythonModelHandler<ExampleT, InferenceT> {
  if ((options?.enginePath === undefined) === (options?.onnxPath === undefined)) {
    throw excluding('tensorrt', 'one of enginePath and onnxPath is needed', 'Give exactly one.');
  }
  return checkedHandler<TensorrtOptions, ExampleT, InferenceT>(options, {
    name: 'tensorrt',
    provider: 'tensorrt.tensorrt',
    extra: 'tensorrt',
    checks: CHECKS,
    required: ['minBatchSize', 'maxBatchSize'],
    types: options,
  });
}
