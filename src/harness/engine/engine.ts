// SPDX-License-Identifier: Apache-2.0
// Runs bundles of any descriptors, several at once, and keeps plans from one bundle to the next.

import { BeamBridgeError, getLogger } from '../../base/index.ts';
import type { fn } from '../../proto/index.ts';
import type { TransformInfo } from './errors.ts';
import type { MonitoringInfo } from './metrics.ts';
import { BundlePlan, type BundleResult } from './plan.ts';
import { SideInputCache } from './side-input-cache.ts';
import type { BundleIO, ChannelSplit, DesiredSplit, FunctionLookup } from './types.ts';

const log = getLogger('harness');

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
  /** Whether it waits for work of another bundle, such as its call of a model. */
  isBehind(): boolean;
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
  /** Plans that are not used any more, with the end of their teardowns. */
  private readonly closing = new Map<BundlePlan, Promise<void>>();
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
      isBehind: () => !over && plan.isBehind,
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
      this.end(plan);
      throw error;
    }
    if (this.closed) this.end(plan);
    else this.idle.set(descriptor, [...(this.idle.get(descriptor) ?? []), plan]);
    return result;
  }

  /** A bundle that has failed is told at once: {@link close} waits for what is torn down after it. */
  private end(plan: BundlePlan): void {
    const closed = plan.close().then(() => {
      // A setup may be under way that nobody waits for.
      if (plan.unfinished.length === 0) this.closing.delete(plan);
    });
    this.closing.set(plan, closed);
  }

  /** Waits for the bundles under way and tears all DoFns down. Abort bundles first to be quick. */
  async close(): Promise<void> {
    this.closed = true;
    const plans = [...this.idle.values()].flat();
    this.idle.clear();
    for (const plan of plans) this.end(plan);
    await Promise.all(this.running);
    await this.tornDown();
  }

  /** Waits for the teardowns that have begun. */
  async tornDown(): Promise<void> {
    await Promise.all(this.closing.values());
  }

  /** Says what does not come back of DoFns that were to be torn down, when nobody waits for it any longer. */
  tellLeft(): void {
    const left = new Set<string>();
    for (const { what, of } of [...this.closing.keys()].flatMap(({ unfinished }) => unfinished)) {
      const place = of.appliedAt === undefined ? '' : ` (applied at ${of.appliedAt})`;
      const whose = `${of.transform}${place}`;
      left.add(
        what === 'call'
          ? `${whose} is not torn down: a call of its object does not come back to a run that has ended`
          : `the ${what} of ${whose} does not end, and is left behind`,
      );
    }
    for (const one of left) log.warn(one);
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
  return {
    done,
    monitoringInfos: () => [],
    atWork: ignore,
    isBehind: () => false,
    split: () => [],
    abort: ignore,
  };
}
