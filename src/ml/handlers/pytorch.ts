// SPDX-License-Identifier: Apache-2.0
// PyTorch.

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

/** Options of {@link pytorch}: a state dict with the class of its model, or TorchScript. */
export interface PytorchOptions extends PythonHandlerOptions {
  /** Path of what `torch.save(model.state_dict(), path)` saved. Needs `modelClass`. */
  stateDictPath?: string;
  /**
   * Class of the model, or function that returns one, for the state dict: a dotted name in an
   * installed package, or Python source text.
   */
  modelClass?: PythonFunction;
  /** Arguments of `modelClass`. @default none */
  modelParams?: JsonArguments;
  /** Path of what `torch.jit.save` saved, instead of a state dict. */
  torchScriptModelPath?: string;
  /** Where the model runs; on a machine without GPU, always the CPU. @default 'CPU' */
  device?: 'CPU' | 'GPU';
  /** Arguments of `torch.load` or `torch.jit.load`. @default none */
  loadModelArgs?: JsonArguments;
  /** Method of the model that predicts. @default calls the model */
  modelMethod?: string;
  /**
   * What the model is called with: one tensor of all examples, or a list of them, which detectors want, whose images differ
   * in size and which give a dict for each. With `'list'` a list of tensors that the model gives is refused: it may be outputs or
   * a prediction for each example. Not beside `inferenceFn`.
   *
   * @default 'stack'
   */
  batch?: 'stack' | 'list';
  /**
   * Function `(batch, model, device, inference_args, model_id)` that gives the `PredictionResult`s of
   * a batch. Not beside `modelMethod`.
   *
   * @default calls the model with the stacked batch, without gradients
   */
  inferenceFn?: PythonFunction;
}

const CHECKS: Checks<PytorchOptions> = {
  stateDictPath: text,
  modelClass: pythonFunction,
  modelParams: jsonArguments,
  torchScriptModelPath: text,
  device: oneOf('CPU', 'GPU'),
  loadModelArgs: jsonArguments,
  modelMethod: text,
  batch: oneOf('stack', 'list'),
  inferenceFn: pythonFunction,
};

/**
 * A PyTorch model: Beam's `PytorchModelHandlerTensor`, and `PytorchModelHandlerKeyedTensor` where
 * examples are rows, whose fields are the model's named inputs.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `INVALID_SCHEMA`
 * @example
 * ```ts
 * const digits = pytorch({
 *   stateDictPath: 'digits.pt',
 *   modelClass: 'torch.nn.Linear',
 *   modelParams: { in_features: 64, out_features: 10 },
 *   example: array(float32),
 *   inference: array(float32),
 * });
 * ```
 */
export function pytorch<ExampleT, InferenceT>(
  options: PytorchOptions & DeclaredTypes<ExampleT, InferenceT>,
): PythonModelHandler<ExampleT, InferenceT> {
  const handler = checkedHandler(options as PytorchOptions, {
    name: 'pytorch',
    provider: 'pytorch.pytorch',
    extra: 'torch',
    checks: CHECKS,
    required: [],
    types: options,
    more: { input: isNamed(options?.example) ? 'keyedTensor' : 'tensor' },
  });
  const { stateDictPath, modelClass, torchScriptModelPath } = options;
  const hint = 'Give stateDictPath and modelClass, or torchScriptModelPath alone.';
  const refuse = (message: string, what = hint) => {
    throw new BeamBridgeError('INVALID_ARGUMENT', `pytorch: ${message}`, { hint: what });
  };
  if (stateDictPath === undefined && torchScriptModelPath === undefined)
    refuse('there is no model');
  if (torchScriptModelPath !== undefined) {
    if (stateDictPath !== undefined) refuse('there are two models');
    if (modelClass !== undefined) refuse('TorchScript brings its class, and modelClass is another');
  } else if (modelClass === undefined) refuse('stateDictPath needs modelClass');
  if (options.modelMethod !== undefined && options.inferenceFn !== undefined) {
    refuse('modelMethod and inferenceFn both say how to predict', 'Give one of them.');
  }
  if (options.batch === 'list' && options.inferenceFn !== undefined) {
    refuse(
      "batch: 'list' and inferenceFn both say how to predict",
      'Functions get lists as it is.',
    );
  }
  return handler;
}
