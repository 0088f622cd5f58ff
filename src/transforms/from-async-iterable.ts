// SPDX-License-Identifier: Apache-2.0
// Anything that `for await` reads, as a source.

import { BeamBridgeError, checkOptionNames, type OptionNames, steadyNow } from '../base/index.ts';
import { type Coder, describeValue, type Instant, instantOf, JsCoder } from '../coders/index.ts';
import {
  GrowableOffsetRangeTracker,
  ManualWatermarkEstimator,
  type OffsetRange,
  offsetRange,
  type PCollection,
  type Pipeline,
  type PTransformClass,
  type RestrictionTracker,
  type Root,
  type SplittableCall,
  type SplittableDoFn,
  timestamped,
} from '../pipeline/index.ts';
import { coderOf, type SchemaType } from '../schema/index.ts';
import { AsyncReader, type AsyncSource, isAsyncIterable } from './async-reader.ts';
import { AsyncReading } from './async-reading.ts';
import { DrainPatience } from './drain-patience.ts';
import { impulse } from './impulse.ts';
import { splittableStep } from './periodic-impulse.ts';
import { beginReading, claimReading } from './read-once.ts';
import { transform } from './transform.ts';

/** Options of {@link fromAsyncIterable}. */
export interface AsyncIterableOptions<T> {
  /**
   * An element's time, in milliseconds since 1970; a fraction of a millisecond is cut off.
   * @default when it was read
   */
  timestamp?: (element: T) => Instant;
  /**
   * With `timestamp`: by how many milliseconds, 0 or more, an element may be older than the newest before
   * it without being late. A time that is to come counts as now. @default 0
   */
  maxDelay?: number;
  /** Whether the iterable ends by itself, so that the output is a bounded PCollection. @default false */
  bounded?: boolean;
  /** @default the coder for plain JavaScript values */
  coder?: Coder<T>;
  /** The elements' type, in place of a coder. */
  schema?: SchemaType<T>;
}

const OPTIONS: OptionNames<AsyncIterableOptions<unknown>> = {
  timestamp: true,
  maxDelay: true,
  bounded: true,
  coder: true,
  schema: true,
};

/**
 * The elements of an async iterable: a generator, a stream, the events of an emitter. It is read one
 * element at a time, no faster than the pipeline takes them, and the source ends where it ends. When
 * the pipeline is cancelled or fails, its `return()` is called and the signal given to a function
 * aborts. When the pipeline is drained, that signal aborts first, and the iterable is read until it ends,
 * or has let its reader wait for half a second all together. One that always has more is read for 10 s.
 * A `bounded` one is read to its end all the same.
 *
 * It is read in this process and once: no runner can repeat what it gave, or read it elsewhere. Give a
 * function where the pipeline runs more than once, or where it is applied twice.
 *
 * @throws `INVALID_ARGUMENT` for what is not async iterable, for options that are not as described, and
 *   for an iterable, where it is no function, that another source or run reads
 *
 * @example
 * ```ts
 * root.apply(fromAsyncIterable((signal) => on(emitter, 'trade', { signal })));
 * ```
 */
export function fromAsyncIterable<T>(
  source: AsyncSource<T>,
  options: AsyncIterableOptions<T> = {},
): PTransformClass<Root, PCollection<T>> {
  const iterable = typeof source === 'function' || isAsyncIterable(source);
  if (!iterable) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `fromAsyncIterable was given ${describeValue(source)}, which is not async iterable`,
      { hint: 'Give an async generator, a readable stream, or a function that returns one.' },
    );
  }
  checkOptions(options);
  const { coder, schema } = options;
  const declared = coder ?? (schema && coderOf(schema));
  const plain = new JsCoder() as Coder<unknown> as Coder<T>;
  return transform('fromAsyncIterable', (root, pipeline) => {
    if (typeof source !== 'function') claimReading(source, pipeline);
    pipeline.keepHere('reads what this program gives');
    const reading = new ReadIterable(source, options, pipeline);
    // What ends by itself does so, as Beam's default for bounded restrictions has it.
    if (!reading.bounded) pipeline.drains.push(() => reading.drain());
    pipeline.openings.push(reading.opened);
    const step = splittableStep(reading, declared ?? plain, declared !== undefined);
    return root.apply(impulse()).apply(step);
  });
}

