// SPDX-License-Identifier: Apache-2.0
// What every runner of this room comes down to: a job service to submit to, for the time of one run.

import type { BeamBridgeError } from '../base/index.ts';
import type { ServiceAddress } from '../external/index.ts';
import type { ExpansionServiceChoice } from '../pipeline/index.ts';
import type { pb } from '../proto/index.ts';
import type { EngineJob } from './engine-job.ts';
import type { PipelineOptions } from './options.ts';

/** A job service that is up, held for one run. Disposing of it ends what only this run needed. */
export interface JobService extends ServiceAddress, AsyncDisposable {
  /** What messages call it. */
  readonly name: string;
  /** Resolves with the reason once the service is known to be gone; may never resolve. */
  readonly lost: Promise<BeamBridgeError>;
  /** Why a job has failed, where that is known here and its messages do not tell. */
  readonly knownReason?: () => BeamBridgeError | undefined;
  /** Whether warnings of its jobs come into our log by another way than the message stream. */
  readonly logs: boolean;
  /** Where a cross-language transform is expanded. */
  resolveService(choice: ExpansionServiceChoice, signal?: AbortSignal): Promise<ServiceAddress>;
  /** Gives an expanded pipeline environments that this service can use. */
  prepare(pipeline: pb.Pipeline): Promise<void>;
  /** The options of a run, which is about to be submitted, with what the engine must be told below them. */
  withDefaults?(options: PipelineOptions): PipelineOptions;
  /** Ends a job that did not obey its cancellation, if there is a way. */
  abandon(): Promise<void>;
  /** Whether it tells what a job has counted at the job's end alone, and before that nothing was counted. @default false */
  readonly countsAtEnd?: boolean;
  /** The job of this run as its engine knows it, where that is more than its service tells. */
  readonly engine?: EngineJob;
}
