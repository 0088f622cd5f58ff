// SPDX-License-Identifier: Apache-2.0
// The partitions of a cluster, as they appear: a splittable DoFn whose restriction is the looks that
// are still to come.

import { BeamBridgeError, nap, steadyNow } from '../../base/index.ts';
import type { Instant } from '../../coders/index.ts';
import {
  ManualWatermarkEstimator,
  type RestrictionSplit,
  type RestrictionTracker,
  resume,
  type SplittableCall,
  type SplittableDoFn,
  timestamped,
} from '../../pipeline/index.ts';
import type { KafkaClient } from './client.ts';
import { Patience } from './failures.ts';
import { look, nameOf, type PartitionTask } from './look.ts';
import type { ReadSpec } from './read-options.ts';
import type { TransactionCycle } from './transaction-cycle.ts';

/** A runner that does not keep to delays is not asked again more often than this. */
const SHORT_NAP_MILLIS = 100;

export type OpenClient<K, V> = (spec: ReadSpec<K, V>) => Promise<KafkaClient>;

/** The looks that are still to come. */
interface Looks {
  readonly seen: readonly string[];
  readonly before: Instant | undefined;
  readonly next: Instant;
  /** Whether no look is left. */
  readonly done: boolean;
}

/** What one look found, and when it was. */
interface Found {
  readonly partitions: readonly string[];
  readonly at: Instant;
}

/** A call of `process` claims one look; whatever comes after it is the rest. */
class DiscoveryTracker implements RestrictionTracker<Looks, Found> {
  private found: Found | undefined;

  constructor(
    private looks: Looks,
    private readonly every: number,
    private readonly bounded: boolean,
  ) {}

  tryClaim(found: Found): boolean {
    if (this.looks.done || this.found) return false;
    this.found = found;
    return true;
  }

  currentRestriction(): Looks {
    return this.looks;
  }

  trySplit(): RestrictionSplit<Looks> | undefined {
    const { looks, found, every } = this;
    if (looks.done) return undefined;
    const primary = { ...looks, done: true };
    if (!found) {
      this.looks = primary;
      return { primary, residual: looks };
    }
    if (every === Infinity) return undefined;
    this.looks = primary;
    const seen = [...looks.seen, ...found.partitions];
    return {
      primary,
      residual: { seen, before: found.at, next: found.at + every, done: false },
    };
  }

  checkDone(): void {
    if (this.looks.done || this.found) return;
    throw new BeamBridgeError('INTERNAL', 'partitions were to be looked for, and were not');
  }

  isBounded(): boolean {
    return this.bounded;
  }
}

export class DiscoverPartitions<K, V>
  implements
    SplittableDoFn<
      Uint8Array,
      PartitionTask,
      Looks,
      Found,
      undefined,
      ManualWatermarkEstimator,
      Instant
    >
{
  readonly beamName = 'discover';
  readonly bounded: boolean;
  /** There where offsets are committed with what comes of the messages. */
  cycle: TransactionCycle | undefined;
  private client: Promise<KafkaClient> | undefined;
  private readonly patience = new Patience();

  constructor(
    private readonly spec: ReadSpec<K, V>,
    private readonly open: OpenClient<K, V>,
  ) {
    this.bounded = spec.bounded || spec.discoverEvery === Infinity;
  }

  initialRestriction(): Looks {
    return { seen: [], before: undefined, next: steadyNow(), done: false };
  }

  newTracker(looks: Looks): DiscoveryTracker {
    return new DiscoveryTracker(looks, this.spec.discoverEvery, this.bounded);
  }

  newWatermarkEstimator(state?: Instant): ManualWatermarkEstimator {
    return new ManualWatermarkEstimator(state);
  }

  async *process(
    _: Uint8Array,
    tracker: RestrictionTracker<Looks, Found>,
    __: undefined,
    { watermark, signal }: SplittableCall<ManualWatermarkEstimator>,
  ) {
    const { spec } = this;
    const { seen, before, next } = tracker.currentRestriction();
    const early = next - steadyNow();
    if (early > 0) await nap(Math.min(early, SHORT_NAP_MILLIS), signal);
    if (next > steadyNow()) return resume(next - steadyNow());
    const now = Math.max(steadyNow(), watermark.currentWatermark());
    // What the run before has committed is known once it can commit no more.
    if (this.cycle && !(await unlessAborted(this.cycle.opened(), signal))) return resume();
    const client = await this.opened();
    let tasks: PartitionTask[];
    try {
      // The time up to which it reads is the program's: the wall clock tells whether it has come.
      tasks = await look(client, spec, { seen: new Set(seen), before, now: Date.now() });
      this.patience.succeeded();
    } catch (error) {
      // Bundles end meanwhile: patience lasts longer than they do.
      const what = `${spec.cluster.servers} cannot be asked for partitions`;
      await nap(this.patience.failed(what, error, spec.cluster), signal);
      return resume();
    }
    if (!tracker.tryClaim({ partitions: tasks.map(nameOf), at: now })) return undefined;
    // What was written to a new partition was written since the look before: so long the watermark waits.
    for (const task of tasks) {
      yield before === undefined ? task : timestamped(task, watermark.currentWatermark());
    }
    watermark.setWatermark(Math.max(watermark.currentWatermark(), now - spec.policy.maxDelay));
    if (spec.discoverEvery === Infinity) return undefined;
    return resume(spec.discoverEvery);
  }

  private opened(): Promise<KafkaClient> {
    this.client ??= this.open(this.spec);
    return this.client;
  }

  async teardown(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    await (await client?.catch(() => undefined))?.close();
  }
}

/** Whether something has come before nobody waits for it any more. */
async function unlessAborted(work: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  let end: () => void = () => {};
  const aborted = new Promise<false>((resolve) => {
    end = () => resolve(false);
  });
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  try {
    return await Promise.race([work.then(() => true), aborted]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
