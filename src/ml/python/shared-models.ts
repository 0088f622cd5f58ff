// SPDX-License-Identifier: Apache-2.0
// One handler used several times in a pipeline: a process loads its model once.

import { randomUUID } from 'node:crypto';
import type { Pipeline } from '../../pipeline/index.ts';
import type { PythonStepSettings } from './python-step.ts';

/** A handler, and what of a transform's options the loaded model depends on. */
interface Use {
  readonly handler: object;
  readonly way: string;
}

interface Uses {
  /** Python keeps models by name in a process that may outlive the pipeline. */
  readonly pipeline: string;
  readonly all: Use[];
}

const used = new WeakMap<Pipeline, Uses>();

/**
 * The name under which Python keeps a transform's model: the same wherever a pipeline uses a handler
 * in a way that loads the same.
 */
export function modelIdentifier(
  pipeline: Pipeline,
  { handler, options, updates }: PythonStepSettings,
): string | undefined {
  const { modelIdentifier: given, large, envVars, deadLetters, modelManager } = options;
  // Models that come and go, and copies that a manager counts, are a transform's own.
  if (given !== undefined || updates || modelManager) return given;
  let uses = used.get(pipeline);
  if (!uses) {
    uses = { pipeline: randomUUID(), all: [] };
    used.set(pipeline, uses);
  }
  // A variable is set when the model is loaded.
  const way = JSON.stringify([large ?? null, envVars ?? null, deadLetters?.useSubprocess ?? false]);
  const before = uses.all.findIndex((use) => use.handler === handler && use.way === way);
  const number = before >= 0 ? before : uses.all.push({ handler, way }) - 1;
  return `${uses.pipeline}-${number}`;
}
