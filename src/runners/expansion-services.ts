// SPDX-License-Identifier: Apache-2.0
// Which service expands which cross-language transform of a pipeline: one that the transform names,
// one that the options name, or one Python host that has what all its transforms need.

import type { ServiceAddress } from '../external/index.ts';
import type { ExpansionServiceChoice, Pipeline } from '../pipeline/index.ts';
import { getHost, type Host } from '../services/index.ts';
import type { PipelineOptions } from './options.ts';
import { whyPython } from './python-missing.ts';

/** What the managed Python must hold for a pipeline. */
export interface PythonNeeds {
  extras: string[];
  packages: string[];
}

/** The extras and packages that all Python transforms of a pipeline ask for, together. */
export function pythonNeeds(pipeline: Pipeline): PythonNeeds {
  const extras = new Set<string>();
  const packages = new Set<string>();
  for (const { external } of pipeline.transforms) {
    if (!external) continue;
    for (const extra of external.service.extras ?? []) extras.add(extra);
    if (external.service.kind !== 'python') continue;
    for (const name of external.service.packages) packages.add(name);
  }
  return { extras: [...extras].sort(), packages: [...packages].sort() };
}

/** The managed host that has what the pipeline needs. `onSpawn` hears that its process was started. */
export async function hostFor(
  pipeline: Pipeline,
  options: PipelineOptions,
  signal?: AbortSignal,
  onSpawn?: () => void,
): Promise<Host> {
  const needs = pythonNeeds(pipeline);
  // Packages are for the managed host's own expansions; with another service they are its affair.
  if (options.expansionService) needs.packages = [];
  const python = options.python ? { python: options.python } : {};
  try {
    return await getHost({ ...needs, ...python, signal, onSpawn });
  } catch (error) {
    throw whyPython(error, pipeline);
  }
}

type Resolver = (choice: ExpansionServiceChoice, signal?: AbortSignal) => Promise<ServiceAddress>;

/** Answers where to expand. Without `host`, one is started when a transform needs it. */
export function expansionResolver(
  pipeline: Pipeline,
  options: PipelineOptions,
  host?: Host,
): Resolver {
  let pending: Promise<Host> | undefined;
  return async (choice, signal) => {
    if (choice.kind === 'address') return { address: choice.address };
    if (options.expansionService) return { address: options.expansionService };
    pending ??= host ? Promise.resolve(host) : hostFor(pipeline, options, signal);
    const { address, token } = await pending;
    return { address, token };
  };
}
