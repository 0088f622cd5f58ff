// SPDX-License-Identifier: Apache-2.0
// Anything that `for await` reads, as a source.

import { BeamBridgeError, nap } from '../base/index.ts';
import { type Coder, describeValue, type Instant, instantOf, JsCoder } from '../coders/index.ts';
import {
  GrowableOffsetRangeTracker,
  ManualWatermarkEstimator,
  type OffsetRange,
  offsetRange,
  type PCollection,
  type PTransformClass,
  type RestrictionTracker,
  type Root,
  resume,
  type SplittableCall,
  type SplittableDoFn,
  timestamped,
} from '../pipeline/index.ts';
import { coderOf, type SchemaType } from '../schema/index.ts';
import { impulse } from './impulse.ts';
import { splittableStep } from './periodic-impulse.ts';
import { transform } from './transform.ts';

/** What {@link fromAsyncIterable} reads; a function is given a signal that ends with the pipeline. */
export type AsyncSource<T> = AsyncIterable<T> | ((signal: AbortSignal) => AsyncIterable<T>);

/** Options of {@link fromAsyncIterable}. */
export interface AsyncIterableOptions<T> {
  /**
   * An element's time, in milliseconds since 1970; a fraction of a millisecond is cut off.
   * @default when it was read
   */
  timestamp?: (element: T) => Instant;
  /**
   * With `timestamp`: by how many milliseconds an element may be older than the newest before it
   * without being late. @default 0
   */
  maxDelay?: number;
  /** Whether the iterable ends by itself, so that the output is a bounded PCollection. @default false */
  bounded?: boolean;
  /** @default the coder for plain JavaScript values */
  coder?: Coder<T>;
  /** The elements' type, in place of a coder. */
  schema?: SchemaType<T>;
}

/** Outputs wait for the end of their bundle: it ends when nothing comes for so long, … */
const QUIET_MILLIS = 20;
/** … or after so long, or so many elements. */
const BUNDLE_MILLIS = 500;
const BUNDLE_ELEMENTS = 10_000;

/**
 * The elements of an async iterable: a generator, a stream, the events of an emitter. It is read one
 * element at a time, no faster than the pipeline takes them, and the source ends where it ends. When
 * the pipeline is cancelled or fails, its `return()` is called and the signal given to a function
 * aborts.
 *
 * It is read in this process and once: no runner can repeat what it gave, or read it elsewhere. Give a
 * function where the pipeline runs more than once.
 *
 * @throws `INVALID_ARGUMENT` for what is not async iterable
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
  const { coder, schema } = options;
  const declared = coder ?? (schema && coderOf(schema));
  const plain = new JsCoder() as Coder<unknown> as Coder<T>;
  return transform('fromAsyncIterable', (root) =>
    root
      .apply(impulse())
      .apply(
        splittableStep(
          new ReadIterable(source, options),
          declared ?? plain,
          declared !== undefined,
        ),
      ),
  );
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  const given = value as Partial<AsyncIterable<unknown>> | null | undefined;
  return typeof given?.[Symbol.asyncIterator] === 'function';
}

/** The one reader of an iterable, with the element that was asked for and not yet taken. */
class Reader<T> {
  private readonly ending = new AbortController();
  private readonly iterator: AsyncIterator<T>;
  private pending: Promise<IteratorResult<T>> | undefined;
  /** How many elements were taken. */
  position = 0;
  private ended = false;

  constructor(source: AsyncSource<T>) {
    const iterable: unknown = typeof source === 'function' ? source(this.ending.signal) : source;
    if (!isAsyncIterable(iterable)) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `the function given to fromAsyncIterable returned ${describeValue(iterable)}`,
        { hint: 'Return an async iterable, such as the result of an async generator.' },
      );
    }
    this.iterator = (iterable as AsyncIterable<T>)[Symbol.asyncIterator]();
  }

  /** The next element, which stays the next until it is taken; undefined when none came in time. */
  async peek(millis: number, signal: AbortSignal): Promise<IteratorResult<T> | undefined> {
    if (!this.pending) {
      this.pending = this.iterator.next();
      // Nobody may be waiting when it fails; the next who looks hears of it.
      this.pending.catch(() => {});
    }
    const over = new AbortController();
    try {
      return await Promise.race([
        this.pending,
        nap(millis, AbortSignal.any([signal, over.signal])).then(() => undefined),
      ]);
    } finally {
      over.abort();
    }
  }

  take(): void {
    this.pending = undefined;
    this.position += 1;
  }

  end(): void {
    this.ended = true;
  }

  /** Tells the iterable that nobody reads it any longer. It may not answer, so nobody waits. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.ending.abort();
    void Promise.resolve(this.iterator.return?.()).catch(() => {});
  }
}

class ReadIterable<T>
  implements
    SplittableDoFn<Uint8Array, T, OffsetRange, number, undefined, ManualWatermarkEstimator, Instant>
{
  readonly beamName = 'read';
  readonly bounded: boolean;
  private reader: Reader<T> | undefined;

  constructor(
    private readonly source: AsyncSource<T>,
    private readonly options: AsyncIterableOptions<T>,
  ) {
    this.bounded = options.bounded ?? false;
  }

  initialRestriction(): OffsetRange {
    return offsetRange(0, Infinity);
  }

  newTracker(range: OffsetRange): GrowableOffsetRangeTracker {
    return new GrowableOffsetRangeTracker(range);
  }

  newWatermarkEstimator(state?: Instant): ManualWatermarkEstimator {
    return new ManualWatermarkEstimator(state);
  }

  async *process(
    _: Uint8Array,
    tracker: RestrictionTracker<OffsetRange, number>,
    __: undefined,
    { watermark, signal }: SplittableCall<ManualWatermarkEstimator>,
  ) {
    const reader = this.readerAt(tracker.currentRestriction().start);
    const began = performance.now();
    for (let count = 0; count < BUNDLE_ELEMENTS; count++) {
      const left = BUNDLE_MILLIS - (performance.now() - began);
      if (left <= 0 || signal.aborted) break;
      const next = await reader.peek(count > 0 ? Math.min(QUIET_MILLIS, left) : left, signal);
      if (!next) break;
      // What the runner has given away in the meantime is another call's to take.
      if (!tracker.tryClaim(next.done ? Infinity : reader.position)) {
        if (next.done) reader.end();
        return undefined;
      }
      if (next.done) return undefined;
      reader.take();
      yield this.timed(next.value, watermark);
    }
    if (!this.options.timestamp) raise(watermark, Date.now());
    return resume();
  }

  private timed(element: T, watermark: ManualWatermarkEstimator) {
    const { timestamp, maxDelay = 0 } = this.options;
    if (!timestamp) return timestamped(element, Date.now());
    const at = instantOf(timestamp(element), 'the timestamp of an element');
    raise(watermark, at - maxDelay);
    return timestamped(element, at);
  }

  private readerAt(position: number): Reader<T> {
    if (!this.reader) this.reader = new Reader(this.source);
    if (this.reader.position === position) return this.reader;
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `element ${position} of the iterable is asked for, but ${this.reader.position} were read`,
      {
        hint: 'An iterable is read once, in one process: give it to a runner that does not retry.',
      },
    );
  }

  teardown(): void {
    this.reader?.close();
    this.reader = undefined;
  }
}

function raise(watermark: ManualWatermarkEstimator, at: Instant): void {
  if (at > watermark.currentWatermark()) watermark.setWatermark(at);
}
