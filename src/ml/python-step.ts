// SPDX-License-Identifier: Apache-2.0
// Python's part of a RunInference: the transform on packed batches, and what it is told.

import { pythonCallable, pythonTransform, typed } from '../external/index.ts';
import { bytes, type RowType, row } from '../schema/index.ts';
import { schemaBytes } from './declared.ts';
import { ownLoaderModule, type PythonModelHandler } from './handlers/handler.ts';
import { RUN_INFERENCE, runInferenceSource } from './host-module.ts';
import { type InferenceOptions, pythonSettings } from './options.ts';
import { extrasBeside } from './packages.ts';
import type { InferenceTypes } from './packing.ts';
import type { Packed } from './steps.ts';

/** What is told. */
export interface PythonStepSettings {
  readonly handler: PythonModelHandler;
  readonly output: RowType<unknown>;
  readonly types: InferenceTypes;
  readonly options: InferenceOptions;
  readonly expansionService: string | undefined;
  readonly updates: unknown;
}

/** Python's transform from packed batches to answers. */
export function pythonStep(settings: PythonStepSettings, transform: string): Packed {
  const { handler, types, output, options, expansionService, updates } = settings;
  const { loader, kwargs, extras, packages } = handler;
  const managed = expansionService === undefined;
  const own = ownLoaderModule(loader);
  const args: Record<string, unknown> = {
    model_handler_provider: own ? loader : pythonCallable(loader),
    schema: typed(bytes, schemaBytes(output)),
    transform,
  };
  if (types.key) args.key_schema = typed(bytes, schemaBytes(row({ key: types.key })));
  // Arguments of our own loaders are values of JSON's, which need no type.
  if (own) args.options = JSON.stringify(kwargs);
  else if (Object.keys(kwargs).length > 0) args.kwargs = kwargs;
  if (options.deadLetters) args.dead_letters = true;
  const wanted = pythonSettings(options, { model_updates: updates ? true : undefined });
  if (wanted) args.settings = wanted;
  // Only the managed host runs on this machine for sure.
  if (managed) args.base_dir = process.cwd();
  else args.source = runInferenceSource(own);
  const needed = options.modelManager ? [...new Set([...extras, 'torch' as const])] : extras;
  return pythonTransform(managed ? RUN_INFERENCE : '__constructor__', args, undefined, {
    output: bytes,
    packages,
    extras: extrasBeside(needed, packages),
    expansionService,
  }) as Packed;
}
