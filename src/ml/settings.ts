// SPDX-License-Identifier: Apache-2.0
// What a RunInference is made of.

import { BeamBridgeError } from '../base/index.ts';
import { isSchemaType, type RowType, row, type SchemaType } from '../schema/index.ts';
import type { ConfigurableSettings } from './configurable.ts';
import { asRow, type InferenceFields, inferenceTypes } from './declared.ts';
import type { StepSettings } from './expand.ts';
import {
  isModelHandler,
  isPythonHandler,
  type ModelHandler,
  pythonModelHandler,
} from './handlers/handler.ts';
import { isPerKey } from './handlers/per-key.ts';
import { isTypeScriptHandler } from './handlers/typescript.ts';
import { inferExtras } from './python/packages.ts';
import type { PythonStepSettings } from './python/python-step.ts';

/** A prediction whose types are not known. */
export type AnyRow = { example: unknown; inference: unknown };

/** Everything. */
export interface Settings
  extends ConfigurableSettings,
    Omit<PythonStepSettings, 'handler'>,
    StepSettings {
  readonly updates: ConfigurableSettings['updates'];
}

/**
 * The settings of a transform that was asked for nothing yet.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `INVALID_SCHEMA`, `UNSUPPORTED`
 */
export function initialSettings(
  given: ModelHandler | string,
  types: InferenceFields | RowType<AnyRow> | undefined,
  key: SchemaType | undefined,
): Settings {
  // An object of a class of the program's own.
  if (typeof given !== 'string' && !isModelHandler(given)) throw noHandler();
  const output: RowType<unknown> = isModelHandler(given)
    ? row({ example: given.example, inference: given.inference })
    : isSchemaType(types)
      ? asRow(types)
      : row(types ?? {});
  const declared = { ...inferenceTypes(output), key };
  const handler = isModelHandler(given)
    ? given
    : pythonModelHandler({ ...declared, loader: given, extras: inferExtras(given) });
  if (isPerKey(handler) && !key) {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'perKey is given for elements without keys', {
      hint: 'Use RunInference.ofKVs(perKey([…]), keyType).',
    });
  }
  return {
    handler: runnable(handler),
    output,
    types: declared,
    expansionService: undefined,
    options: {},
    before: [],
    after: [],
    afterCoders: [],
    updates: undefined,
    monitoring: undefined,
  };
}

function runnable(handler: ModelHandler): Settings['handler'] {
  if (isPythonHandler(handler) || isTypeScriptHandler(handler)) return handler as never;
  throw noHandler();
}

function noHandler(): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', 'RunInference was given no model handler', {
    hint: 'Make one with sklearn, onnx, onnxLocal, modelHandler or the like.',
  });
}
