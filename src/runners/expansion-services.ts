// SPDX-License-Identifier: Apache-2.0
// Which service expands which cross-language transform of a pipeline: one that the transform names,
// one that the options name, or a Python host that has what the transform needs.

import type { ServiceAddress } from '../external/index.ts';
import type { ExpansionServiceChoice, Pipeline } from '../pipeline/index.ts';
import { getHost, type Host } from '../services/index.ts';
import type { PipelineOptions } from './options.ts';
import { whyPython } from './python-missing.ts';

/** What a managed Python must hold. */
export interface PythonNeeds {
  readonly extras: readonly string[];
  readonly packages: readonly string[];
}

/**
 * What the Pythons of a pipeline must hold. Each transform has one with just what it asks for, so that
 * packages which exclude one another meet in no environment; where another transform asks for all of
 * that and more, they share. The first also has what a runner needs for stages from elsewhere.
 */
export function pythonNeeds(pipeline: Pipeline): PythonNeeds[] {
  const all: PythonNeeds[] = [];
  const shared = new Set<string>();
  for (const { external } of pipeline.transforms) {
    if (!external) continue;
    const { service } = external;
    if (service.kind === 'python') all.push(sorted(service.extras, service.packages));
    else for (const extra of service.extras ?? []) shared.add(extra);
  }
  const largest = all.filter(
    (needs, i) =>
      !all.some((other, j) => contains(other, needs) && (j < i || !contains(needs, other))),
  );
  const [first = sorted([], []), ...others] = largest;
  return [sorted([...first.extras, ...shared], first.packages), ...others];
}

function sorted(extras: readonly string[], packages: readonly string[]): PythonNeeds {
  return { extras: [...new Set(extras)].sort(), packages: [...new Set(packages)].sort() };
}

function contains(larger: PythonNeeds, smaller: PythonNeeds): boolean {
  return (
    smaller.extras.every((extra) => larger.extras.includes(extra)) &&
    smaller.packages.every((name) => larger.packages.includes(name))
  );
}

/**
 * The managed host that has what the first of the pipeline's transforms needs. `onSpawn` hears that its
 * process was started.
 */
export function hostFor(
  pipeline: Pipeline,
  options: PipelineOptions,
  signal?: AbortSignal,
  onSpawn?: () => void,
): Promise<Host> {
  return hostWith(pythonNeeds(pipeline)[0]!, pipeline, options, signal, onSpawn);
}

async function hostWith(
  { extras, packages }: PythonNeeds,
  pipeline: Pipeline,
  options: PipelineOptions,
  signal: AbortSignal | undefined,
  onSpawn?: () => void,
): Promise<Host> {
  const python = options.python ? { python: options.python } : {};
  try {
    return await getHost({
      extras: [...extras],
      // Packages are for the managed host's own expansions; with another service they are its affair.
      packages: options.expansionService ? [] : [...packages],
      ...python,
      signal,
      onSpawn,
    });
  } catch (error) {
    throw whyPython(error, pipeline);
  }
}

type Resolver = (choice: ExpansionServiceChoice, signal?: AbortSignal) => Promise<ServiceAddress>;

/** Answers where to expand. Hosts besides `host` are started when a transform needs them. */
export function expansionResolver(
  pipeline: Pipeline,
  options: PipelineOptions,
  host?: Host,
): Resolver {
  const needs = pythonNeeds(pipeline);
  const hosts = new Map<PythonNeeds, Promise<Host>>();
  if (host) hosts.set(needs[0]!, Promise.resolve(host));
  return async (choice, signal) => {
    if (choice.kind === 'address') return { address: choice.address };
    if (choice.kind === 'started') return { address: await choice.address(signal) };
    if (options.expansionService) return { address: options.expansionService };
    const wanted = sorted(choice.extras, choice.packages);
    const enough = needs.find((each) => contains(each, wanted)) ?? wanted;
    const pending = hosts.get(enough) ?? hostWith(enough, pipeline, options, signal);
    hosts.set(enough, pending);
    const found = await pending;
    return { address: found.address, token: found.token, host: found };
  };
}
