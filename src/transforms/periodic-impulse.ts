// SPDX-License-Identifier: Apache-2.0
// A clock as a source: elements that come at regular times.

import {
  BeamBridgeError,
  checkOptionNames,
  nap,
  type OptionNames,
  steadyNow,
} from '../base/index.ts';
import { type Coder, type Instant, JsCoder, VarIntCoder } from '../coders/index.ts';
import {
  boundedness,
  GrowableOffsetRangeTracker,
  ManualWatermarkEstimator,
  type OffsetRange,
  offsetRange,
  ParDo,
  type PCollection,
  type PTransformClass,
  type Root,
  resume,
  type SplittableDoFn,
  splittableDoFn,
  timestamped,
} from '../pipeline/index.ts';
import { impulse } from './impulse.ts';
import { mapStep, transform } from './transform.ts';

/** Options of {@link periodicImpulse}. */
export interface PeriodicImpulseOptions {
  /** Time of the first element, in milliseconds since 1970. @default when the transform is applied */
  start?: Instant;
  /** No element at this time or later, in milliseconds since 1970. @default it never ends */
  stop?: Instant;
  /** Time between two elements, in milliseconds. */
  interval: number;
  /**
   * Whether the output is a bounded PCollection, which it can be with `stop` only: `false` for a stream
   * that ends. @default whether there is a `stop`
   */
  bounded?: boolean;
}

const OPTIONS: OptionNames<PeriodicImpulseOptions> = {
  start: true,
  stop: true,
  interval: true,
  bounded: true,
};

interface Sequence {
  start: Instant;
  stop: Instant;
  interval: number;
}

/** A runner that does not keep to delays is not asked again more often than this. */
const SHORT_NAP_MILLIS = 100;
/** One bundle's share of a sequence that lies in the past. */
const MOST_AT_ONCE = 10_000;

/**
 * An element for each `interval` from `start` on, when its time has come: its value and its timestamp
 * are that time. Times that have passed already come at once. Slow steps behind it delay elements and
 * lose none.
 *
 * The output is unbounded, except where `stop` is given and `bounded: false` is not. It is in the global window: apply
 * {@link windowInto} behind it.
 *
 * @throws `INVALID_ARGUMENT` for an interval that is not above 0, times that are not whole, and for
 *   `bounded: true` without a `stop`
 *
 * @example
 * ```ts
 * root.apply(periodicImpulse({ interval: 60_000 })).map((time) => fetchPrices(time));
 * ```
 */
export function periodicImpulse(
  options: PeriodicImpulseOptions,
): PTransformClass<Root, PCollection<Instant>> {
  checkOptionNames('periodicImpulse', options, OPTIONS);
  const { start, stop = Infinity, interval } = options;
  const times = [start ?? 0, stop === Infinity ? 0 : stop, interval];
  if (!times.every(Number.isSafeInteger) || interval <= 0) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `periodicImpulse was given start ${start}, stop ${stop}, interval ${interval}`,
      { hint: 'Give whole milliseconds: times since 1970, and an interval above 0.' },
    );
  }
  const bounded = boundedness('periodicImpulse', options.bounded, {
    ends: stop !== Infinity,
    by: 'stop',
  });
  return transform('periodicImpulse', (root) => {
    const sequence: Sequence = { start: start ?? steadyNow(), stop, interval };
    const ticks = root
      .apply(impulse())
      .apply(
        mapStep('sequence', () => sequence, new JsCoder() as Coder<unknown> as Coder<Sequence>),
      )
      .apply(sequenceStep(bounded));
    if (stop !== Infinity) ticks.node.endsAt = stop;
    return ticks;
  });
}

/** Of a stream, what is left is none that a drain waits for. */
class Ticks extends GrowableOffsetRangeTracker {
  constructor(
    range: OffsetRange,
    private readonly bounded: boolean,
  ) {
    super(range);
  }

  override isBounded(): boolean {
    return this.bounded;
  }
}

function sequenceStep(bounded: boolean): ParDo<Sequence, Instant> {
  const doFn = splittableDoFn({
    beamName: 'ticks',
    bounded,
    initialRestriction: ({ start, stop, interval }: Sequence) =>
      offsetRange(0, Math.max(0, Math.ceil((stop - start) / interval))),
    newTracker: (range: OffsetRange) => new Ticks(range, bounded),
    initialWatermarkState: ({ start, interval }: Sequence, range: OffsetRange) =>
      start + range.start * interval,
    newWatermarkEstimator: (state: Instant) => new ManualWatermarkEstimator(state),
    async *process({ start, interval }: Sequence, tracker, _: undefined, { watermark, signal }) {
      const { start: first, stop: end } = tracker.currentRestriction();
      for (let i = first; i < end; i++) {
        const at = start + i * interval;
        if (at > steadyNow()) {
          if (i === first) await nap(Math.min(at - steadyNow(), SHORT_NAP_MILLIS), signal);
          const early = at - steadyNow();
          if (early > 0) return resume(early);
        }
        if (!tracker.tryClaim(i)) return undefined;
        yield timestamped(at, at);
        watermark.setWatermark(at + interval);
        if (i - first >= MOST_AT_ONCE) return resume();
      }
      return undefined;
    },
  });
  return splittableStep(doFn, new VarIntCoder() as Coder<unknown> as Coder<Instant>);
}

/** A step of a composite: a splittable DoFn. */
export function splittableStep<T, O, R, P, W extends ManualWatermarkEstimator, S>(
  doFn: SplittableDoFn<T, O, R, P, undefined, W, S>,
  coder: Coder<O>,
  isDeclared = false,
): ParDo<T, O> {
  return new ParDo<T, O>({ kind: 'splittable', doFn: doFn as never }, coder, isDeclared);
}
