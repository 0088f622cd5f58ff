// SPDX-License-Identifier: Apache-2.0
// One run of a pipeline in this process: expand what is Python's, plan, execute, and leave nothing
// behind however it ends.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BeamBridgeError } from '../../base/index.ts';
import { type ExpandedPipeline, expandPipeline } from '../../external/index.ts';
import { BundleEngine } from '../../harness/index.ts';
import { type Pipeline, pipelineToProto, TYPESCRIPT_ENVIRONMENT } from '../../pipeline/index.ts';
import type { pb } from '../../proto/index.ts';
import { expansionResolver } from '../expansion-services.ts';
import { unlessExiting, whileInterruptible } from '../interrupts.ts';
import { MetricResults } from '../metrics.ts';
import type { PipelineOptions } from '../options.ts';
import { Progress } from '../progress.ts';
import { type JobControl, PipelineResult } from '../result.ts';
import { isTerminal, type JobState } from '../state.ts';
import { tidyUp } from '../tidy-up.ts';
import { Engine } from './engine/engine.ts';
import type { StageExecutor } from './engine/executor.ts';
import { type Plan, planOf } from './engine/plan.ts';
import { openPython, type PythonSide } from './python-side.ts';

/** Tells apart the runs of one program. */
let runs = 0;

/** Starts a pipeline; resolves once its stages run. */
export async function startNodeRun(
  pipeline: Pipeline,
  options: PipelineOptions,
): Promise<PipelineResult> {
  const run = new NodeRun(pipeline, options);
  await run.start();
  return new PipelineResult(run);
}

class NodeRun implements JobControl {
  readonly jobId: string;
  state: JobState = 'STARTING';
  private engine: Engine | undefined;
  private proto: pb.Pipeline | undefined;
  private outcome: Promise<JobState> | undefined;
  /** Why the program itself wanted the run to end. */
  private stopReason: BeamBridgeError | undefined;
  private readonly over = new AbortController();
  private readonly cleanUps: (() => unknown)[] = [];
  private markClosed!: () => void;
  private readonly closed = new Promise<void>((resolve) => {
    this.markClosed = resolve;
  });

  constructor(
    private readonly pipeline: Pipeline,
    private readonly options: PipelineOptions,
  ) {
    runs += 1;
    this.jobId = `${options.jobName ?? 'node'}-${runs}`;
  }

  get finished(): Promise<JobState> {
    return this.outcome!;
  }

  async start(): Promise<void> {
    try {
      this.listen();
      const progress = new Progress(
        () => ({ phase: this.state === 'STARTING' ? undefined : this.state }),
        this.options.progress,
      );
      this.cleanUps.push(() => progress[Symbol.dispose]());
      this.engine = await this.prepare();
      this.over.signal.throwIfAborted();
    } catch (error) {
      this.state = 'FAILED';
      await this.close();
      await unlessExiting();
      throw this.stopReason ?? BeamBridgeError.from(error, 'JOB_FAILED');
    }
    this.state = 'RUNNING';
    this.outcome = this.watch(this.engine);
    // A program may start a job and never ask what became of it.
    this.outcome.catch(() => {});
  }

  private listen(): void {
    const { signal } = this.options;
    if (signal) {
      const abort = () =>
        this.stop(new BeamBridgeError('ABORTED', 'the run was aborted', { cause: signal.reason }));
      signal.addEventListener('abort', abort);
      this.cleanUps.push(() => signal.removeEventListener('abort', abort));
      if (signal.aborted) abort();
    }
    this.cleanUps.push(
      whileInterruptible({
        interrupt: async (name) => {
          this.stop(new BeamBridgeError('JOB_CANCELLED', `the run was cancelled by ${name}`));
          await this.closed;
        },
      }),
    );
  }

  private stop(reason: BeamBridgeError): void {
    this.stopReason ??= reason;
    this.over.abort(this.stopReason);
    this.engine?.abort(this.stopReason);
  }

  private async prepare(): Promise<Engine> {
    const { pipeline, options } = this;
    const { signal } = this.over;
    signal.throwIfAborted();
    const message = pipelineToProto(pipeline, {});
    const crossesLanguages = pipeline.transforms.some(({ external }) => external);
    const python = crossesLanguages ? await openPython(pipeline, options, signal) : undefined;
    if (python) this.cleanUps.push(() => python[Symbol.asyncDispose]());
    const expanded = crossesLanguages ? await this.expand(message, python) : undefined;
    if (expanded) this.cleanUps.push(() => expanded[Symbol.asyncDispose]());
    python?.serve(message);
    this.proto = message;
    const plan = planOf(message, TYPESCRIPT_ENVIRONMENT);
    const engine = this.engineOf(plan, python);
    void python?.lost.then((reason) => engine.abort(reason));
    return engine;
  }

  private expand(message: pb.Pipeline, python: PythonSide | undefined): Promise<ExpandedPipeline> {
    return expandPipeline(this.pipeline, message, {
      resolveService: expansionResolver(this.pipeline, this.options, python?.host),
      signal: this.over.signal,
    });
  }

  private engineOf(plan: Plan, python: PythonSide | undefined): Engine {
    const { functions } = this.pipeline;
    const bundles = new BundleEngine({ functions });
    this.cleanUps.push(() => bundles.close());
    const own: StageExecutor = {
      inProcess: true,
      canRetry: false,
      workers: 1,
      start: (descriptor, io) => bundles.start(descriptor, io),
      mayRetry: () => false,
    };
    return new Engine({
      plan,
      functions,
      executor: (id) => {
        if (id === TYPESCRIPT_ENVIRONMENT) return own;
        const other = python?.executor(plan.components.environments[id]!);
        if (other) return other;
        throw new BeamBridgeError('INTERNAL', `nobody runs the environment ${JSON.stringify(id)}`);
      },
      forceEncoding: this.options.forceEncoding === true,
      spillFolder: () => this.spillFolder(),
    });
  }

  private async spillFolder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'beambridge-spill-'));
    this.cleanUps.push(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }

  private async watch(engine: Engine): Promise<JobState> {
    let failure: BeamBridgeError | undefined;
    try {
      await engine.run();
      this.state = 'DONE';
    } catch (error) {
      this.state = this.stopReason ? 'CANCELLED' : 'FAILED';
      if (!this.stopReason) failure = BeamBridgeError.from(error, 'JOB_FAILED');
    }
    await this.close();
    await unlessExiting();
    if (failure) throw failure;
    if (this.stopReason && this.stopReason !== CANCELLED) throw this.stopReason;
    return this.state;
  }

  async cancel(): Promise<JobState> {
    if (!isTerminal(this.state)) this.stop(CANCELLED);
    await this.closed;
    return this.state;
  }

  async monitoringInfos(): Promise<readonly pb.MonitoringInfo[]> {
    return this.engine!.metrics.all();
  }

  async metrics(): Promise<MetricResults> {
    const transforms = this.proto?.components?.transforms ?? {};
    return new MetricResults(
      await this.monitoringInfos(),
      (id) => transforms[id]?.uniqueName ?? id,
    );
  }

  private async close(): Promise<void> {
    await tidyUp([...this.cleanUps.splice(0), ...this.pipeline.cleanUps.splice(0)]);
    this.markClosed();
  }
}

/** The wish of a program that asked for the end itself: no error then. */
const CANCELLED = new BeamBridgeError('JOB_CANCELLED', 'the run was cancelled');
