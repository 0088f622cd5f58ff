// SPDX-License-Identifier: Apache-2.0
// Files as they appear.

import { BeamBridgeError, nap } from '../base/index.ts';
import { type Instant, StrUtf8Coder } from '../coders/index.ts';
import {
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
import { checkPattern, findFiles } from './text/patterns.ts';

/** Options of {@link watchFiles}. */
export interface WatchFilesOptions {
  /** Time between two looks, in milliseconds. @default 10,000 */
  interval?: number;
  /** After how many milliseconds of running no more files are looked for. @default never */
  stopAfter?: number;
}

/** A runner that does not keep to delays is not asked again more often than this. */
const SHORT_NAP_MILLIS = 100;

/**
 * The paths of the files that match, each once: those that are there when the pipeline begins, and
 * then those that appear. Their timestamps are when they were found; the watermark follows the clock.
 *
 * The output is unbounded, except with `stopAfter`. Paths that were found are remembered as long as the
 * pipeline runs. A file is found as soon as it exists, so whoever writes it should do so under another
 * name and rename it when it is complete.
 *
 * @param pattern - a path or a pattern (`*`, `**`, `?`, `[…]`, `{a,b}`) of local files
 * @throws `INVALID_ARGUMENT` for what is no pattern, or times that are not above 0
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
  const { interval = 10_000, stopAfter = Infinity } = options;
  if (!(interval > 0 && interval < Infinity) || !(stopAfter > 0)) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `watchFiles was given interval ${interval}, stopAfter ${stopAfter}`,
      { hint: 'Both are milliseconds, above 0.' },
    );
  }
  return new WatchFiles(checkPattern(pattern), process.cwd(), interval, stopAfter);
}

class WatchFiles extends PTransformClass<Root, PCollection<string>> {
  constructor(
    private readonly pattern: string,
    private readonly cwd: string,
    private readonly interval: number,
    private readonly stopAfter: number,
  ) {
    super('watchFiles');
  }

  override expand(root: Root): PCollection<string> {
    const { pattern, cwd, interval, stopAfter } = this;
    const doFn = new Watch(() => findFiles(pattern, cwd, true), interval, stopAfter);
    const step = new ParDo<Uint8Array, string>(
      { kind: 'splittable', doFn: doFn as never },
      new StrUtf8Coder(),
    );
    return root.apply(impulse()).apply(step);
  }
}

/** The looks that are still to come. */
interface Looks {
  /** What was found already. */
  readonly seen: readonly string[];
  /** When to look next. */
  readonly next: Instant;
  readonly stop: Instant;
  /** Whether no look is left. */
  readonly done: boolean;
}

/** What one look found, and when it was. */
interface Look {
  readonly found: readonly string[];
  readonly at: Instant;
}

/** A call of `process` claims one look; whatever comes after it is the rest. */
class LooksTracker implements RestrictionTracker<Looks, Look> {
  private look: Look | undefined;

  constructor(
    private looks: Looks,
    private readonly interval: number,
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
    const next = look.at + this.interval;
    if (next >= looks.stop) return undefined;
    return { primary, residual: { ...looks, seen: [...looks.seen, ...look.found], next } };
  }

  checkDone(): void {
    if (this.looks.done || this.look) return;
    throw new BeamBridgeError('INTERNAL', 'files were to be looked for, and were not');
  }

  isBounded(): boolean {
    return this.looks.stop !== Infinity;
  }
}

class Watch
  implements
    SplittableDoFn<Uint8Array, string, Looks, Look, undefined, ManualWatermarkEstimator, Instant>
{
  readonly beamName = 'look';
  readonly bounded: boolean;

  constructor(
    private readonly find: () => Promise<string[]>,
    private readonly interval: number,
    private readonly stopAfter: number,
  ) {
    this.bounded = stopAfter !== Infinity;
  }

  initialRestriction(): Looks {
    const now = Date.now();
    return { seen: [], next: now, stop: now + this.stopAfter, done: false };
  }

  newTracker(looks: Looks): LooksTracker {
    return new LooksTracker(looks, this.interval);
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
    const early = next - Date.now();
    if (early > 0) await nap(Math.min(early, SHORT_NAP_MILLIS), signal);
    if (next > Date.now()) return resume(next - Date.now());
    const known = new Set(seen);
    const at = Math.max(Date.now(), watermark.currentWatermark());
    const found = (await this.find()).filter((path) => !known.has(path));
    if (!tracker.tryClaim({ found, at })) return undefined;
    for (const path of found) yield timestamped(path, at);
    watermark.setWatermark(at);
    return resume(this.interval);
  }
}
