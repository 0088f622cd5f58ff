// SPDX-License-Identifier: Apache-2.0
// One handler used several times in a pipeline, or handlers under one name: a process loads their model once.

import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import type { PythonModelHandler } from '../handlers/handler.ts';
import { ownLoaderModule } from '../handlers/own-loader.ts';
import { isPerKey } from '../handlers/per-key.ts';
import type { PythonStepSettings } from './python-step.ts';

/** A handler, and what of a transform's options the loaded model depends on. */
interface Use {
  readonly handler: object;
  readonly way: string;
}

/** What was given a name, and by whom. */
interface Named {
  readonly loading: unknown;
  readonly transform: string;
}

interface Uses {
  /** Python keeps models by name in a process that may outlive the pipeline, and that others use. */
  readonly pipeline: string;
  readonly all: Use[];
  readonly named: Map<string, Named>;
}

const used = new WeakMap<Pipeline, Uses>();

/** Arguments of Beam's handlers that no loaded model depends on. */
const BATCHING = [
  'inference_fn',
  'min_batch_size',
  'max_batch_size',
  'max_batch_duration_secs',
  'max_batch_weight',
  'element_size_fn',
  'batch_length_fn',
  'batch_bucket_boundaries',
];
/** The same of this package's: also what of the model is called, and what becomes of its answer. */
const CALLING = [
  'batch',
  'content',
  'input',
  'method',
  'model_method',
  'normalize',
  'outputs',
  'pooling',
  'response',
];

function notOfLoading(loader: string): readonly string[] {
  const module = ownLoaderModule(loader);
  // Those of a class of the program's own mean what it makes of them.
  return module === undefined || module === 'custom' ? BATCHING : [...BATCHING, ...CALLING];
}

/**
 * The name under which Python keeps a transform's model: the same wherever a pipeline uses a handler
 * in a way that loads the same, or gives the same identifier.
 *
 * @throws `INVALID_ARGUMENT` where one identifier is given for models that are loaded differently
 */
export function modelIdentifier(
  pipeline: Pipeline,
  { handler, options, updates }: PythonStepSettings,
  transform: string,
): string | undefined {
  const { modelIdentifier: given, large, envVars, deadLetters, modelManager } = options;
  // Models that come and go, and copies that a manager counts, are a transform's own.
  if (given === undefined && (updates || modelManager)) return undefined;
  const uses = usesOf(pipeline);
  // A variable is set when the model is loaded.
  const way = JSON.stringify([large ?? null, envVars ?? null, deadLetters?.useSubprocess ?? false]);
  if (given !== undefined) {
    checkName(uses.named, given, { loading: [loadingOf(handler), way], transform });
    return `${uses.pipeline}-named-${given}`;
  }
  const before = uses.all.findIndex((use) => use.handler === handler && use.way === way);
  const number = before >= 0 ? before : uses.all.push({ handler, way }) - 1;
  return `${uses.pipeline}-${number}`;
}

/** What all names of a pipeline's models have in common, and those of no other pipeline. */
export function markOf(pipeline: Pipeline): string {
  return usesOf(pipeline).pipeline;
}

function usesOf(pipeline: Pipeline): Uses {
  const known = used.get(pipeline);
  if (known) return known;
  const uses: Uses = { pipeline: randomUUID(), all: [], named: new Map() };
  used.set(pipeline, uses);
  return uses;
}

/** What a loaded model follows from. */
function loadingOf(handler: PythonModelHandler): unknown {
  if (isPerKey(handler)) {
    return handler.models.map((model) => [model.keys, loadingOf(model.handler)]);
  }
  const { loader, kwargs } = handler;
  const others = notOfLoading(loader);
  return [
    loader,
    Object.entries(kwargs)
      .filter(([name]) => !others.includes(name))
      .sort(),
  ];
}

function checkName(named: Map<string, Named>, name: string, use: Named): void {
  const first = named.get(name);
  if (!first) named.set(name, use);
  else if (!isDeepStrictEqual(first.loading, use.loading)) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `the model identifier ${name} is that of ${first.transform}, which loads another model or loads it otherwise`,
      {
        transform: use.transform,
        hint: 'Give one identifier to transforms whose handlers load the same, with the same withLargeModel, withEnvVars and useSubprocess.',
      },
    );
  }
}
