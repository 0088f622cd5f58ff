// SPDX-License-Identifier: Apache-2.0
// Which uses of a model a host may keep for the next run of the same: those of which it is known all that Python
// runs for them, and that none of it is the program's own.

import type { PythonModelHandler } from '../handlers/handler.ts';
import { ownLoaderModule } from '../handlers/own-loader.ts';
import type { PythonStepSettings } from './python-step.ts';

/**
 * By module below `beambridge_host.handlers`: arguments of it that are neither code nor variables, with a model that is
 * one file. Whether a loaded model may be kept, its process finds out: python-env/beambridge_host/worker/keeping.py.
 */
const PLAIN: Readonly<Record<string, readonly string[]>> = {
  sklearn: [
    'model_uri',
    'model_file_type',
    'input',
    'method',
    'min_batch_size',
    'max_batch_size',
    'max_batch_duration_secs',
    'max_batch_weight',
    'batch_bucket_boundaries',
  ],
};

/** Whether nothing of the program's own is in what Python does, and nothing in it changes as time goes on. */
export function isKeepable({ handler, options, updates }: PythonStepSettings): boolean {
  const { preprocess, postprocess, batching, deadLetters, large, envVars, modelManager } = options;
  return (
    isPlain(handler) &&
    !updates &&
    !preprocess?.length &&
    !postprocess?.length &&
    !batching?.weight &&
    !batching?.length &&
    deadLetters?.timeoutMs === undefined &&
    !deadLetters?.useSubprocess &&
    !large &&
    !envVars &&
    !modelManager
  );
}

function isPlain({ loader, kwargs, packages }: PythonModelHandler): boolean {
  const plain = PLAIN[ownLoaderModule(loader) ?? ''];
  // Packages from elsewhere may change what is imported, and how.
  return (
    plain !== undefined &&
    packages.length === 0 &&
    Object.keys(kwargs).every((name) => plain.includes(name)) &&
    Object.values(kwargs).every((value) => !(typeof value === 'string' && value.includes('://')))
  );
}
