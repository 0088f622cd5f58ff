// SPDX-License-Identifier: Apache-2.0
// Python's part of a RunInference: the transform on packed batches, and what it is told.

import { BeamBridgeError, ByteWriter } from '../../base/index.ts';
import { pythonCallable, pythonService, pythonTransformIn, typed } from '../../external/index.ts';
import type { Pipeline, TransformNode } from '../../pipeline/index.ts';
import { bytes, int32, type RowType, row, type SchemaType } from '../../schema/index.ts';
import { schemaBytes } from '../declared.ts';
import type { PythonModelHandler } from '../handlers/handler.ts';
import { checkModelFiles } from '../handlers/model-files.ts';
import { ownLoaderModule } from '../handlers/own-loader.ts';
import { isPerKey, type PerKeyHandler } from '../handlers/per-key.ts';
import { type InferenceOptions, pythonSettings } from '../options.ts';
import { ColumnCodec } from '../packing/columns.ts';
import type { InferenceTypes } from '../packing/packing.ts';
import type { Packed } from '../steps.ts';
import { RUN_INFERENCE, runInferenceSource } from './host-module.ts';
import { isKeepable } from './keepable.ts';
import { markOf, modelIdentifier } from './shared-models.ts';

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
export function pythonStep(
  settings: PythonStepSettings,
  pipeline: Pipeline,
  node: TransformNode,
): Packed {
  const { name: transform } = node;
  const { handler, types, output, options, expansionService, updates } = settings;
  const { extras, packages } = handler;
  const managed = expansionService === undefined;
  const perKey = isPerKey(handler) ? handler : undefined;
  const args: Record<string, unknown> = {
    schema: typed(bytes, schemaBytes(output)),
    transform,
    ...(perKey ? { models: keyedModels(perKey, types.key!) } : providerOf(handler)),
  };
  if (types.key) args.key_schema = typed(bytes, schemaBytes(row({ key: types.key })));
  if (options.deadLetters) args.dead_letters = true;
  const wanted = pythonSettings(options, {
    model_updates: updates ? true : undefined,
    max_models: perKey?.maxModels,
    model_identifier: modelIdentifier(pipeline, settings, transform),
  });
  if (wanted) args.settings = wanted;
  // Only the managed host runs on this machine for sure.
  if (managed) {
    const folder = process.cwd();
    args.base_dir = folder;
    pipeline.addFileCheck(node, () => checkModelFiles(handler, folder), 'Python');
  } else args.source = runInferenceSource(ownModule(handler, perKey, transform));
  const needed = options.modelManager ? [...new Set([...extras, 'torch' as const])] : extras;
  const service = pythonService(
    { packages, extras: needed, expansionService },
    runsUsersCode(perKey ? perKey.models.map((model) => model.handler) : [handler], options),
  );
  const name = managed ? RUN_INFERENCE : '__constructor__';
  const mark = managed && isKeepable(settings) ? markOf(pipeline) : undefined;
  return pythonTransformIn(service, name, args, undefined, { output: bytes }, mark) as Packed;
}

/** Whether Python code of the user's runs beside a model, which may import what it likes. */
function runsUsersCode(
  handlers: readonly PythonModelHandler[],
  { preprocess = [], postprocess = [] }: InferenceOptions,
): boolean {
  const isUsers = ({ loader }: PythonModelHandler) =>
    !/^apache_beam\.[\w.]+$/.test(loader) &&
    ['custom', undefined].includes(ownLoaderModule(loader));
  return handlers.some(isUsers) || preprocess.length + postprocess.length > 0;
}

/** The provider of a handler, and its arguments. */
function providerOf({ loader, kwargs }: PythonModelHandler): Record<string, unknown> {
  // Arguments of our own loaders are values of JSON's, which need no type.
  if (ownLoaderModule(loader)) {
    return { model_handler_provider: loader, options: JSON.stringify(kwargs) };
  }
  const provider = { model_handler_provider: pythonCallable(loader) };
  return Object.keys(kwargs).length > 0 ? { ...provider, kwargs } : provider;
}

/** A row of models, because each has arguments of types of its own. */
function keyedModels({ models }: PerKeyHandler, key: SchemaType): Record<string, unknown> {
  // As keys travel beside examples, so that fields of any name are told there as they are here.
  const codec = new ColumnCodec('key', key);
  return Object.fromEntries(
    models.map(({ keys, handler }, i) => {
      const column = new ByteWriter();
      codec.write(keys, column);
      const told = { keys: typed(bytes, column.take()), key_count: typed(int32, keys.length) };
      return [`m${i}`, { ...told, ...providerOf(handler) }];
    }),
  );
}

/** The module of ours that a service which does not know us needs. */
function ownModule(
  handler: PythonModelHandler,
  perKey: PerKeyHandler | undefined,
  transform: string,
): string | undefined {
  const handlers = perKey ? perKey.models.map((model) => model.handler) : [handler];
  const modules = new Set(handlers.map(({ loader }) => ownLoaderModule(loader)));
  modules.delete(undefined);
  if (modules.size <= 1) return [...modules][0];
  throw new BeamBridgeError(
    'UNSUPPORTED',
    'an expansion service of somebody else takes handlers of one kind in perKey',
    { transform, hint: 'Leave withExpansionService out, or use a RunInference for each kind.' },
  );
}
