// SPDX-License-Identifier: Apache-2.0
// Reading one partition: a splittable DoFn whose restriction is a range of offsets, without an end where
// the partition has none. It gives what was read ahead, and asks to be called again.

import { BeamBridgeError, getLogger } from '../../base/index.ts';
import { type Instant, instantOf, MIN_TIMESTAMP } from '../../coders/index.ts';
import {
  type BundleFinalizerParam,
  type Gauge,
  GrowableOffsetRangeTracker,
  type OffsetRange,
  offsetRange,
  type RestrictionTracker,
  resume,
  type SplittableCall,
  type SplittableDoFn,
  tagged,
  timestamped,
} from '../../pipeline/index.ts';
import type { PartitionAhead } from './ahead.ts';
import type { KafkaClient, TopicPartition } from './client.ts';
import type { OpenClient } from './discover.ts';
import { patiently } from './failures.ts';
import { Fetching } from './fetching.ts';
import { atTime, nameOf, type PartitionTask } from './look.ts';
import type { FailedMessage, KafkaHeader, KafkaMessage } from './messages.ts';
import type { ReadSpec } from './read-options.ts';
import type { ReadRecord } from './records.ts';
import type { TransactionCycle } from './transaction-cycle.ts';
import { KafkaWatermark } from './watermark.ts';

/** Tag of what could not be read. */
export const FAILED = 'failed';

/** How long a call waits for a first message. */
const WAIT_MS = 100;
/** So long after one has waited, or given something, none waits: others of its bundle have waited enough. */
const NO_WAIT_MS = 50;
/** So long one waits that is to give nothing before a transaction has ended. */
const PAUSE_MS = 10;
/** One call's share: others have their turn. */
const MOST_AT_ONCE = 20_000;

const log = getLogger('io');
const utf8 = new TextDecoder();

export interface ReadContext {
  /** There where offsets are committed. */
  readonly bundle?: BundleFinalizerParam;
  /** Of each partition one: what is told of how far it is. */
  readonly gauge: Gauge;
}

interface Open {
  readonly client: KafkaClient;
  readonly fetching: Fetching;
}

