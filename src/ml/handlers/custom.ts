// SPDX-License-Identifier: Apache-2.0
// Model handlers of the user's own, in Python.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { BeamBridgeError } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';
import { PYTHON_EXTRAS, type PythonExtra } from '../../services/index.ts';
import { importedExtras } from '../python/packages.ts';
import type { PythonModelHandler } from './handler.ts';
import {
  type Checks,
  checkedHandler,
  type DeclaredTypes,
  type JsonArguments,
  type JsonValue,
  jsonArguments,
  type PythonHandlerOptions,
  text,
  texts,
} from './options.ts';

/** Options of {@link custom}: a file, or the name of a class in a package. */
export interface CustomOptions {
  /**
   * Path of a Python file. Its text travels to the workers; what else it imports must be installed
   * there, see `packages`. A relative path starts at the folder in which the program runs.
   */
  file?: string;
  /** The class in `file` that derives from `ModelHandler`. @default the only one there */
  className?: string;
  /** In place of `className`: a function in `file` that returns a handler. */
  function?: string;
  /** In place of `file`: dotted name of a class or function that can be imported, see `packages`. */
  module?: string;
  /**
   * Arguments of the class or function, by their Python names. A text that starts with `./` or `../`
   * is a path from the folder in which the program runs.
   *
   * @default none
   */
  kwargs?: JsonArguments;
  /**
   * Python packages that the handler needs: names on PyPI, or paths of folders with a
   * `pyproject.toml`, and of wheels.
   *
   * @default none
   */
  packages?: readonly string[];
  /**
   * Frameworks that the handler imports, each with what belongs to it at versions that fit Beam: `sklearn` is
   * scikit-learn, pandas and joblib.
   *
   * @default those of what `file` imports, but for `tensorrt` and `vllm`; none for a `module`
   */
  extras?: readonly PythonExtra[];
}

type Checked = Omit<CustomOptions, 'packages'> & PythonHandlerOptions;

const CHECKS: Checks<Checked> = {
  file: text,
  className: text,
  function: text,
  module: (value) =>
    typeof value === 'string' && /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$/.test(value)
      ? undefined
      : 'not a dotted name such as mypackage.handlers.Mine',
  kwargs: jsonArguments,
  extras: texts,
};

const NOT_CUSTOM = [
  'minBatchSize',
  'maxBatchSize',
  'maxBatchDurationSecs',
  'maxBatchWeight',
  'elementSizeFn',
  'batchLengthFn',
  'batchBucketBoundaries',
  'largeModel',
  'modelCopies',
  'envVars',
] as const;

/**
 * A model handler of your own: a Python class that derives from Beam's `ModelHandler`, in a file or in
 * a package. What Beam's constructors take, such as `max_batch_size`, is handed to its `__init__` in
 * `kwargs` if it takes them.
 *
 * Python runs the file as it is: load only what you trust.
 *
 * Errors when run: `PYTHON_EXCEPTION` with the line for a file that is no valid Python or raises when
 * it is imported, `UNKNOWN_PYTHON_CALLABLE`, `INVALID_ARGUMENT`.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `INVALID_SCHEMA`, `FILE_NOT_FOUND`, `IO_FAILED`
 * @example
 * ```ts
 * const mine = custom({
 *   file: './my_handler.py',
 *   className: 'Thresholds',
 *   kwargs: { limit: 0.5 },
 *   example: array(float32),
 *   inference: boolean,
 * });
 * ```
 */
export function custom<ExampleT, InferenceT>(
  options: CustomOptions & DeclaredTypes<ExampleT, InferenceT>,
): PythonModelHandler<ExampleT, InferenceT> {
  const { file, className, function: fn, module, kwargs, extras } = options ?? {};
  const refuse = (message: string, hint: string) => {
    throw new BeamBridgeError('INVALID_ARGUMENT', `custom: ${message}`, { hint });
  };
  if (file !== undefined && module !== undefined) {
    refuse('both file and module are given', 'Give one of them.');
  }
  if (className !== undefined && fn !== undefined) {
    refuse('both className and function are given', 'Give one of them.');
  }
  if (module !== undefined && (className ?? fn) !== undefined) {
    refuse('module names a class already', 'Write its name at the end of module, after a dot.');
  }
  const unknown = Array.isArray(extras) && extras.find((extra) => !PYTHON_EXTRAS.includes(extra));
  if (unknown) {
    refuse(
      `there is no extra ${describeValue(unknown)}`,
      `There are ${PYTHON_EXTRAS.join(', ')}; other packages are named in packages.`,
    );
  }
  const checked = checkedHandler<Checked, ExampleT, InferenceT>(options as Checked, {
    name: 'custom',
    provider: 'custom.custom',
    checks: CHECKS,
    lacks: NOT_CUSTOM,
    required: [module === undefined ? 'file' : 'module'],
    types: options,
  });
  const source = file === undefined ? undefined : read(file);
  const found = file === undefined ? { module } : { file, source, name: className ?? fn };
  const given = Object.entries({ ...found, arguments: withPaths(kwargs ?? {}) });
  return Object.freeze({
    ...checked,
    extras: Object.freeze([...(extras ?? importedExtras(source ?? ''))]),
    kwargs: Object.fromEntries(given.filter(([, value]) => value !== undefined)),
  });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new BeamBridgeError(
      isMissing ? 'FILE_NOT_FOUND' : 'IO_FAILED',
      isMissing ? `there is no file ${file}` : `${file} cannot be read`,
      {
        hint: `A relative path starts at the folder in which the program runs: ${path.resolve(file)} was looked for.`,
        cause: error,
      },
    );
  }
}

function withPaths<T extends JsonValue | undefined>(value: T): JsonValue | undefined {
  if (typeof value === 'string') return /^\.{1,2}\//.test(value) ? path.resolve(value) : value;
  if (Array.isArray(value)) return value.map((each) => withPaths(each) as JsonValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withPaths(each)]));
}
