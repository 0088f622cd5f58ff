// SPDX-License-Identifier: Apache-2.0
// Who executes the stages of one environment: the bundle engine of this program, or workers of
// another SDK.

import type { BundleIO, RunningBundle } from '../../../harness/index.ts';
import type { fn } from '../../../proto/index.ts';

export interface StageExecutor {
  /** Whether stages run in this process, so that elements need not be encoded. */
  readonly inProcess: boolean;
  /** Whether a bundle can be run again when a worker is lost. */
  readonly canRetry: boolean;
  /** Bundles that can run at once. */
  readonly workers: number;
  start(descriptor: fn.ProcessBundleDescriptor, io: BundleIO): RunningBundle;
  /** Whether the error that ended a bundle says nothing about the bundle. */
  mayRetry(error: unknown): boolean;
}
