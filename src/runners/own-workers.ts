// SPDX-License-Identifier: Apache-2.0
// Who runs the functions of a program that submits a job: the program itself, or workers elsewhere.

import { Failures, WorkerPool } from '../harness/index.ts';
import type { Pipeline } from '../pipeline/index.ts';
import type { MessageInitShape, pb } from '../proto/index.ts';
import type { Construct, PipelineDefinition } from './definition.ts';
import { type PipelineOptions, runsElsewhere } from './options.ts';
import { prepareElsewhere } from './portable/elsewhere.ts';

/** The workers of a job's TypeScript stages. */
export interface OwnWorkers extends AsyncDisposable {
  /** To submit the pipeline with. */
  readonly environment: MessageInitShape<typeof pb.EnvironmentSchema>;
  /** Pipeline options that go to them. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Ends the endless sources among them, where they run in this program. */
  drain?(): void;
  /** What functions threw, as far as this program has it. */
  readonly failures: Pick<Failures, 'find' | 'list'>;
}

/**
 * Makes ready what the option `environmentType` says.
 *
 * @throws BeamBridgeError `PIPELINE_NOT_EXPORTED`, `PROGRAM_NOT_BUNDLED`, `NATIVE_PACKAGE`,
 * `PROGRAM_NOT_PACKED`, `WORKER_MISMATCH`, `INVALID_ARGUMENT`
 */
export async function openWorkers(
  pipeline: Pipeline,
  options: PipelineOptions,
  source: Construct | PipelineDefinition | undefined,
): Promise<OwnWorkers> {
  if (runsElsewhere(options)) {
    return {
      ...(await prepareElsewhere(pipeline, options, source)),
      failures: new Failures(),
      // They are the runner's.
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const pool = await WorkerPool.start({ functions: pipeline.functions });
  return {
    environment: pool.environment(),
    options: {},
    failures: pool.failures,
    drain: () => pool.drain(),
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}
