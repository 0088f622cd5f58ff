// SPDX-License-Identifier: Apache-2.0
// XGBoost.

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
import { rowsAsArrays } from './sklearn.ts';

/** Options of {@link xgboost}. */
export interface XgboostOptions extends PythonHandlerOptions {
  /**
   * Class of the model: the name of one in `xgboost`, such as `XGBClassifier`, which predicts labels,
   * or `Booster`, which gives raw scores; a dotted name; or Python source text.
   */
  modelClass: PythonFunction;
  /** Path of what `save_model` saved, as JSON or UBJSON. */
  modelState: string;
  /**
   * What the model is given: arrays, a data frame whose columns are the fields of rows, sparse
   * matrices, or datatable's frames (which need a Python before 3.13). XGBoost takes the zeros of sparse
   * matrices for missing: they are for models that were trained on such ones.
   *
   * @default 'pandas' when examples are rows, else 'numpy'
   */
  input?: 'numpy' | 'pandas' | 'scipy' | 'datatable';
  /**
   * Function `(batch, model, inference_args)` that gives the predictions of a batch, a list of
   * examples with one row each.
   *
   * @default predicts the whole batch in one call
   */
  inferenceFn?: PythonFunction;
}

const CHECKS: Checks<XgboostOptions> = {
  modelClass: pythonFunction,
  modelState: text,
  input: oneOf('numpy', 'pandas', 'scipy', 'datatable'),
  inferenceFn: pythonFunction,
};

/**
 * An XGBoost model: Beam's `XGBoostModelHandlerNumpy`, `…Pandas`, `…SciPy` and `…Datatable`.
 * Predictions are those of the rows, where Beam's handlers give an array of one for each.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `INVALID_SCHEMA`
 * @example
 * ```ts
 * const digits = xgboost({
 *   modelClass: 'XGBClassifier',
 *   modelState: 'digits.json',
 *   example: array(float32),
 *   inference: int64,
 * });
 * ```
 */
export function xgboost<ExampleT, InferenceT>(
  options: XgboostOptions & DeclaredTypes<ExampleT, InferenceT>,
): PythonModelHandler<ExampleT, InferenceT> {
  const named = isNamed(options?.example);
  const input = options?.input ?? (named ? 'pandas' : 'numpy');
  const handler = checkedHandler(options as XgboostOptions, {
    name: 'xgboost',
    provider: 'xgboost.xgboost',
    extra: 'xgboost',
    checks: CHECKS,
    required: ['modelClass', 'modelState'],
    types: options,
    more: { input },
  });
  if (named && input !== 'pandas') throw rowsAsArrays('xgboost');
  return handler;
}
