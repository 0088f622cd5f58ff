// SPDX-License-Identifier: Apache-2.0
// One run of a pipeline in this process: expand what is Python's, plan, execute (what is in front of
// Python before Python is there), and leave nothing behind however it ends.

import { BeamBridgeError, getLogger, within } from '../../base/index.ts';
import { expandPipeline, keptAs, withAnotherHost } from '../../external/index.ts';
import { BundleEngine, type TransformInfo } from '../../harness/index.ts';
import { type Pipeline, pipelineToProto, TYPESCRIPT_ENVIRONMENT } from '../../pipeline/index.ts';
import type { pb } from '../../proto/index.ts';
import type { Construct, PipelineDefinition } from '../definition.ts';
import { expansionResolver } from '../expansion-services.ts';
import type { WishToEnd } from '../interrupts.ts';
import { stuck, whileUnfinished } from '../loose-ends.ts';
import type { PipelineOptions } from '../options.ts';
import type { ProgressReport } from '../progress.ts';
import { PipelineResult, type StagePlacement } from '../result.ts';
import { BaseRun } from '../run-base.ts';
import { isTerminal, type JobState } from '../state.ts';
import { Engine } from './engine/engine.ts';
import type { StageExecutor } from './engine/executor.ts';
import { Planner } from './engine/plan.ts';
import { refuseFiles } from './engine/transactions.ts';
import { openPython, type PythonSide } from './python-side.ts';
import { ThreadSide } from './threads/thread-side.ts';

const log = getLogger('runner');

/** How long functions may take to tear themselves down. Milliseconds. */
const SETTLE_MS = 10_000;

/** Tells apart the runs of one program. */
let runs = 0;

/** Starts a pipeline; resolves once it is expanded, all its stages run, and its streams are open. */
export async function startNodeRun(
  pipeline: Pipeline,
  options: PipelineOptions,
  source: Construct | PipelineDefinition = () => {},
): Promise<PipelineResult> {
  const run = new NodeRun(pipeline, options, source);
  await run.start();
  return new PipelineResult(run);
}

class NodeRun extends BaseRun {
  readonly jobId: string;
  state: JobState = 'STARTING';
  private engine: Engine | undefined;
  /** The run of the engine, under way before the pipeline is expanded. */
  private running: Promise<void> | undefined;
  private python: PythonSide | undefined;
  private readonly over = new AbortController();
  /** Whether nothing is left that could let it go on. */
  private isStuck = false;
  /** Whether outputs get their names once the run has succeeded, and nothing is stored before. */
  private storesAtEnd = false;
  private readonly threads: ThreadSide;

  constructor(
    pipeline: Pipeline,
    options: PipelineOptions,
    source: Construct | PipelineDefinition,
  ) {
    super(pipeline, options);
    const place = (where: TransformInfo | undefined) => stuck('a function', where, this.isAwaited);
    this.threads = new ThreadSide({ pipeline, options, source, stuck: place });
    runs += 1;
    this.jobId = `${options.jobName ?? 'node'}-${runs}`;
  }

  async start(): Promise<void> {
    try {
      const end = ({ reason }: WishToEnd) => {
        this.stop(reason);
        return this.closed;
      };
      this.attend({ end, drain: () => this.startDraining() }, () => this.report());
      this.listeners.push(
        whileUnfinished({
          progress: () => this.engine?.progress ?? 0,
          isAwaited: () => this.state === 'STARTING' || this.isAwaited,
          isBehind: () => this.engine?.isBehind ?? false,
          giveUp: () => this.giveUp(),
        }),
      );
      await this.launch();
      if (this.stopReason) throw this.stopReason;
      await this.read();
    } catch (error) {
      this.state = 'FAILED';
      await this.close();
      throw this.stopReason ?? this.failureOf(error);
    }
    this.follow(this.watch());
  }

  /**
   * Has sources read once whatever takes what they give is there: until then a run that fails, or is ended, has
   * read nothing, and from then on it can be drained.
   */
  private async read(): Promise<void> {
    const engine = this.engine!;
    const over = this.running!.catch(() => {});
    try {
      await Promise.race([engine.ready(), over]);
    } catch (error) {
      engine.abort(BeamBridgeError.from(error, 'JOB_FAILED'));
      await over;
      throw error;
    }
    if (this.stopReason) throw this.stopReason;
    this.state = 'RUNNING';
    engine.beginReading();
    await Promise.race([Promise.all(this.pipeline.openings), over]);
  }

