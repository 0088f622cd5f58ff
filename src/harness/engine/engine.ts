// SPDX-License-Identifier: Apache-2.0
// Runs bundles of any descriptors, several at once, and keeps plans from one bundle to the next.

import { BeamBridgeError } from '../../base/index.ts';
import type { fn } from '../../proto/index.ts';
import type { TransformInfo } from './errors.ts';
import type { MonitoringInfo } from './metrics.ts';
import { BundlePlan, type BundleResult } from './plan.ts';
import { SideInputCache } from './side-input-cache.ts';
import type { BundleIO, ChannelSplit, DesiredSplit, FunctionLookup } from './types.ts';

const SIDE_INPUT_CACHE_BYTES = 64 * 1024 * 1024;

/** Options of a {@link BundleEngine}. */
export interface BundleEngineOptions {
  /** The user's functions by key, such as `Pipeline.functions`. */
  functions: FunctionLookup;
  /** Encoded bytes of side inputs kept across bundles. @default 64 MiB */
  sideInputCacheBytes?: number | undefined;
  /**
   * Whether elements are encoded, decoded and frozen between any two steps of a stage. @default false
   */
  isStrict?: boolean | undefined;
}

/** A bundle under way. */
export interface RunningBundle {
  /** Resolves when all output was handed over; rejects with the error that ended the bundle. */
  readonly done: Promise<BundleResult>;
  /** What it has counted so far. */
  monitoringInfos(): MonitoringInfo[];
  /** The transform whose function it waits for, as far as that is known. */
  atWork(): TransformInfo | undefined;
  /** Gives back part of the input where possible. */
  split(desired: ReadonlyMap<string, DesiredSplit>): ChannelSplit[];
  /** Ends the bundle with `error` at the next element, or the next time that it waits for input. */
  abort(error: Error): void;
}

/**
 * Executes stages of this program's functions. It knows bytes, windows and time, and nothing of how
 * they got here: the gRPC worker and the node runner both drive it.
 *
 * @example
 * ```ts
 * const engine = new BundleEngine({ functions: pipeline.functions });
 * const bundle = engine.start(descriptor, { input, output, state });
 * const { monitoringInfos } = await bundle.done;
 * await engine.close();
 * ```
 */
export class BundleEngine implements AsyncDisposable {
  private readonly functions: FunctionLookup;
  private readonly cache: SideInputCache;
  private readonly isStrict: boolean;
  private readonly idle = new Map<fn.ProcessBundleDescriptor, BundlePlan[]>();
  private readonly running = new Set<Promise<unknown>>();
  private closed = false;

  constructor(options: BundleEngineOptions) {
    this.functions = options.functions;
    this.isStrict = options.isStrict === true;
    this.cache = new SideInputCache(options.sideInputCacheBytes ?? SIDE_INPUT_CACHE_BYTES);
  }

  /**
   * Starts a bundle of a stage. Bundles of one stage may run at the same time, each on operators of
   * its own. Pass the same descriptor object each time: plans are kept by it.
   *
   * @returns at once; errors of the descriptor reject `done` too: `UNSUPPORTED`,
   *   `FUNCTION_NOT_FOUND`, `HARNESS_PROTOCOL`. Errors of user code are `USER_CODE_FAILED`.
   */
  start(descriptor: fn.ProcessBundleDescriptor, io: BundleIO): RunningBundle {
    let plan: BundlePlan;
    try {
      if (this.closed) throw new BeamBridgeError('ABORTED', 'the bundle engine is closed');
      plan =
        this.idle.get(descriptor)?.pop() ??
        new BundlePlan(descriptor, this.functions, this.cache, this.isStrict);
    } catch (error) {
      return stillborn(error);
    }
    // The plan goes on to other bundles, which are none of this one's business.
    let over = false;
    const done = this.run(descriptor, plan, io).finally(() => {
      over = true;
    });
    const settled = done.then(ignore, ignore);
    this.running.add(settled);
    void settled.then(() => this.running.delete(settled));
    return {
      done,
      monitoringInfos: () => (over ? [] : plan.monitoringInfos()),
      atWork: () => (over ? undefined : plan.atWork),
      split: (desired) => (over ? [] : plan.split(desired)),
      abort: (error) => {
        if (!over) plan.abort(error);
      },
    };
  }

  private async run(
    descriptor: fn.ProcessBundleDescriptor,
    plan: BundlePlan,
    io: BundleIO,
  ): Promise<BundleResult> {
    let result: BundleResult;
    try {
      result = await plan.run(io);
    } catch (error) {
      await plan.close();
      throw error;
    }
    if (this.closed) await plan.close();
    else this.idle.set(descriptor, [...(this.idle.get(descriptor) ?? []), plan]);
    return result;
  }

  /** Waits for the bundles under way and tears all DoFns down. Abort bundles first to be quick. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.running);
    const plans = [...this.idle.values()].flat();
    this.idle.clear();
    for (const plan of plans) await plan.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function ignore(): undefined {}

/** A bundle that failed before it began. */
function stillborn(error: unknown): RunningBundle {
  const done = Promise.reject(error);
  // Whoever holds the bundle awaits `done`; that may be after this turn.
  done.catch(ignore);
  return { done, monitoringInfos: () => [], atWork: ignore, split: () => [], abort: ignore };
}
