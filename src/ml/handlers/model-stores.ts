// SPDX-License-Identifier: Apache-2.0
// Models in stores: which packages Beam's file systems in Python need to load them. Python loads them itself, since that is
// the same on every runner; where it runs it has the credentials that it finds there.

import type { PythonExtra } from '../../services/index.ts';
import { ownLoaderModule } from './own-loader.ts';

/** Handlers of ours that open their models by Beam's file systems. */
const BY_FILE_SYSTEMS: ReadonlySet<string | undefined> = new Set([
  'sklearn',
  'pytorch',
  'onnx',
  'xgboost',
]);
/** Arguments that are paths, by their Python names. */
export const PATHS = /_(?:uri|path)$|^(?:model_state|custom_weights)$/;

/** What is needed beside the framework. */
export function storePackages(
  loader: string,
  kwargs: Readonly<Record<string, unknown>>,
): { extras: PythonExtra[]; packages: string[] } {
  const schemes = new Set<string | undefined>();
  if (BY_FILE_SYSTEMS.has(ownLoaderModule(loader))) {
    for (const [name, value] of Object.entries(kwargs)) {
      if (PATHS.test(name) && typeof value === 'string')
        schemes.add(/^([a-z0-9]+):\/\//i.exec(value)?.[1]?.toLowerCase());
    }
  }
  return {
    extras: schemes.has('gs') ? ['gcp'] : [],
    packages: schemes.has('s3') ? ['boto3'] : [],
  };
}
