// SPDX-License-Identifier: Apache-2.0
// Which service expands which cross-language transform of a pipeline: one that the transform names,
// one that the options name, or a Python host that has what the transform needs.

import { javaAddress, type ServiceAddress } from '../external/index.ts';
import type { ExpansionServiceChoice, Pipeline } from '../pipeline/index.ts';
import { getHost, type Host } from '../services/index.ts';
import { type PipelineOptions, runsElsewhere } from './options.ts';
import { whyPython } from './python-missing.ts';

/** What a managed Python must hold. */
export interface PythonNeeds {
  readonly extras: readonly string[];
  readonly packages: readonly string[];
  /** Whether an environment that has more may not stand in. */
  readonly isExact: boolean;
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
    if (service.kind === 'python') all.push(needsOf(service));
    else for (const extra of service.extras ?? []) shared.add(extra);
  }
  const largest = all.filter(
    (needs, i) =>
      !all.some((other, j) => contains(other, needs) && (j < i || !contains(needs, other))),
  );
  const [first = NO_NEEDS, ...others] = largest.map((needs) => ({
    ...needs,
    isExact: all.some((each) => each.isExact && contains(needs, each)),
  }));
  return [needsOf({ ...first, extras: [...first.extras, ...shared] }), ...others];
}

const NO_NEEDS: PythonNeeds = { extras: [], packages: [], isExact: false };

function needsOf({ extras, packages, isExact }: PythonNeeds): PythonNeeds {
  return {
    extras: [...new Set(extras)].sort(),
    packages: [...new Set(packages)].sort(),
    isExact,
  };
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
  { extras, packages, isExact }: PythonNeeds,
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
      isExact,
      ...python,
      signal,
      onSpawn,
      // Workers elsewhere have files of their own, and so has a service of somebody else.
      beforeBuild: runsElsewhere(options)
        ? undefined
        : () => pipeline.checkFiles(options.expansionService ? ['program'] : ['program', 'Python']),
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
    if (choice.kind === 'java') return javaAddress(choice, signal);
    if (choice.kind === 'started') return { address: await choice.address(signal) };
    if (options.expansionService) return { address: options.expansionService };
    const asked = needsOf(choice);
    const enough = needs.find((each) => contains(each, asked)) ?? asked;
    const pending = hosts.get(enough) ?? hostWith(enough, pipeline, options, signal);
    hosts.set(enough, pending);
    const found = await pending;
    return { address: found.address, token: found.token, host: found };
  };
}