export class ReadPartition<K, V>
  implements
    SplittableDoFn<
      PartitionTask,
      KafkaMessage<K, V>,
      OffsetRange,
      number,
      ReadContext,
      KafkaWatermark,
      Instant
    >
{
  readonly beamName = 'read';
  readonly bounded: boolean;
  /** What was committed is not given to the next run. */
  readonly readsOnce: boolean;
  /** There where offsets are committed with what comes of the messages. */
  cycle: TransactionCycle | undefined;
  private opening: Promise<Open> | undefined;
  /** Ends as of times that were to come, by partition. */
  private readonly ends = new Map<string, number>();
  /** What was committed, or is about to be, by partition. */
  private readonly committed = new Map<string, number>();
  /** Partitions of which it was said that committing fails. */
  private readonly warned = new Set<string>();
  private quietUntil = 0;

  constructor(
    readonly spec: ReadSpec<K, V>,
    private readonly open: OpenClient<K, V>,
    private readonly hasDeadLetters: boolean,
  ) {
    this.bounded = spec.bounded;
    this.readsOnce = spec.commitOffsets;
  }

  initialRestriction({ start, stop }: PartitionTask): OffsetRange {
    return offsetRange(start, stop ?? Infinity);
  }

  newTracker(range: OffsetRange): GrowableOffsetRangeTracker {
    return new Messages(range, this.bounded);
  }

  initialWatermarkState({ since }: PartitionTask): Instant {
    return since === undefined ? MIN_TIMESTAMP : since - this.spec.policy.maxDelay;
  }

  newWatermarkEstimator(state?: Instant): KafkaWatermark {
    return new KafkaWatermark(state, this.spec.policy);
  }

  async process(
    task: PartitionTask,
    tracker: RestrictionTracker<OffsetRange, number>,
    context: ReadContext,
    { watermark, signal }: SplittableCall<KafkaWatermark>,
  ) {
    if (this.cycle?.pauses()) return resume(PAUSE_MS);
    const { start, stop } = tracker.currentRestriction();
    const { client, fetching } = await this.opened();
    let ahead = fetching.at(task, start);
    if (ahead.isEmpty && ahead.next < stop && performance.now() > this.quietUntil) {
      await fetching.wait(WAIT_MS, signal);
      this.quietUntil = performance.now() + NO_WAIT_MS;
      ahead = fetching.at(task, start);
    }
    await this.prepare(ahead.peek());
    const end = stop === Infinity ? await this.endOf(task, client) : stop;
    return this.give({ task, tracker, context, watermark, ahead, end });
  }

  /** What is there, and how far that is. */
  private *give(giving: Giving) {
    const state = yield* this.messages(giving);
    const { task, context, watermark, ahead } = giving;
    const { end, position } = ahead;
    const of = `${task.topic}/${task.partition}`;
    if (end !== undefined) context.gauge.named(`lag ${of}`).set(Math.max(0, end - position));
    const now = watermark.currentWatermark();
    if (now > MIN_TIMESTAMP) context.gauge.named(`watermark ${of}`).set(Math.floor(now));
    return state;
  }

  /** One message after the other, without a promise for each. */
  private *messages({ task, tracker, context, watermark, ahead, end: known }: Giving) {
    let count = 0;
    let last = -1;
    let end = known;
    const { until = Infinity, notBefore = -Infinity } = task;
    for (let record = ahead.peek(); record; record = ahead.peek()) {
      // The first message of that time is the end, even if the time itself is to come.
      if (record.timestamp >= until) end = Math.min(end, record.offset);
      // The end of a range that has none is claimed as such.
      if (record.offset >= end && tracker.currentRestriction().stop === Infinity) break;
      if (!this.isPrepared(record)) return resume();
      if (this.cycle?.pauses()) return resume(PAUSE_MS);
      if (!tracker.tryClaim(record.offset)) return undefined;
      ahead.take();
      if (last === -1) {
        this.cycle?.begins();
        context.bundle?.register(() => this.confirm(task, last + 1));
      }
      this.cycle?.gives();
      last = record.offset;
      if (timeOf(record) >= notBefore) yield this.output(task, record, watermark);
      count += 1;
      if (count >= MOST_AT_ONCE) return resume();
    }
    if (ahead.position >= end) {
      const { stop } = tracker.currentRestriction();
      tracker.tryClaim(stop);
      return undefined;
    }
    if (count > 0) this.quietUntil = performance.now() + NO_WAIT_MS;
    if (ahead.emptyAsOf !== undefined) watermark.wasEmpty(ahead.emptyAsOf);
    return resume(count > 0 ? 0 : NO_WAIT_MS);
  }

  /** Whether a record can be decoded at once: a schema may have to be asked for. */
  private isPrepared({ key, value }: ReadRecord): boolean {
    const { spec } = this;
    const canKey = !key || (spec.key.canDecode?.(key) ?? true);
    return canKey && (!value || (spec.value.canDecode?.(value) ?? true));
  }

  /** The first record at least; another that needs something ends the call, and is the first of the next. */
  private async prepare(record: ReadRecord | undefined): Promise<void> {
    if (!record || this.isPrepared(record)) return;
    const { key, value } = this.spec;
    if (record.key) await key.prepareDecode?.(record.key);
    if (record.value) await value.prepareDecode?.(record.value);
  }

  private output(task: TopicPartition, record: ReadRecord, watermark: KafkaWatermark) {
    const { topic, partition } = task;
    const { offset, headers } = record;
    const written = timeOf(record);
    const shared = { topic, partition, offset: BigInt(offset), timestamp: written };
    const message = { ...shared, key: null, value: null, headers: [] } as KafkaMessage<K, V>;
    let part = 'key';
    try {
      const { key, value, timestamp } = this.spec;
      if (record.key) message.key = key.decode(record.key);
      part = 'value';
      if (record.value) message.value = value.decode(record.value);
      if (headers.length > 0) message.headers = headersOf(record);
      part = 'timestamp';
      const at = timestamp ? instantOf(timestamp(message), 'the timestamp of a message') : written;
      watermark.read(at);
      return timestamped(message, at);
    } catch (thrown) {
      const error = BeamBridgeError.from(thrown, 'USER_CODE_FAILED');
      if (!this.hasDeadLetters) throw named(error, part, message);
      const failed: FailedMessage = {
        ...shared,
        key: record.key && new Uint8Array(record.key),
        value: record.value && new Uint8Array(record.value),
        headers: headersOf(record),
        part,
        errorType: thrown instanceof Error && thrown !== error ? thrown.name : error.code,
        message: error.shortMessage,
      };
      return tagged(FAILED, timestamped(failed, written));
    }
  }

  /** Where a partition ends whose end is that of a time; it is not known before. */
  private async endOf(task: PartitionTask, client: KafkaClient): Promise<number> {
    const { topic, partition, until } = task;
    if (until === undefined || Date.now() < until) return Infinity;
    const known = this.ends.get(nameOf(task));
    if (known !== undefined) return known;
    const what = `the end of partition ${partition} of ${topic} cannot be asked for`;
    const { found } = await patiently(what, this.spec.cluster, () =>
      atTime(client, topic, [partition], until),
    );
    const end = found.get(partition) ?? 0;
    this.ends.set(nameOf(task), end);
    return end;
  }

  /** All that came of the messages before an offset has gone to the end. */
  private confirm(at: TopicPartition, offset: number): Promise<void> {
    const { groupId = '' } = this.spec;
    return this.cycle ? this.cycle.settled(groupId, at, offset) : this.commit(groupId, at, offset);
  }

  private async commit(
    groupId: string,
    { topic, partition }: TopicPartition,
    offset: number,
  ): Promise<void> {
    const { cluster } = this.spec;
    const name = nameOf({ topic, partition });
    // Bundles may be told in another order than they ended in.
    if (offset <= (this.committed.get(name) ?? 0)) return;
    this.committed.set(name, offset);
    // After a failure its bundles may be taken over when it has been torn down.
    const late = this.opening ? undefined : await this.open(this.spec);
    const client = late ?? (await this.opened()).client;
    const what = `offset ${offset} of partition ${partition} of ${topic} cannot be committed for ${groupId}`;
    try {
      await patiently(what, cluster, async () => {
        // A later one has been committed while the broker was away.
        if (this.committed.get(name) !== offset) return;
        await client.commit(groupId, { topic, partition, offset });
      });
    } catch (error) {
      if (this.warned.has(name)) return;
      this.warned.add(name);
      log.warn(`${BeamBridgeError.from(error).shortMessage}; it is read again after a new start`);
    } finally {
      await late?.close();
    }
  }

  private opened(): Promise<Open> {
    this.opening ??= this.open(this.spec).then((client) => ({
      client,
      fetching: new Fetching({ client, cluster: this.spec.cluster }),
    }));
    return this.opening;
  }

  async teardown(): Promise<void> {
    const { opening } = this;
    this.opening = undefined;
    this.ends.clear();
    this.committed.clear();
    const opened = await opening?.catch(() => undefined);
    opened?.fetching.close();
    await opened?.client.close();
  }
}

