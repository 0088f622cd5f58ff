// SPDX-License-Identifier: Apache-2.0
// A pipeline as an exported value of a module. Workers on other machines load that module and
// construct the pipeline again, which is how a user's functions get there: never as source text.

import { BeamBridgeError } from '../base/index.ts';
import { Pipeline, type PValue, Root } from '../pipeline/index.ts';
import {
  SERVE,
  SERVE_THREAD,
  type ServeRequest,
  serve,
  serveThread,
  type ThreadRequest,
} from '../worker/index.ts';
import { hasStableInput, type PipelineOptions } from './options.ts';

/** Applies a pipeline's transforms to its root. It may be async; what it returns is not used. */
export type Construct = (root: Root, options: PipelineOptions) => PValue | Promise<PValue>;

/** A pipeline that a module exports, made by {@link pipeline}. */
export interface PipelineDefinition {
  /** `import.meta.url` of the module that exports it. */
  readonly moduleUrl: string;
  readonly construct: Construct;
}

/**
 * Makes a pipeline an exported value of its module, so that workers elsewhere can find it.
 *
 * A function given to `runner.run` directly is enough for runners that execute TypeScript in this
 * process, as `direct` does. A worker loads the module, too; a run that the module comes to then never
 * starts, and what is behind it does not happen.
 *
 * @param moduleUrl - always `import.meta.url`
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 * @example
 * ```ts
 * export const score = pipeline(import.meta.url, (root) => root.apply(create([1, 2, 3])));
 *
 * await createRunner().run(score);
 * ```
 */
export function pipeline(moduleUrl: string, construct: Construct): PipelineDefinition {
  if (typeof moduleUrl !== 'string' || !URL.canParse(moduleUrl)) {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'pipeline() got no module URL', {
      hint: 'Write `export const name = pipeline(import.meta.url, (root) => …)`.',
    });
  }
  if (typeof construct !== 'function') {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'pipeline() got no function', {
      hint: 'Write `export const name = pipeline(import.meta.url, (root) => …)`.',
    });
  }
  const definition: PipelineDefinition = { moduleUrl, construct };
  // A worker calls it: what serves a program is the copy of this package that the program was written with.
  Object.defineProperty(definition, SERVE, {
    value: (request: ServeRequest) =>
      serve(request, (options) => constructPipeline(definition, options)),
  });
  Object.defineProperty(definition, SERVE_THREAD, {
    value: (request: ThreadRequest) =>
      serveThread(request, (options) => constructPipeline(definition, options)),
  });
  return definition;
}

/** Runs the construction and gives its graph, which is empty where nothing was applied. */
export async function constructPipeline(
  source: Construct | PipelineDefinition,
  options: PipelineOptions,
  graph = new Pipeline(),
): Promise<Pipeline> {
  const construct = typeof source === 'function' ? source : source?.construct;
  if (typeof construct !== 'function') {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'run() got no pipeline', {
      hint: 'Give it a function of the root, `(root) => root.apply(…)`, or what pipeline(import.meta.url, …) returns.',
    });
  }
  graph.hasStableInput = hasStableInput(options);
  await construct(new Root(graph), options);
  refuseUnfinished(graph);
  graph.endConstruction();
  return graph;
}

/** A graph that goes on growing while it runs: what is missing would be found by chance, if at all. */
function refuseUnfinished(graph: Pipeline): void {
  const [first] = graph.expanding;
  if (!first) return;
  // Nobody waits for these: one that fails after this error would end the program.
  for (const applied of graph.expanding.values()) applied.catch(() => {});
  throw new BeamBridgeError('INVALID_ARGUMENT', 'an applyAsync of the builder is not awaited', {
    ...first[0].errorDetails,
    hint: 'Await applyAsync in the builder, in an async function, or return its promise: `async (root) => { const out = await root.applyAsync(…); … }`.',
  });
}
