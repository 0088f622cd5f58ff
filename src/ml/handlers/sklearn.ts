// SPDX-License-Identifier: Apache-2.0
// scikit-learn.

import { BeamBridgeError } from '../../base/index.ts';
import type { PythonModelHandler } from './handler.ts';
import {
  type Checks,
  checkedHandler,
  type DeclaredTypes,
  isNamed,
  oneOf,
  type PythonFunction,
  type PythonHandlerOptions,
  pythonFunction,
  text,
} from './options.ts';

/** Options of {@link sklearn}. */
export interface SklearnOptions extends PythonHandlerOptions {
  /** Path of the saved model. A relative one starts at the folder in which the program runs. */
  modelUri: string;
  /** How it was saved: by `pickle.dump` or `joblib.dump`. @default 'PICKLE' */
  modelFileType?: 'PICKLE' | 'JOBLIB';
  /**
   * What the model is given: arrays, or a data frame, whose columns are the fields of rows.
   *
   * @default 'pandas' when examples are rows, else 'numpy'
   */
  input?: 'numpy' | 'pandas';
  /**
   * The model's method that gives the predictions: `predict_proba`, `decision_function`, `transform`.
   *
   * @default 'predict'
   */
  method?: string;
  /**
   * Function `(model, batch, inference_args)` that gives the predictions of a batch: a list of arrays,
   * or one data frame.
   *
   * @default a call of `method`
   */
  inferenceFn?: PythonFunction;
}

const CHECKS: Checks<SklearnOptions> = {
  modelUri: text,
  modelFileType: oneOf('PICKLE', 'JOBLIB'),
  input: oneOf('numpy', 'pandas'),
  method: (value) =>
    typeof value === 'string' && /^[A-Za-z]\w*$/.test(value)
      ? undefined
      : 'not the name of a method, such as predict_proba',
  inferenceFn: pythonFunction,
};

/**
 * A scikit-learn model: Beam's `SklearnModelHandlerNumpy` and `SklearnModelHandlerPandas`. A method that
 * gives several outputs, as `predict` with `return_std`, needs a row as inference, with a field for each.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `INVALID_SCHEMA`
 * @example
 * ```ts
 * const digits = sklearn({ modelUri: 'digits.pkl', example: array(int64), inference: int64 });
 * pixels.apply(RunInference.of(digits)).map(({ inference }) => …);
 * ```
 */
export function sklearn<ExampleT, InferenceT>(
  options: SklearnOptions & DeclaredTypes<ExampleT, InferenceT>,
): PythonModelHandler<ExampleT, InferenceT> {
  const named = isNamed(options?.example);
  const input = options?.input ?? (named ? 'pandas' : 'numpy');
  const handler = checkedHandler(options as SklearnOptions, {
    name: 'sklearn',
    provider: 'sklearn.sklearn',
    extra: 'sklearn',
    checks: CHECKS,
    required: ['modelUri'],
    types: options,
    more: { input },
  });
  if (options.method !== undefined && options.inferenceFn !== undefined) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      'sklearn: method and inferenceFn both say how to predict',
      { hint: 'Give one of them.' },
    );
  }
  if (named && input === 'numpy') throw rowsAsArrays('sklearn');
  return handler;
}

/** Examples with named parts have no form as one array. */
export function rowsAsArrays(name: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', `${name}: rows cannot be one array`, {
    hint: "Declare example: array(float32), or set input: 'pandas' for a data frame.",
  });
}