  /** Whether the run is a stream that comes to its end now. */
  private startDraining(): boolean {
    if (this.state === 'DRAINING') return true;
    if (!this.pipeline.isStream || this.state !== 'RUNNING') return false;
    this.state = 'DRAINING';
    for (const drain of this.pipeline.drains) drain();
    this.engine!.drain();
    return true;
  }

  async drain(): Promise<JobState> {
    this.startDraining();
    return this.finished;
  }

  private report(): ProgressReport {
    if (this.state === 'STARTING') return { phase: undefined };
    return { phase: this.state, elements: this.engine?.elements };
  }

  private stop(reason: BeamBridgeError): void {
    this.stopReason ??= reason;
    this.over.abort(this.stopReason);
    this.engine?.abort(this.stopReason);
  }

  /** Ends a run that waits for what cannot come. */
  private giveUp(): void {
    this.isStuck = true;
    // Its outputs are there, and a teardown does not come back.
    if (isTerminal(this.state)) {
      this.over.abort();
      return;
    }
    if (this.stopReason) return;
    const isStarting = this.state === 'STARTING';
    const error = stuck('a function', this.engine?.atWork[0], isStarting || this.isAwaited);
    this.isTold = true;
    if (isStarting) this.stop(error);
    else this.engine!.abort(error);
  }

  /** What a teardown writes belongs to a run that has succeeded, however long it takes, unless somebody wants an end. */
  private async tornDown(closed: Promise<void>): Promise<void> {
    let isClosed = false;
    const closing = closed.finally(() => {
      isClosed = true;
    });
    const { signal } = this.over;
    const ended = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([closing, ended]);
    if (!isClosed) await within(this.isStuck ? 0 : SETTLE_MS, closing);
  }

  /** Resolves when all stages run, or one has failed. */
  private async launch(): Promise<void> {
    this.over.signal.throwIfAborted();
    const message = pipelineToProto(this.pipeline, {});
    this.proto = message;
    const planner = new Planner(message, TYPESCRIPT_ENVIRONMENT);
    const placeholders = this.pipeline.transforms.filter(({ external }) => external);
    const engine = this.engineOf(message);
    this.engine = engine;
    if (placeholders.length === 0) refuseFiles(this.pipeline);
    engine.add(planner.next(new Set(placeholders.map(({ id }) => id))));
    if (placeholders.length === 0) {
      this.run(engine);
      return;
    }
    let markSpawned: () => void = () => {};
    const spawned = new Promise<void>((resolve) => {
      markSpawned = resolve;
    });
    const expanding = this.expand(message, markSpawned).then(() => {
      refuseFiles(this.pipeline);
      engine.add(planner.next());
    });
    // Before that, stages would keep this thread from starting Python; and where there is none to
    // start, nothing of the pipeline has happened.
    await Promise.race([spawned, expanding]);
    const running = this.run(engine);
    let isExpanded = false;
    let stageFailed = false;
    running.catch(() => {
      stageFailed = true;
      if (!isExpanded) this.over.abort();
    });
    try {
      await expanding;
      isExpanded = true;
    } catch (error) {
      // The run itself tells why a stage failed.
      if (stageFailed) return;
      engine.abort(BeamBridgeError.from(error, 'JOB_FAILED'));
      await running.catch(() => {});
      throw error;
    }
  }

  private run(engine: Engine): Promise<void> {
    this.running = engine.run();
    // Whoever asks for the outcome hears of a failure, perhaps later.
    this.running.catch(() => {});
    return this.running;
  }

  private async expand(message: pb.Pipeline, onSpawn: () => void): Promise<void> {
    const { pipeline } = this;
    const python = await withAnotherHost(() => this.askPython(message, onSpawn), this.over.signal);
    this.cleanUps.push(() => python[Symbol.asyncDispose]());
    python.serve(message);
    this.python = python;
    // Outputs that were whole before anybody knew that the run may never end.
    if (pipeline.isStream) {
      await this.commitOutputs();
      this.storesAtEnd = false;
      this.engine?.wake();
    }
    void python.lost.then((reason) => this.engine?.abort(reason));
  }

