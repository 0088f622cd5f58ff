// SPDX-License-Identifier: Apache-2.0
// Examples to packed batches. A batch holds rows of one window and pane; each keeps its
// own timestamp beside the data. See python-env/beambridge_host/inference.py for the bytes.

import { BeamBridgeError, ByteReader, ByteWriter, latin1 } from '../base/index.ts';
import {
  type Coder,
  describeValue,
  encodeValue,
  GlobalWindow,
  type Instant,
  type KV,
  NO_FIRING,
  type PaneInfo,
  type Window,
  type WindowedValue,
} from '../coders/index.ts';
import type { SideInputParam } from '../pipeline/index.ts';
import type { SchemaType } from '../schema/index.ts';
import {
  type DoFn,
  paneInfoParam,
  TaggedOutput,
  TimestampedValue,
  tagged,
  timestampParam,
  windowParam,
} from '../transforms/index.ts';
import { ColumnCodec } from './columns.ts';
import { isMisfit, REJECTED, rejection } from './dead-letters.ts';
import {
  type CurrentModels,
  type Models,
  OWN_MODEL,
  readUpdates,
  type TimedUpdate,
  writeUpdates,
} from './updates.ts';

/** A batch is full at so many rows… */
const MAX_ROWS = 4096;
/** …or at about so many bytes before packing, which leaves the megabyte that gRPC moves best. */
const MAX_BYTES = 2 * 1024 * 1024;
/** How many times as many bytes a batch may have that must have a number of rows. */
const WIDER = 32;

/** What the declared types say about a transform's rows. */
export interface InferenceTypes {
  example: SchemaType;
  inference: SchemaType;
  modelId?: SchemaType | undefined;
  key?: SchemaType | undefined;
}

/** The fields of an output row beside the example, in the order of their columns. */
export function predictedFields(types: InferenceTypes): [string, SchemaType][] {
  const fields: [string, SchemaType][] = [['inference', types.inference]];
  if (types.modelId) fields.push(['model_id', types.modelId]);
  return fields;
}

/**
 * Parameters of the packing DoFn.
 *
 * @param updates - the side input of model updates, if there is one
 */
export function packingContext(updates?: SideInputParam<readonly TimedUpdate[], CurrentModels>) {
  const context = { window: windowParam(), timestamp: timestampParam(), pane: paneInfoParam() };
  return updates ? { ...context, updates } : context;
}
type Context = ReturnType<typeof packingContext> & {
  updates?: SideInputParam<readonly TimedUpdate[], CurrentModels>;
};

/** How large a packed batch may become. */
export interface PackLimits {
  readonly rows: number;
  readonly bytes: number;
}
const LIMITS: PackLimits = { rows: MAX_ROWS, bytes: MAX_BYTES };

/** The limits when batches are to have at least so many rows. */
export function packLimits(minRows: number | undefined): PackLimits {
  if (minRows === undefined) return LIMITS;
  // What a handler is to get at once is not cut by what travels best.
  return { rows: Math.max(MAX_ROWS, minRows), bytes: MAX_BYTES * WIDER };
}

/** The rows of one window and pane, for one model, that are not sent yet. */
class Buffer {
  readonly keys: unknown[] = [];
  readonly examples: unknown[] = [];
  readonly timestamps: number[] = [];
  size = 0;

  constructor(
    readonly window: Window,
    readonly pane: PaneInfo,
    readonly models: Models = OWN_MODEL,
  ) {}

  get earliest(): Instant {
    return this.timestamps.reduce((a, b) => Math.min(a, b));
  }
}

/** Gathers examples, per window and pane, into batches of bytes. */
export class PackExamples implements DoFn<unknown, Uint8Array, Context> {
  private readonly buffers = new Map<string, Buffer>();
  private readonly examples: ColumnCodec;
  private readonly keys: ColumnCodec | undefined;

  constructor(
    types: InferenceTypes,
    private readonly windowCoder: Coder<Window>,
    /** Whether what does not fit its type goes to another output, instead of failing the run. */
    private readonly rejects = false,
    private readonly limits: PackLimits = LIMITS,
  ) {
    this.examples = new ColumnCodec('example', types.example);
    this.keys = types.key && new ColumnCodec('key', types.key);
  }

  startBundle(): void {
    this.buffers.clear();
  }

  process(element: unknown, context: Context) {
    const window = context.window.lookup();
    const pane = context.pane.lookup();
    const timestamp = context.timestamp.lookup();
    let key: unknown;
    let example = element;
    if (this.keys) {
      const pair = this.pair(element);
      if (pair instanceof TaggedOutput) return [pair];
      ({ key, value: example } = pair);
    }
    const models = context.updates?.lookup().at(timestamp, key) ?? OWN_MODEL;
    const id = models.id + this.bufferId(window, pane);
    const buffer = this.buffers.get(id) ?? new Buffer(window, pane, models);
    if (buffer.examples.length === 0) this.buffers.set(id, buffer);
    if (this.keys) {
      buffer.keys.push(key);
      buffer.size += roughSize(key);
    }
    buffer.examples.push(example);
    buffer.timestamps.push(timestamp);
    buffer.size += roughSize(example);
    const { rows, bytes } = this.limits;
    if (buffer.examples.length < rows && buffer.size < bytes) return undefined;
    this.buffers.delete(id);
    return this.outputs(buffer);
  }

