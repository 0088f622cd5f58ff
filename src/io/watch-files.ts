// SPDX-License-Identifier: Apache-2.0
// Files as they appear.

import {
  BeamBridgeError,
  checkOptionNames,
  mapSome,
  nap,
  type OptionNames,
  steadyNow,
} from '../base/index.ts';
import { describeValue, type Instant, StrUtf8Coder } from '../coders/index.ts';
import {
  boundedness,
  ManualWatermarkEstimator,
  ParDo,
  type PCollection,
  PTransformClass,
  type RestrictionSplit,
  type RestrictionTracker,
  type Root,
  resume,
  type SplittableCall,
  type SplittableDoFn,
  timestamped,
} from '../pipeline/index.ts';
import { impulse } from '../transforms/index.ts';
import { checkStores, type StoreOptions } from './stores/options.ts';
import { lookAt } from './stores/store-of.ts';
import { checkPattern, findFiles } from './text/patterns.ts';

/** Options of {@link watchFiles}. */
export interface WatchFilesOptions {
  /** Where stores such as `s3://` are, as far as the environment does not say it. */
  stores?: StoreOptions;
  /** Time between two looks, in milliseconds. @default 10,000 */
  interval?: number;
  /** After how many milliseconds of running no more files are looked for. @default never */
  stopAfter?: number;
  /**
   * Whether a file that was found comes again when its size or its time of change is another one.
   * @default false
   */
  matchUpdatedFiles?: boolean;
  /**
   * Whether the output is a bounded PCollection, which it can be with `stopAfter` only: `false` for a
   * stream that ends. @default whether there is `stopAfter`
   */
  bounded?: boolean;
}

const OPTIONS: OptionNames<WatchFilesOptions> = {
  stores: true,
  interval: true,
  stopAfter: true,
  matchUpdatedFiles: true,
  bounded: true,
};

/** A runner that does not keep to delays is not asked again more often than this. */
const SHORT_NAP_MILLIS = 100;

/**
 * The paths of the files that match, each once: those that are there when the pipeline begins, and
 * then those that appear, and with `matchUpdatedFiles` those that change. Their timestamps are when they
 * were found; the watermark follows the clock.
 *
 * The output is unbounded, except with `stopAfter`. Paths that were found are remembered as long as the
 * pipeline runs. A file is found as soon as it exists, so whoever writes it should do so under another
 * name and rename it when it is complete.
 *
 * @param pattern - a path or a pattern (`*`, `**`, `?`, `[…]`, `{a,b}`) of local files
 * @throws `INVALID_ARGUMENT` for what is no pattern, times that are not above 0, and other options that
 *   are not as described
 * @throws `UNSUPPORTED` for files that are not local
 *
 * @example
 * ```ts
 * root.apply(watchFiles('inbox/*.csv', { interval: 5000 })).apply(readAllFromText());
 * ```
 */
export function watchFiles(
  pattern: string,
  options: WatchFilesOptions = {},
): PTransformClass<Root, PCollection<string>> {
  checkOptionNames('watchFiles', options, OPTIONS);
  const { interval = 10_000, stopAfter = Infinity, matchUpdatedFiles = false } = options;
  if (!(interval > 0 && interval < Infinity) || !(stopAfter > 0)) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `watchFiles was given interval ${interval}, stopAfter ${stopAfter}`,
      { hint: 'Both are milliseconds, above 0.' },
    );
  }
  if (typeof matchUpdatedFiles !== 'boolean') {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `watchFiles: matchUpdatedFiles is ${describeValue(matchUpdatedFiles)}`,
      { hint: 'Give true or false.' },
    );
  }
  const bounded = boundedness('watchFiles', options.bounded, {
    ends: stopAfter !== Infinity,
    by: 'stopAfter',
  });
  checkStores('watchFiles', options.stores);
  const { stores } = options;
  const path = checkPattern(pattern, stores);
  const find = matchUpdatedFiles ? findVersions : findPaths;
  const cwd = process.cwd();
  return new WatchFiles({ find: () => find(path, cwd, stores), interval, stopAfter, bounded });
}

/** A path, and which contents of the file are meant where that matters. */
type Found = readonly [path: string, version?: string];

async function findPaths(pattern: string, cwd: string, stores?: StoreOptions): Promise<Found[]> {
  return (await findFiles(pattern, cwd, true, stores)).map((path) => [path]);
}