  /** A Python that has expanded the pipeline, or nothing if that fails. */
  private async askPython(message: pb.Pipeline, onSpawn: () => void): Promise<PythonSide> {
    const { pipeline, options } = this;
    const { signal } = this.over;
    const kept = keptAs(pipeline, options.python);
    const python = await openPython(pipeline, options, { signal, onSpawn, kept });
    try {
      const expanded = await expandPipeline(pipeline, message, {
        resolveService: expansionResolver(pipeline, options, python.host),
        signal,
        kept,
      });
      this.cleanUps.push(() => expanded[Symbol.asyncDispose]());
      return python;
    } catch (error) {
      await python[Symbol.asyncDispose]();
      throw error;
    }
  }

  private engineOf({ components }: pb.Pipeline): Engine {
    const { functions } = this.pipeline;
    const bundles = new BundleEngine({
      functions,
      isStrict: this.options.forceEncoding === true,
    });
    // It waits for what is at work, which the engine has done before.
    this.cleanUps.push(async () => {
      const closed = bundles.close();
      if (this.state === 'DONE' || this.state === 'DRAINED') await this.tornDown(closed);
      else await within(SETTLE_MS, this.engine?.hasLeftWork ? bundles.tornDown() : closed);
      bundles.tellLeft();
    });
    this.cleanUps.push(async () => {
      const isDone = this.state === 'DONE' || this.state === 'DRAINED';
      const over = new AbortController();
      const limit = new Promise<void>((resolve) => {
        over.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      const closed = this.threads.close(limit);
      if (isDone) await this.tornDown(closed);
      else await within(this.engine?.hasLeftWork ? 0 : SETTLE_MS, closed);
      over.abort();
      await closed;
    });
    this.storesAtEnd = this.pipeline.commits.length > 0 && !this.pipeline.isStream;
    const own: StageExecutor = {
      inProcess: true,
      canRetry: false,
      workers: 1,
      start: (descriptor, io) => bundles.start(descriptor, io),
      mayRetry: () => false,
    };
    return new Engine({
      components: components!,
      functions,
      executor: (id) => {
        if (id === TYPESCRIPT_ENVIRONMENT) return own;
        const other = this.python?.executor(components!.environments[id]!);
        if (other) return other;
        throw new BeamBridgeError('INTERNAL', `nobody runs the environment ${JSON.stringify(id)}`);
      },
      threads: (stage) =>
        stage.environment === TYPESCRIPT_ENVIRONMENT
          ? this.threads.of(stage, components!)
          : undefined,
      forceEncoding: this.options.forceEncoding === true,
      storesAtEnd: () => this.storesAtEnd,
    });
  }

  private async watch(): Promise<JobState> {
    let failure: BeamBridgeError | undefined;
    try {
      await this.running;
      // The last stage may be done before it hears of it.
      if (this.stopReason) throw this.stopReason;
      for (const commit of this.pipeline.lastCommits) await commit();
      await this.commitOutputs();
      await this.confirm();
      this.state = this.state === 'DRAINING' ? 'DRAINED' : 'DONE';
    } catch (error) {
      this.state = this.stopReason ? 'CANCELLED' : 'FAILED';
      if (!this.stopReason) failure = this.failureOf(error);
    }
    await this.close();
    if (failure) throw failure;
    // A wish that came while outputs got their names, or later, came too late.
    const isStopped = this.state === 'CANCELLED' && this.stopReason !== CANCELLED;
    if (isStopped && this.stopReason) throw this.stopReason;
    return this.state;
  }

  /**
   * Tells sources that what they gave is stored. Whatever comes between, a wish to end or a function that does not
   * come back, comes too late for the run, whose outputs are there.
   */
  private async confirm(): Promise<void> {
    try {
      await this.engine!.confirm();
    } catch (error) {
      const { shortMessage } = BeamBridgeError.from(error);
      log.warn(
        `not all of what is stored is confirmed, since ${shortMessage}: what is not, its source gives again`,
      );
    }
  }

  async cancel(): Promise<JobState> {
    if (isTerminal(this.state)) this.over.abort();
    else this.stop(CANCELLED);
    await this.closed;
    return this.state;
  }

  get stages(): readonly StagePlacement[] {
    return this.threads.stages;
  }

  async monitoringInfos(): Promise<readonly pb.MonitoringInfo[]> {
    return this.engine!.metrics.all();
  }
}

/** The wish of a program that asked for the end itself: no error then. */
const CANCELLED = new BeamBridgeError('JOB_CANCELLED', 'the run was cancelled');
