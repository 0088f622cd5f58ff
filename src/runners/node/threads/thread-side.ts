// SPDX-License-Identifier: Apache-2.0
// What the node runner needs of threads for one run: how many there may be, which stages they take, and where
// each stage came to run.

import { isMainThread } from 'node:worker_threads';
import { BeamBridgeError, getLogger, LOG_LEVELS } from '../../../base/index.ts';
import type { TransformInfo } from '../../../harness/index.ts';
import { graphDigest, type Pipeline, TRANSACTION_SINK } from '../../../pipeline/index.ts';
import type { pb } from '../../../proto/index.ts';
import {
  findExport,
  optionsToText,
  ThreadPool,
  type ThreadProgram,
} from '../../../worker/index.ts';
import type { Construct, PipelineDefinition } from '../../definition.ts';
import type { PipelineOptions } from '../../options.ts';
import type { StagePlacement } from '../../result.ts';
import type { StageExecutor, StageThreads } from '../engine/executor.ts';
import type { Stage } from '../engine/plan.ts';
import { whyNotInThreads } from './eligible.ts';

const log = getLogger('node');

const HINT =
  'Values that leave a thread are encoded, as for workers elsewhere: give plain values, or declare a type or coder. With nodeWorkers: 1 all runs on the main thread.';
const TEST_STREAM = 'beam:transform:teststream:v1';

/** What a run tells its threads. */
export interface ThreadSideOptions {
  readonly pipeline: Pipeline;
  readonly options: PipelineOptions;
  readonly source: Construct | PipelineDefinition;
  /** The error of a function that does not come back. */
  stuck(where: TransformInfo | undefined): BeamBridgeError;
}

export class ThreadSide {
  private readonly pool: ThreadPool | undefined;
  private readonly executor: StageExecutor | undefined;
  /** Why no stage runs in threads. */
  private readonly why: string | undefined;
  /** Whether the program asked for them. */
  private readonly isAsked: boolean;
  private readonly atOnce: boolean;
  private readonly placements = new Map<Stage, StagePlacement>();
  /** Whether none can be started. */
  private isRefused = false;

  constructor(private readonly side: ThreadSideOptions) {
    const { options } = side;
    const { nodeWorkers: most = 1, forceEncoding = false } = options;
    this.isAsked = most > 1;
    this.atOnce = this.isAsked && forceEncoding;
    this.why = whyNone(most, side);
    if (this.why !== undefined) {
      if (this.isAsked)
        log.warn(`nodeWorkers is ${most}, and all runs on the main thread: ${this.why}`);
      return;
    }
    const pool = new ThreadPool({ most, program: () => programOf(side), stuck: side.stuck });
    this.pool = pool;
    this.executor = {
      inProcess: false,
      canRetry: false,
      workers: most,
      start: (descriptor, io) => {
        const bundle = pool.start(descriptor, io);
        return {
          done: bundle.done.catch((error: unknown) => {
            throw explained(error);
          }),
          monitoringInfos: () => bundle.monitoringInfos(),
          atWork: () => bundle.atWork(),
          split: (desired) => bundle.split(desired),
          abort: (error) => bundle.abort(error),
        };
      },
      mayRetry: () => false,
    };
  }

  /** The threads for a stage of this program, if it can run in some. */
  of(stage: Stage, components: pb.Components): StageThreads | undefined {
    const why = this.why ?? whyNotInThreads(stage, components, this.side.pipeline);
    if (why !== undefined) {
      this.place(stage, 'main thread', why);
      return undefined;
    }
    const pool = this.pool!;
    this.place(stage, 'main thread', 'it had too little to do for threads');
    return {
      executor: this.executor!,
      atOnce: this.atOnce,
      prepare: (count) => pool.prepare(count),
      took: () => this.place(stage, 'threads', undefined),
      stays: (reason) => {
        this.place(stage, 'main thread', reason);
        if (this.isAsked)
          log.warn(`${stage.root.proto.uniqueName} stays on the main thread: ${reason}`);
      },
      refused: (error) => this.refuse(stage, error),
    };
  }

  private refuse(stage: Stage, error: unknown): void {
    const { message, shortMessage, code } = BeamBridgeError.from(error);
    // The run was over before they had started.
    if (code === 'ABORTED') return;
    this.place(stage, 'main thread', shortMessage);
    if (this.isRefused) return;
    this.isRefused = true;
    // Who asked for none need not hear that a pipeline cannot have some.
    const isTold = this.isAsked || code === 'WORKER_MISMATCH';
    log[isTold ? 'warn' : 'info'](
      `all runs on the main thread, since no other can be started: ${message}`,
    );
  }

  private place(stage: Stage, where: StagePlacement['where'], because: string | undefined): void {
    const transforms = stage.leaves.map(({ proto }) => proto.uniqueName);
    this.placements.set(stage, { transforms, where, because });
    log.info(
      `${transforms.join(' + ')}: ${where}${because === undefined ? '' : `, since ${because}`}`,
    );
  }

  /** Where each stage of this program runs. */
  get stages(): readonly StagePlacement[] {
    return [...this.placements.values()];
  }

  /** Ends all threads, once their functions are torn down or `limit` resolves. */
  async close(limit: Promise<unknown>): Promise<void> {
    await this.pool?.close(limit);
  }
}

/** Why no stage of a run is in threads, as a part of a sentence; undefined where some may be. */
export function whyNone(
  most: number,
  { pipeline, source }: Pick<ThreadSideOptions, 'pipeline' | 'source'>,
): string | undefined {
  if (most < 2) return `there is one thread for functions of this program (nodeWorkers)`;
  if (typeof source === 'function') {
    return 'the pipeline is a function written inline, which no other thread can load: export const name = pipeline(import.meta.url, …)';
  }
  if (!isMainThread) return 'this is a thread itself';
  const { transforms } = pipeline;
  if (transforms.some(({ annotations }) => annotations.has(TRANSACTION_SINK))) {
    return 'it writes and confirms in one transaction';
  }
  if (transforms.some(({ spec }) => spec?.urn === TEST_STREAM)) return 'a test stream plays in it';
  if (transforms.some(({ external }) => external?.expansion)) {
    return 'a transform whose outputs nobody declared is expanded while it is constructed';
  }
  return undefined;
}

async function programOf({ pipeline, options, source }: ThreadSideOptions): Promise<ThreadProgram> {
  const { moduleUrl, exportName } = await findExport(source as PipelineDefinition);
  return {
    moduleUrl,
    exportName,
    digest: graphDigest(pipeline),
    options: optionsToText(options),
    isStrict: options.forceEncoding === true,
    logLevel: LOG_LEVELS.find((level) => log.enabled(level))!,
    argv: process.argv,
  };
}

function explained(error: unknown): unknown {
  const isMisfit = error instanceof BeamBridgeError && error.code === 'CODER_MISMATCH';
  return isMisfit ? error.with({ hint: HINT }) : error;
}
