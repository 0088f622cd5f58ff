// SPDX-License-Identifier: Apache-2.0
// Which export of its module a pipeline is: the name by which a worker finds it again.

import { BeamBridgeError } from '../base/index.ts';
import { exportsSoFar, loadModule } from './namespace.ts';

const EXPORT_HINT =
  'Export it from a module: `export const score = pipeline(import.meta.url, (root, options) => …)`, and run that: workers elsewhere load the module and construct the pipeline again.';

/** A pipeline as its module exports it. */
export interface Exported {
  readonly moduleUrl: string;
  readonly exportName: string;
}

/** The part of a definition that matters here. */
interface Definition {
  readonly moduleUrl: string;
}

/**
 * Finds a pipeline among the exports of its module. The module is the running program's own, so to ask for
 * it runs nothing again.
 *
 * @throws BeamBridgeError `PIPELINE_NOT_EXPORTED`
 */
export async function findExport(
  source: Definition | ((...args: never[]) => unknown),
): Promise<Exported> {
  if (typeof source === 'function') {
    throw notExported('a function written inline is known to this program alone');
  }
  const { moduleUrl } = source;
  if (!moduleUrl.startsWith('file:')) {
    throw notExported(`its module is no file: ${moduleUrl}`);
  }
  const { linked, loaded } = loadModule(moduleUrl);
  // A module that awaits this very run does not end before it does.
  loaded.catch(() => {});
  const names = exportsSoFar(await linked);
  for (const [exportName, value] of names) if (value === source) return { moduleUrl, exportName };
  throw notExported(`${moduleUrl} does not export it`);
}

function notExported(why: string): BeamBridgeError {
  return new BeamBridgeError(
    'PIPELINE_NOT_EXPORTED',
    `workers elsewhere cannot find this pipeline: ${why}`,
    { hint: EXPORT_HINT },
  );
}
