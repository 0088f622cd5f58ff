// SPDX-License-Identifier: Apache-2.0
// Examples to packed batches and back. A batch holds rows of one window and pane; each keeps its
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
import {
  FAILED,
  type Failure,
  isMisfit,
  REJECTED,
  readFailures,
  rejection,
} from './dead-letters.ts';

/** A batch is full at so many rows… */
const MAX_ROWS = 4096;
/** …or at about so many bytes before packing, which leaves the megabyte that gRPC moves best. */
const MAX_BYTES = 2 * 1024 * 1024;

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

/** Parameters of the packing DoFn. */
export function packingContext() {
  return { window: windowParam(), timestamp: timestampParam(), pane: paneInfoParam() };
}
type Context = ReturnType<typeof packingContext>;

/** The rows of one window and pane that are not sent yet. */
class Buffer {
  readonly keys: unknown[] = [];
  readonly examples: unknown[] = [];
  readonly timestamps: number[] = [];
  size = 0;

  constructor(
    readonly window: Window,
    readonly pane: PaneInfo,
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
    const id = this.bufferId(window, pane);
    const buffer = this.buffers.get(id) ?? new Buffer(window, pane);
    if (buffer.examples.length === 0) this.buffers.set(id, buffer);
    if (this.keys) {
      const pair = this.pair(element);
      if (pair instanceof TaggedOutput) return [pair];
      buffer.keys.push(pair.key);
      buffer.size += roughSize(pair.key);
    }
    const example = this.keys ? (element as KV<unknown, unknown>).value : element;
    buffer.examples.push(example);
    buffer.timestamps.push(context.timestamp.lookup());
    buffer.size += roughSize(example);
    if (buffer.examples.length < MAX_ROWS && buffer.size < MAX_BYTES) return undefined;
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
    const fit = new Buffer(buffer.window, buffer.pane);
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

const NONE: ReadonlyMap<number, Failure> = new Map();

/** Batches with predictions to rows, each at its own time. */
export class UnpackPredictions implements DoFn<Uint8Array, unknown> {
  private readonly examples: ColumnCodec;
  private readonly keys: ColumnCodec | undefined;
  private readonly predicted: readonly (readonly [string, ColumnCodec])[];

  constructor(
    types: InferenceTypes,
    /** Names of the output's fields, in their declared order. */
    private readonly fields: readonly string[],
    /** Whether answers say which rows failed. */
    private readonly hasFailures = false,
  ) {
    this.examples = new ColumnCodec('example', types.example);
    this.keys = types.key && new ColumnCodec('key', types.key);
    this.predicted = predictedFields(types).map(([name, type]) => [
      name,
      new ColumnCodec(name, type),
    ]);
  }

  process(answer: Uint8Array): (TimestampedValue<unknown> | TaggedOutput<unknown>)[] {
    const input = new ByteReader(answer);
    const batch = new ByteReader(input.prefixedBytes());
    const count = batch.varint();
    const timestamps = new Float64Array(new Uint8Array(batch.prefixedBytes()).buffer);
    const keys = batch.prefixedBytes();
    const keyColumn = this.keys?.read(keys, count);
    const examples = this.examples.read(batch.prefixedBytes(), count);
    const failures = this.hasFailures ? readFailures(input.prefixedBytes()) : NONE;
    const columns: Record<string, unknown[]> = {};
    for (const [name, codec] of this.predicted) {
      columns[name] = codec.read(input.prefixedBytes(), count - failures.size);
    }
    const out = new Array<TimestampedValue<unknown> | TaggedOutput<unknown>>(count);
    for (let i = 0, predicted = 0; i < count; i++) {
      const failure = failures.get(i);
      const keyed = (value: unknown) => (keyColumn ? { key: keyColumn[i], value } : value);
      if (failure) {
        const failed = { element: keyed(examples[i]), ...failure };
        out[i] = tagged(FAILED, new TimestampedValue(failed, timestamps[i]!));
        continue;
      }
      const row: Record<string, unknown> = {};
      for (const name of this.fields) {
        row[name] = name === 'example' ? examples[i] : columns[name]![predicted];
      }
      predicted++;
      out[i] = new TimestampedValue(keyed(row), timestamps[i]!);
    }
    return out;
  }
}
