// SPDX-License-Identifier: Apache-2.0
// Who executes the stages of one environment: the bundle engine of this program, or workers of
// another SDK.

import type {
  BundleIO,
  BundleResult,
  ChannelSplit,
  DesiredSplit,
  MaybePromise,
  MonitoringInfo,
  TransformInfo,
} from '../../../harness/index.ts';
import type { fn } from '../../../proto/index.ts';

/** A bundle under way, wherever that is. */
export interface StageBundle {
  /** Rejects with the error that ended the bundle. */
  readonly done: Promise<BundleResult>;
  /** What it has counted so far. */
  monitoringInfos(): MonitoringInfo[];
  /** The transform whose function it waits for, where that is in this process. */
  atWork?(): TransformInfo | undefined;
  /** Whether it waits for work of another bundle in this process. */
  isBehind?(): boolean;
  /** Gives back part of the input where possible. */
  split(desired: ReadonlyMap<string, DesiredSplit>): MaybePromise<ChannelSplit[]>;
  abort(error: Error): void;
}

export interface StageExecutor {
  /** Whether stages run in this process, so that elements need not be encoded. */
  readonly inProcess: boolean;
  /** Whether a bundle can be run again when a worker is lost. */
  readonly canRetry: boolean;
  /** Bundles that can run at once. */
  readonly workers: number;
  /** Resolves when a bundle that is started then need not wait for a process to start. */
  ready?(signal: AbortSignal): Promise<void>;
  start(descriptor: fn.ProcessBundleDescriptor, io: BundleIO): StageBundle;
  /** Whether the error that ended a bundle says nothing about the bundle. */
  mayRetry(error: unknown): boolean;
}

/** Threads of this program that may take a stage over from the main thread. */
export interface StageThreads {
  readonly executor: StageExecutor;
  /** Whether the stage is theirs from its beginning, be it worth it or not. */
  readonly atOnce: boolean;
  /** Resolves when so many are there, or as many as there may be. */
  prepare(count: number): Promise<void>;
  /** They run the stage from now on. */
  took(): void;
  /** The stage stays on the main thread. */
  stays(why: string): void;
  /** None could be started. */
  refused(error: unknown): void;
}
