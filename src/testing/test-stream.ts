// SPDX-License-Identifier: Apache-2.0
// A source that plays a script of elements, watermarks and passing time.

import { BeamBridgeError } from '../base/index.ts';
import {
  BytesCoder,
  type Coder,
  decodeValue,
  describeValue,
  encodeValue,
  exactMillis,
  type Instant,
  instantOf,
  JsCoder,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
} from '../coders/index.ts';
import {
  newOutput,
  type PCollection,
  type Pipeline,
  PTransformClass,
  type Root,
  type StateType,
  TimestampedValue,
  type TransformNode,
  windowingStrategy,
} from '../pipeline/index.ts';
import { create, type MessageInitShape, pb, toBinary, urns } from '../proto/index.ts';
import { coderOf, isSchemaType, type SchemaType } from '../schema/index.ts';
import { globalWindows, mapStep } from '../transforms/index.ts';

type Event = MessageInitShape<typeof pb.TestStreamPayload_EventSchema>;

/** What a stream holds so far. */
interface Script<T> {
  readonly coder: Coder<T>;
  readonly events: readonly Event[];
  readonly watermark: Instant;
}

/**
 * An unbounded source that plays a script: elements arrive, the watermark advances, the clock moves,
 * in this order and in no other. After each step everything that can follow from it has happened
 * before the next one is taken, so that a test of windows, triggers and late data is repeatable.
 * The clock of the whole pipeline is the script's: processing-time timers wait for it.
 *
 * Each method gives a new stream and leaves the old one as it was. A script that does not end with
 * {@link advanceWatermarkToInfinity} is played as if it did.
 *
 * Runners: `node`, and job services that know Beam's TestStream, as Prism does. Source:
 * https://beam.apache.org/blog/test-stream/
 *
 * @example
 * ```ts
 * const words = root.apply(
 *   testStream(string)
 *     .addElements(timestamped('early', 1_000))
 *     .advanceWatermarkTo(60_000)
 *     .addElements(timestamped('late', 2_000))
 *     .advanceProcessingTime(5_000)
 *     .advanceWatermarkToInfinity(),
 * );
 * ```
 */
export class TestStream<T> extends PTransformClass<Root, PCollection<T>> {
  /** Made by {@link testStream}. @internal */
  constructor(private readonly script: Script<T>) {
    super('testStream');
  }

  /**
   * Elements arrive, together. Plain ones have the watermark's time, those made by `timestamped`
   * their own, which may be behind the watermark.
   *
   * @throws `CODER_MISMATCH`, `ROW_MISMATCH` for an element that does not fit the declared type
   */
  addElements(...elements: readonly (T | TimestampedValue<T>)[]): TestStream<T> {
    const { coder, watermark } = this.script;
    return this.with({
      case: 'elementEvent',
      value: {
        elements: elements.map((element) => {
          const isTimed = element instanceof TimestampedValue;
          return {
            encodedElement: encodeValue(coder, isTimed ? element.value : element),
            timestamp: exactMillis(isTimed ? element.timestamp : watermark),
          };
        }),
      },
    });
  }

  /**
   * Says that nothing earlier is expected from here on.
   *
   * @param to - milliseconds since 1970; a fraction is cut off
   * @throws `INVALID_ARGUMENT` when it would go backwards, or is no time
   */
  advanceWatermarkTo(to: Instant): TestStream<T> {
    const before = this.script.watermark;
    const watermark = instantOf(to, 'the watermark of a test stream');
    if (watermark < before) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `the watermark would go backwards, from ${before} to ${watermark}`,
        {
          hint: 'A watermark only advances. For a late element, add timestamped(value, time) with a time behind the watermark.',
        },
      );
    }
    const exact = exactMillis(watermark);
    return this.with({ case: 'watermarkEvent', value: { newWatermark: exact } }, watermark);
  }

  /**
   * The clock moves on.
   *
   * @param millis - by how many milliseconds
   * @throws `INVALID_ARGUMENT` unless it is a whole number above 0
   */
  advanceProcessingTime(millis: number): TestStream<T> {
    if (!Number.isSafeInteger(millis) || millis <= 0) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `the clock cannot be moved on by ${describeValue(millis)} milliseconds`,
        { hint: 'Give a whole number of milliseconds above 0: it is a duration, not a time.' },
      );
    }
    return this.with({
      case: 'processingTimeEvent',
      value: { advanceDuration: BigInt(millis) },
    });
  }

  /** The end: every window closes. */
  advanceWatermarkToInfinity(): TestStream<T> {
    return this.advanceWatermarkTo(MAX_TIMESTAMP);
  }

  private with(
    event: NonNullable<Event['event']>,
    watermark = this.script.watermark,
  ): TestStream<T> {
    if (this.script.watermark === MAX_TIMESTAMP) {
      throw new BeamBridgeError('INVALID_ARGUMENT', 'the test stream goes on after its end', {
        hint: 'Make advanceWatermarkToInfinity() the last step.',
      });
    }
    const events = [...this.script.events, { event }];
    return new TestStream<T>({ ...this.script, events, watermark });
  }

  /**
   * To the runner every element is bytes: each knows that coder, and agrees with the others on what
   * a value alone looks like in it. Kinds such as key-values are nested differently from SDK to SDK.
   */
  override expand(root: Root): PCollection<T> {
    const { coder, watermark } = this.script;
    if (watermark !== MAX_TIMESTAMP) return this.advanceWatermarkToInfinity().expand(root);
    return root
      .apply(new Events(this.script.events))
      .apply(mapStep('decode', (bytes: Uint8Array) => decodeValue(coder, bytes), coder));
  }
}

/** The primitive, a source of encoded elements. */
class Events extends PTransformClass<Root, PCollection<Uint8Array>> {
  constructor(private readonly events: readonly Event[]) {
    super('TestStream');
  }

  override expandInternal(_root: Root, pipeline: Pipeline, node: TransformNode) {
    const coder = new BytesCoder();
    node.spec = {
      urn: urns.StandardPTransforms_Primitives.TEST_STREAM,
      payload: (proto) =>
        toBinary(
          pb.TestStreamPayloadSchema,
          create(pb.TestStreamPayloadSchema, {
            coderId: proto.coderId(coder as Coder<unknown>),
            events: [...this.events],
          }),
        ),
    };
    return newOutput(pipeline, node, 'main', coder, {
      windowing: windowingStrategy(globalWindows()),
      bounded: false,
    });
  }
}

/**
 * An empty {@link TestStream}.
 *
 * @param type - of the elements: a type such as `int64` or `row({ … })`, or a coder.
 *   @default any plain JavaScript value
 */
export function testStream<T>(type?: StateType<T>): TestStream<T> {
  const coder =
    type === undefined
      ? (new JsCoder() as Coder<unknown> as Coder<T>)
      : isSchemaType(type)
        ? coderOf(type as SchemaType<T>)
        : (type as Coder<T>);
  return new TestStream<T>({ coder, events: [], watermark: MIN_TIMESTAMP });
}