  finishBundle(): WindowedValue<Uint8Array>[] {
    const rest: WindowedValue<unknown>[] = [];
    for (const buffer of this.buffers.values()) {
      if (buffer.examples.length === 0) continue;
      const { window, pane } = buffer;
      for (const output of this.outputs(buffer)) {
        const timed = output instanceof TaggedOutput ? output.value : output;
        const { value, timestamp } = timed as TimestampedValue<unknown>;
        rest.push({
          value: output instanceof TaggedOutput ? tagged(output.tag, value) : value,
          timestamp,
          windows: [window],
          pane,
        });
      }
    }
    this.buffers.clear();
    return rest as WindowedValue<Uint8Array>[];
  }

  /** One batch of several, or one for each model. */
  join(batches: readonly Uint8Array[]): Uint8Array[] {
    const joined = new Map<string, Buffer>();
    for (const batch of batches) {
      const input = new ByteReader(batch);
      const count = input.varint();
      const updates = input.prefixedBytes();
      const id = globalThis.Buffer.from(updates).toString('latin1');
      let buffer = joined.get(id);
      if (!buffer) {
        const models = { id, updates: readUpdates(updates) };
        buffer = new Buffer(GlobalWindow.INSTANCE, NO_FIRING, models);
        joined.set(id, buffer);
      }
      for (const timestamp of timestampsIn(input)) buffer.timestamps.push(timestamp);
      const keys = input.prefixedBytes();
      for (const key of this.keys?.read(keys, count) ?? []) buffer.keys.push(key);
      for (const example of this.examples.read(input.prefixedBytes(), count)) {
        buffer.examples.push(example);
      }
      buffer.size += batch.length;
    }
    return [...joined.values()].map((buffer) => this.encode(buffer));
  }

  private bufferId(window: Window, pane: PaneInfo): string {
    // Nearly always: one window, and no trigger upstream.
    if (window instanceof GlobalWindow && pane === NO_FIRING) return '';
    const { isFirst, isLast, timing, index, onTimeIndex } = pane;
    const bytes = encodeValue(this.windowCoder, window);
    const windowId = latin1(bytes);
    return `${isFirst} ${isLast} ${timing} ${index} ${onTimeIndex} ${windowId}`;
  }

  /** The element, or why it is no key-value. */
  private pair(element: unknown): KV<unknown, unknown> | TaggedOutput<unknown> {
    const pair = element as KV<unknown, unknown> | null;
    if (typeof pair === 'object' && pair !== null && 'key' in pair && 'value' in pair) return pair;
    const error = new BeamBridgeError(
      'ROW_MISMATCH',
      `RunInference.ofKVs takes { key, value } and not ${describeValue(element)}`,
      { hint: 'Give each element a key, or use RunInference.of.' },
    );
    if (this.rejects) return tagged(REJECTED, rejection(element, error));
    throw error;
  }

  /** The batch, which holds back the watermark for its earliest row, and what does not fit it. */
  private outputs(buffer: Buffer): (TimestampedValue<Uint8Array> | TaggedOutput<unknown>)[] {
    try {
      return [new TimestampedValue(this.encode(buffer), buffer.earliest)];
    } catch (error) {
      if (!this.rejects || !isMisfit(error)) throw error;
    }
    const fit = new Buffer(buffer.window, buffer.pane, buffer.models);
    const rejected: TaggedOutput<unknown>[] = [];
    buffer.examples.forEach((example, i) => {
      const timestamp = buffer.timestamps[i]!;
      const key = this.keys && buffer.keys[i];
      const error = this.misfit(example, key);
      if (error) {
        const element = this.keys ? { key, value: example } : example;
        rejected.push(tagged(REJECTED, new TimestampedValue(rejection(element, error), timestamp)));
      } else {
        if (this.keys) fit.keys.push(key);
        fit.examples.push(example);
        fit.timestamps.push(timestamp);
      }
    });
    if (fit.examples.length === 0) return rejected;
    return [new TimestampedValue(this.encode(fit), fit.earliest), ...rejected];
  }

  /** Why one row cannot be written. */
  private misfit(example: unknown, key: unknown): BeamBridgeError | undefined {
    try {
      this.keys?.write([key], new ByteWriter());
      this.examples.write([example], new ByteWriter());
      return undefined;
    } catch (error) {
      if (isMisfit(error)) return error;
      throw error;
    }
  }

  private encode(buffer: Buffer): Uint8Array {
    const out = new ByteWriter(buffer.size + 1024);
    out.varint(buffer.examples.length);
    out.prefixed((part) => writeUpdates(buffer.models.updates, part));
    out.prefixedBytes(new Uint8Array(Float64Array.from(buffer.timestamps).buffer));
    out.prefixed((column) => this.keys?.write(buffer.keys, column));
    out.prefixed((column) => this.examples.write(buffer.examples, column));
    return out.detach();
  }
}

/** About how many bytes a value takes: enough to keep batches of large examples small. */
function roughSize(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (Array.isArray(value)) {
    const [first] = value;
    return typeof first === 'number' ? value.length * 8 : sum(value);
  }
  return value instanceof Map ? sum([...value.values()]) : sum(Object.values(value));
}

function sum(values: readonly unknown[]): number {
  return values.reduce<number>((total, value) => total + roughSize(value), 0);
}

/** How many rows a packed batch holds. */
export function rowsOf(batch: Uint8Array): number {
  return new ByteReader(batch).varint();
}

/** The least timestamp in a packed batch. */
export function earliestOf(batch: Uint8Array): Instant {
  const input = new ByteReader(batch);
  input.varint();
  input.prefixedBytes();
  return timestampsIn(input).reduce((a, b) => Math.min(a, b));
}

/** The next part of a packed batch. */
export function timestampsIn(input: ByteReader): Float64Array {
  return new Float64Array(new Uint8Array(input.prefixedBytes()).buffer);
}
