// SPDX-License-Identifier: Apache-2.0
// Whether a model is where its handler looks for it, told before minutes are spent on a Python environment.
// Python looks again, at this and at more, when it expands.

import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { BeamBridgeError } from '../../base/index.ts';
import type { PythonModelHandler } from './handler.ts';
import { PATHS } from './model-stores.ts';
import { ownLoaderModule } from './own-loader.ts';
import { isPerKey } from './per-key.ts';

/** Handlers of ours whose model is a file, and never the name of something to download. */
const OF_FILES: ReadonlySet<string | undefined> = new Set([
  'sklearn',
  'pytorch',
  'onnx',
  'xgboost',
  'tensorflow',
  'tensorrt',
]);

/**
 * @param folder - where relative paths start
 * @throws BeamBridgeError `MODEL_NOT_FOUND`
 */
export async function checkModelFiles(handler: PythonModelHandler, folder: string): Promise<void> {
  const handlers = isPerKey(handler) ? handler.models.map((one) => one.handler) : [handler];
  for (const { loader, kwargs } of handlers) {
    if (!OF_FILES.has(ownLoaderModule(loader))) continue;
    for (const [name, value] of Object.entries(kwargs)) {
      if (PATHS.test(name) && typeof value === 'string' && value)
        await checkModelFile(value, folder);
    }
  }
}

async function checkModelFile(given: string, folder: string): Promise<void> {
  // Of another file system.
  if (given.includes('://')) return;
  const path = resolve(folder, given);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  throw new BeamBridgeError('MODEL_NOT_FOUND', `there is no model at ${path}`, {
    hint: 'Relative paths start from the folder in which the program runs. Check the path and who may read it.',
  });
}