/** Very old producers give none. */
const timeOf = ({ timestamp }: ReadRecord): Instant => (timestamp >= 0 ? timestamp : Date.now());

interface Giving {
  readonly task: PartitionTask;
  readonly tracker: RestrictionTracker<OffsetRange, number>;
  readonly context: ReadContext;
  readonly watermark: KafkaWatermark;
  readonly ahead: PartitionAhead;
  /** The offset at which it ends, as far as is known. */
  readonly end: number;
}

/** What comes to an end by itself is read to it, also in a drain. */
class Messages extends GrowableOffsetRangeTracker {
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

function headersOf({ headers }: ReadRecord): KafkaHeader[] {
  return headers.map(([key, value]) => ({
    key: utf8.decode(key),
    value: value && new Uint8Array(value),
  }));
}

function named<K, V>(
  error: BeamBridgeError,
  part: string,
  { topic, partition, offset }: KafkaMessage<K, V>,
): BeamBridgeError {
  const where = `offset ${offset} of partition ${partition} of ${topic}`;
  return new BeamBridgeError(
    error.code,
    `the ${part} of the message at ${where} cannot be read: ${error.shortMessage}`,
    {
      cause: error.cause,
      hint: 'With readFromKafka(…).withDeadLetters() such messages are an output of their own.',
    },
  );
}
