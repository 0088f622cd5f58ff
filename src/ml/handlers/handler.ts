// SPDX-License-Identifier: Apache-2.0
// What every model handler is to a RunInference, and the one that Python runs.

import { BeamBridgeError } from '../../base/index.ts';
import { isSchemaType, type SchemaType } from '../../schema/index.ts';
import type { PythonExtra } from '../../services/index.ts';
import { storePackages } from './model-stores.ts';

/**
 * A model, how it is run, and what goes in and out. Made by `sklearn`, `pytorch` and the like, and
 * given to `RunInference.of`.
 */
export interface ModelHandler<ExampleT = unknown, InferenceT = unknown> {
  /** Where the model runs. */
  readonly language: 'python' | 'typescript';
  /** Names the handler in errors and for test models, such as `sklearn`. */
  readonly name: string;
  /** Type of the examples. */
  readonly example: SchemaType<ExampleT>;
  /** Type of the predictions. */
  readonly inference: SchemaType<InferenceT>;
}

/** A model that one of Python's model handlers runs. */
export interface PythonModelHandler<ExampleT = unknown, InferenceT = unknown>
  extends ModelHandler<ExampleT, InferenceT> {
  readonly language: 'python';
  /**
   * Dotted name of a model handler's class or of a function that returns a handler, or Python source
   * text whose last statement is one of these.
   */
  readonly loader: string;
  /** Keyword arguments of the loader, by their Python names. */
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Pinned sets of packages that it needs. */
  readonly extras: readonly PythonExtra[];
  /** Further packages, as pip takes them. */
  readonly packages: readonly string[];
}

/** Fields of a {@link PythonModelHandler} that need not be given to make one. */
type Optional = 'name' | 'kwargs' | 'extras' | 'packages';

/**
 * A model handler that Python runs, from its parts: what `sklearn` and its like are made with.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` without a loader, `INVALID_SCHEMA` without types
 */
export function pythonModelHandler<ExampleT, InferenceT>(
  parts: Omit<PythonModelHandler<ExampleT, InferenceT>, 'language' | Optional> &
    Partial<Pick<PythonModelHandler, Optional>>,
): PythonModelHandler<ExampleT, InferenceT> {
  const { loader, example, inference, kwargs = {}, extras = [], packages = [] } = parts;
  if (typeof loader !== 'string' || loader.trim() === '') {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'RunInference has no model loader', {
      hint: 'Name a Python model handler, such as apache_beam.ml.inference.sklearn_inference.SklearnModelHandlerNumpy.',
    });
  }
  const name = parts.name ?? loader;
  for (const [field, type] of Object.entries({ example, inference })) {
    if (isSchemaType(type)) continue;
    throw new BeamBridgeError('INVALID_SCHEMA', `the handler ${name} has no ${field} type`, {
      hint: 'Give types of beambridge/schema, as in { example: array(float32), inference: int64 }.',
    });
  }
  const stores = storePackages(loader, kwargs);
  return Object.freeze({
    language: 'python',
    name,
    loader,
    example,
    inference,
    kwargs: Object.freeze({ ...kwargs }),
    extras: Object.freeze([...new Set([...extras, ...stores.extras])]),
    packages: Object.freeze([
      ...packages,
      ...stores.packages.filter((one) => !isNamed(one, packages)),
    ]),
  });
}

/** Whether a program asks for a package itself, in whatever version. */
function isNamed(name: string, packages: readonly string[]): boolean {
  return packages.some((one) => one.split(/[^\w.-]/)[0]?.toLowerCase() === name);
}

/** Whether a value is a handler, as opposed to a loader's text. */
export function isModelHandler(value: unknown): value is ModelHandler {
  return typeof value === 'object' && value !== null && 'language' in value && 'example' in value;
}

/** Whether Python runs a handler. */
export function isPythonHandler(handler: ModelHandler): handler is PythonModelHandler {
  return handler.language === 'python';
}
