// SPDX-License-Identifier: Apache-2.0
// TensorFlow.

import { BeamBridgeError } from '../../base/index.ts';
import type { PythonModelHandler } from './handler.ts';
import {
  type Checks,
  checkedHandler,
  type DeclaredTypes,
  isNamed,
  type JsonArguments,
  jsonArguments,
  oneOf,
  type PythonFunction,
  type PythonHandlerOptions,
  pythonFunction,
  text,
} from './options.ts';

/** Options of {@link tensorflow}. */
export interface TensorflowOptions extends PythonHandlerOptions {
  /**
   * Path of a `.keras` or `.h5` file, of a SavedModel folder, or of weights; or the URL of a model of
   * TensorFlow Hub. A folder is called through its signature `serving_default`.
   */
  modelUri: string;
  /** What `modelUri` is: a whole model, or weights for `createModelFn`. @default 'SAVED_MODEL' */
  modelType?: 'SAVED_MODEL' | 'SAVED_WEIGHTS';
  /** Function without arguments that gives the model whose weights are loaded. */
  createModelFn?: PythonFunction;
  /** Arguments of `tf.keras.models.load_model`, or of `tf.saved_model.load`. @default none */
  loadModelArgs?: JsonArguments;
  /** Path of weights that are loaded into the loaded model. @default none */
  customWeights?: string;
  /** What the model is called with: arrays or tensors. @default 'numpy' */
  input?: 'numpy' | 'tensor';
  /**
   * Function `(model, batch, inference_args, model_id)` that gives the `PredictionResult`s of a batch.
   *
   * @default calls the model with the stacked batch
   */
  inferenceFn?: PythonFunction;
}

const CHECKS: Checks<TensorflowOptions> = {
  modelUri: text,
  modelType: oneOf('SAVED_MODEL', 'SAVED_WEIGHTS'),
  createModelFn: pythonFunction,
  loadModelArgs: jsonArguments,
  customWeights: text,
  input: oneOf('numpy', 'tensor'),
  inferenceFn: pythonFunction,
};

/**
 * A TensorFlow model: Beam's `TFModelHandlerNumpy` and `TFModelHandlerTensor`. Where examples are
 * rows, their fields are the model's named inputs.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `INVALID_SCHEMA`
 * @example
 * ```ts
 * const digits = tensorflow({
 *   modelUri: 'digits.keras',
 *   example: array(float32),
 *   inference: array(float32),
 * });
 * ```
 */
export function tensorflow<ExampleT, InferenceT>(
  options: TensorflowOptions & DeclaredTypes<ExampleT, InferenceT>,
): PythonModelHandler<ExampleT, InferenceT> {
  const handler = checkedHandler(options as TensorflowOptions, {
    name: 'tensorflow',
    provider: 'tensorflow.tensorflow',
    extra: 'tensorflow',
    checks: CHECKS,
    required: ['modelUri'],
    types: options,
    more: { input: 'numpy', keyed: isNamed(options?.example) },
  });
  const weights = options.modelType === 'SAVED_WEIGHTS';
  if (weights !== (options.createModelFn !== undefined)) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      weights
        ? 'tensorflow: weights need createModelFn, which makes their model'
        : "tensorflow: createModelFn makes a model for weights, and modelType is not 'SAVED_WEIGHTS'",
      { hint: "Give modelType: 'SAVED_WEIGHTS' and createModelFn, or neither." },
    );
  }
  return handler;
}