async function findVersions(pattern: string, cwd: string, stores?: StoreOptions): Promise<Found[]> {
  const found = await mapSome(await findFiles(pattern, cwd, true, stores), async (path) => {
    // One that was removed since it was listed is not there any more.
    const there = await lookAt(path, stores);
    return there && ([path, there.version] as const);
  });
  return found.filter((one) => one !== undefined);
}

/** The last of each path. */
function byPath(found: readonly Found[]): Map<string, Found> {
  return new Map(found.map((one) => [one[0], one]));
}

interface Watching {
  find(): Promise<Found[]>;
  readonly interval: number;
  readonly stopAfter: number;
  readonly bounded: boolean;
}

class WatchFiles extends PTransformClass<Root, PCollection<string>> {
  constructor(private readonly watching: Watching) {
    super('watchFiles');
  }

  override expand(root: Root): PCollection<string> {
    const doFn = new Watch(this.watching);
    const step = new ParDo<Uint8Array, string>(
      { kind: 'splittable', doFn: doFn as never },
      new StrUtf8Coder(),
    );
    const found = root.apply(impulse()).apply(step);
    const { stopAfter } = this.watching;
    if (stopAfter !== Infinity) found.node.endsAt = Date.now() + stopAfter;
    return found;
  }
}

/** The looks that are still to come. */
interface Looks {
  /** What was found already; a file that changed is there as it was last. */
  readonly seen: readonly Found[];
  /** When to look next. */
  readonly next: Instant;
  readonly stop: Instant;
  /** Whether no look is left. */
  readonly done: boolean;
}

/** What one look found, and when it was. */
interface Look {
  readonly found: readonly Found[];
  readonly at: Instant;
}

/** A call of `process` claims one look; whatever comes after it is the rest. */
class LooksTracker implements RestrictionTracker<Looks, Look> {
  private look: Look | undefined;

  constructor(
    private looks: Looks,
    private readonly watching: Watching,
  ) {}

  tryClaim(look: Look): boolean {
    if (this.looks.done || this.look) return false;
    this.look = look;
    return true;
  }

  currentRestriction(): Looks {
    return this.looks;
  }

  trySplit(): RestrictionSplit<Looks> | undefined {
    const { looks, look } = this;
    if (looks.done) return undefined;
    const primary = { ...looks, done: true };
    this.looks = primary;
    if (!look) return { primary, residual: looks };
    const next = look.at + this.watching.interval;
    if (next >= looks.stop) return undefined;
    const seen = [...byPath([...looks.seen, ...look.found]).values()];
    return { primary, residual: { ...looks, seen, next } };
  }

  checkDone(): void {
    if (this.looks.done || this.look) return;
    throw new BeamBridgeError('INTERNAL', 'files were to be looked for, and were not');
  }

  isBounded(): boolean {
    return this.watching.bounded;
  }
}

class Watch
  implements
    SplittableDoFn<Uint8Array, string, Looks, Look, undefined, ManualWatermarkEstimator, Instant>
{
  readonly beamName = 'look';
  readonly bounded: boolean;

  constructor(private readonly watching: Watching) {
    this.bounded = watching.bounded;
  }

  initialRestriction(): Looks {
    const now = steadyNow();
    return { seen: [], next: now, stop: now + this.watching.stopAfter, done: false };
  }

  newTracker(looks: Looks): LooksTracker {
    return new LooksTracker(looks, this.watching);
  }

  newWatermarkEstimator(state?: Instant): ManualWatermarkEstimator {
    return new ManualWatermarkEstimator(state);
  }

  async *process(
    _: Uint8Array,
    tracker: RestrictionTracker<Looks, Look>,
    __: undefined,
    { watermark, signal }: SplittableCall<ManualWatermarkEstimator>,
  ) {
    const { seen, next } = tracker.currentRestriction();
    const early = next - steadyNow();
    if (early > 0) await nap(Math.min(early, SHORT_NAP_MILLIS), signal);
    if (next > steadyNow()) return resume(next - steadyNow());
    const known = byPath(seen);
    const at = Math.max(steadyNow(), watermark.currentWatermark());
    const found = (await this.watching.find()).filter(
      ([path, version]) => !known.has(path) || known.get(path)?.[1] !== version,
    );
    if (!tracker.tryClaim({ found, at })) return undefined;
    for (const [path] of found) yield timestamped(path, at);
    watermark.setWatermark(at);
    return resume(this.watching.interval);
  }
}