function checkOptions<T>(options: AsyncIterableOptions<T>): void {
  checkOptionNames('fromAsyncIterable', options, OPTIONS);
  const { timestamp, maxDelay, bounded } = options;
  if (timestamp !== undefined && typeof timestamp !== 'function') {
    throw invalid('timestamp', timestamp, 'Give a function of an element.');
  }
  if (maxDelay !== undefined) {
    if (!(typeof maxDelay === 'number' && maxDelay >= 0 && maxDelay < Infinity)) {
      throw invalid('maxDelay', maxDelay, 'Give a number of milliseconds, 0 or more.');
    }
    if (!timestamp) {
      throw invalid(
        'maxDelay',
        maxDelay,
        'It is of use with timestamp only: give both or neither.',
      );
    }
  }
  if (bounded !== undefined && typeof bounded !== 'boolean') {
    throw invalid('bounded', bounded, 'Give true for an iterable that ends by itself, or false.');
  }
}

function invalid(option: string, given: unknown, hint: string): BeamBridgeError {
  return new BeamBridgeError(
    'INVALID_ARGUMENT',
    `fromAsyncIterable: ${option} is ${describeValue(given)}`,
    { hint },
  );
}

/** Of a source that ends, or is to end, what is left comes to an end by itself: no part of it is dropped. */
class Elements extends GrowableOffsetRangeTracker {
  constructor(
    range: OffsetRange,
    private readonly isEnding: () => boolean,
  ) {
    super(range);
  }

  override isBounded(): boolean {
    return super.isBounded() || this.isEnding();
  }
}

class ReadIterable<T>
  implements
    SplittableDoFn<Uint8Array, T, OffsetRange, number, undefined, ManualWatermarkEstimator, Instant>
{
  readonly beamName = 'read';
  readonly bounded: boolean;
  readonly readsOnce = true;
  /** Resolves when the iterable was asked for its first element: what comes then reaches it. */
  readonly opened: Promise<void>;
  private markOpened!: () => void;
  private reader: AsyncReader<T> | undefined;
  private draining: DrainPatience | undefined;

  constructor(
    private readonly source: AsyncSource<T>,
    private readonly options: AsyncIterableOptions<T>,
    private readonly pipeline: Pipeline,
  ) {
    this.bounded = options.bounded ?? false;
    this.opened = new Promise((resolve) => {
      this.markOpened = resolve;
    });
  }

  initialRestriction(): OffsetRange {
    return offsetRange(0, Infinity);
  }

  newTracker(range: OffsetRange): GrowableOffsetRangeTracker {
    return new Elements(range, () => this.bounded || this.draining !== undefined);
  }

  newWatermarkEstimator(state?: Instant): ManualWatermarkEstimator {
    return new ManualWatermarkEstimator(state);
  }

  process(
    _: Uint8Array,
    tracker: RestrictionTracker<OffsetRange, number>,
    __: undefined,
    { watermark, signal }: SplittableCall<ManualWatermarkEstimator>,
  ) {
    return new AsyncReading({
      reader: this.readerAt(tracker.currentRestriction().start),
      tracker,
      signal,
      output: (element: T) => this.timed(element, watermark),
      draining: () => this.draining,
      paused: () => {
        if (!this.options.timestamp) raise(watermark, steadyNow());
      },
    });
  }

  /** The source is to end soon: what it has is still read. */
  drain(): void {
    this.draining ??= new DrainPatience();
    this.reader?.askToEnd();
  }

  private timed(element: T, watermark: ManualWatermarkEstimator) {
    const { timestamp, maxDelay = 0 } = this.options;
    if (!timestamp)
      return timestamped(element, Math.max(steadyNow(), watermark.currentWatermark()));
    const at = instantOf(timestamp(element), 'the timestamp of an element');
    // A time that is to come is of a wrong clock, and must not make everybody else late.
    raise(watermark, Math.min(at, Date.now()) - maxDelay);
    return timestamped(element, at);
  }

  private readerAt(position: number): AsyncReader<T> {
    if (!this.reader && position === 0) this.reader = this.begin();
    if (this.reader?.position === position) return this.reader;
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `element ${position} of the iterable is asked for, but ${this.reader?.position ?? 0} were read`,
      {
        hint: 'An iterable is read once, in one process: give it to a runner that does not retry.',
      },
    );
  }

  private begin(): AsyncReader<T> {
    const { source, pipeline } = this;
    if (typeof source !== 'function') beginReading(source, pipeline);
    const reader = new AsyncReader(source, this.markOpened);
    if (this.draining) reader.askToEnd();
    return reader;
  }

  teardown(): void {
    this.reader?.close();
    this.reader = undefined;
  }
}

function raise(watermark: ManualWatermarkEstimator, at: Instant): void {
  if (at > watermark.currentWatermark()) watermark.setWatermark(at);
}
