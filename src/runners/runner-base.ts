// SPDX-License-Identifier: Apache-2.0
// What all runners have in common: a pipeline is constructed, started, and waited for.

import { BeamBridgeError, thisWorker } from '../base/index.ts';
import { Pipeline } from '../pipeline/index.ts';
import { type Construct, constructPipeline, type PipelineDefinition } from './definition.ts';
import { constructed } from './loose-ends.ts';
import { nothingToDo } from './nothing-to-do.ts';
import { refuseTypos } from './option-typos.ts';
import { mergeOptions, type PipelineOptions, runsElsewhere } from './options.ts';
import { PipelinePlan } from './plan.ts';
import type { PipelineResult } from './result.ts';
import { tidyUp } from './tidy-up.ts';

/** Executes pipelines. Made by {@link createRunner}. */
export abstract class Runner {
  /** Options of every run; those of a run go over them. */
  readonly options: PipelineOptions;

  /** Whether it knows other workers than this process: the option `environmentType`. */
  protected readonly startsWorkers: boolean = false;

  constructor(options: PipelineOptions = {}) {
    refuseTypos(options);
    this.options = options;
  }

  /**
   * Runs a pipeline and resolves when the job is done.
   *
   * @param pipeline - a function that applies transforms to the root it is given, or what
   * `pipeline(import.meta.url, …)` made of one. What it waits for it awaits: what is applied when it is over is
   * `INVALID_ARGUMENT` there, and ends a run that goes on.
   * @throws BeamBridgeError with the real cause: `USER_CODE_FAILED`,
   * `PYTHON_EXCEPTION`, `MODEL_NOT_FOUND`, `JOB_SERVICE_UNAVAILABLE`, `HOST_DIED`, `JOB_CANCELLED`,
   * `ABORTED`, …
   * @example
   * ```ts
   * const result = await createRunner().run((root) =>
   *   root.apply(create(['a', 'b'])).map((s) => s.toUpperCase()),
   * );
   * console.log(await result.counters());
   * ```
   */
  async run(
    pipeline: Construct | PipelineDefinition,
    options?: PipelineOptions,
  ): Promise<PipelineResult> {
    const result = await this.runAsync(pipeline, options);
    const state = await result.waitUntilFinish();
    if (state === 'CANCELLED') {
      throw new BeamBridgeError('JOB_CANCELLED', `the job ${result.jobId} was cancelled`, {
        hint: 'Something other than this run ended it. Use runAsync() to cancel a job without an error.',
      });
    }
    return result;
  }

  /**
   * Starts a pipeline and resolves when the job runs, to be watched or cancelled.
   *
   * @throws BeamBridgeError why it could not be constructed, expanded or submitted
   */
  async runAsync(
    pipeline: Construct | PipelineDefinition,
    options?: PipelineOptions,
  ): Promise<PipelineResult> {
    const worker = thisWorker();
    if (worker?.isStart()) {
      // The program was loaded for one of its pipelines, and must not start it all over.
      worker.runReached(pipeline);
      return new Promise(() => {});
    }
    if (worker && !worker.mayRun) throw noRunInWorker();
    const merged = mergeOptions(this.options, options);
    if (!this.startsWorkers && runsElsewhere(merged)) {
      throw new BeamBridgeError(
        'UNSUPPORTED',
        `this runner has no workers of environmentType ${merged.environmentType}`,
        {
          hint: "Its functions run in this process. Use runner: 'portable' with a jobEndpoint.",
        },
      );
    }
    const graph = new Pipeline();
    try {
      await constructed(constructPipeline(pipeline, merged, graph), () => graph.transforms.length);
      if (graph.transforms.length === 0) return nothingToDo();
      return await this.start(graph, merged, pipeline);
    } catch (error) {
      // A pipeline that came to no run may have started something, as an expansion service.
      await tidyUp(graph.cleanUps.splice(0));
      throw error;
    }
  }

  /**
   * Tells what a run would do, without doing it: which transforms run together, where, and why not elsewhere. Cross-language
   * transforms are not expanded, so it takes no Python; the pipeline's own function runs, as it does for a run.
   *
   * @throws BeamBridgeError why the pipeline cannot be constructed or run, as far as that is known; `UNSUPPORTED` on
   * runners other than `node`, whose engines plan by themselves
   * @example
   * ```ts
   * console.log(`${await createRunner({ nodeWorkers: 2 }).explain(score)}`);
   * ```
   */
  async explain(
    pipeline: Construct | PipelineDefinition,
    options?: PipelineOptions,
  ): Promise<PipelinePlan> {
    const merged = mergeOptions(this.options, options);
    const graph = new Pipeline();
    try {
      await constructed(constructPipeline(pipeline, merged, graph), () => graph.transforms.length);
      if (graph.transforms.length === 0) return new PipelinePlan([]);
      return this.plan(graph, merged, pipeline);
    } finally {
      await tidyUp(graph.cleanUps.splice(0));
    }
  }

  protected plan(
    _pipeline: Pipeline,
    _options: PipelineOptions,
    _source: Construct | PipelineDefinition,
  ): PipelinePlan {
    throw new BeamBridgeError('UNSUPPORTED', 'this runner does not tell its plan', {
      hint: "Its engine makes it. createRunner({ runner: 'node' }).explain(…) tells how this process would run the pipeline.",
    });
  }

  protected abstract start(
    pipeline: Pipeline,
    options: PipelineOptions,
    source: Construct | PipelineDefinition,
  ): Promise<PipelineResult>;
}

function noRunInWorker(): BeamBridgeError {
  return new BeamBridgeError(
    'UNSUPPORTED',
    'a function of a pipeline ran a pipeline, in a worker',
    {
      hint: 'Run it where the pipeline is submitted, before or after this one.',
    },
  );
}
