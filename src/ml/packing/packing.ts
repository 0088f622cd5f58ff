// SPDX-License-Identifier: Apache-2.0
// Examples to packed batches. A batch holds rows of one window and pane; each keeps its
// own timestamp beside the data. See python-env/beambridge_host/inference/inference.py for the bytes.

import { BeamBridgeError, ByteReader, ByteWriter, latin1 } from '../../base/index.ts';
import {
  type Coder,
  describeValue,
  encodeValue,
  GlobalWindow,
  isKeyValue,
  type KV,
  NO_FIRING,
  type PaneInfo,
  type Window,
  type WindowedValue,
} from '../../coders/index.ts';
import type { SideInputParam } from '../../pipeline/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import {
  type DoFn,
  paneInfoParam,
  TaggedOutput,
  TimestampedValue,
  tagged,
  timestampParam,
  windowParam,
} from '../../transforms/index.ts';
import { isMisfit, REJECTED, rejection } from '../failures/dead-letters.ts';
import {
  type CurrentModels,
  type Models,
  OWN_MODEL,
  readUpdates,
  type TimedUpdate,
  type Update,
} from '../updates/updates.ts';
import { BatchRows, paneId, timestampsIn } from './batch-rows.ts';
import { ColumnCodec } from './columns.ts';

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

/**
 * How many calls of a handler a packed batch is for, at most. It comes back as one: a handler that takes
 * a few rows at a time is slow, and what it has scored is to be seen, and safe, before thousands are.
 */
const MAX_CALLS = 32;

/** The limits when calls of the handler are to get at least, and at most, so many rows. */
export function packLimits(minRows: number | undefined, maxRows?: number): PackLimits {
  const rows = Math.min(MAX_ROWS, MAX_CALLS * (maxRows ?? MAX_ROWS));
  if (minRows === undefined) return { ...LIMITS, rows };
  // What a handler is to get at once is not cut by what travels best.
  return { rows: Math.max(rows, minRows), bytes: MAX_BYTES * WIDER };
}

/** The rows of one window and pane, for one model. */
interface Group {
  readonly window: Window;
  readonly pane: PaneInfo;
  readonly models: Models;
  readonly id: string;
  readonly rows: BatchRows;
}

/** Gathers examples, per window and pane, into batches of bytes. */
export class PackExamples implements DoFn<unknown, Uint8Array, Context> {
  private readonly groups = new Map<string, Group>();
  /** Of the latest row: nearly always that of the next one, too. */
  private latest: Group | undefined;
  private readonly examples: ColumnCodec;
  private readonly keys: ColumnCodec | undefined;

  constructor(
    private readonly types: InferenceTypes,
    private readonly windowCoder: Coder<Window>,
    /** Whether what does not fit its type goes to another output, instead of failing the run. */
    private readonly rejects = false,
    private readonly limits: PackLimits = LIMITS,
  ) {
    this.examples = new ColumnCodec('example', types.example);
    this.keys = types.key && new ColumnCodec('key', types.key);
  }

  forBundle(): PackExamples {
    return new PackExamples(this.types, this.windowCoder, this.rejects, this.limits);
  }

  startBundle(): void {
    this.groups.clear();
    this.latest = undefined;
  }

  process(element: unknown, context: Context) {
    const timestamp = context.timestamp.lookup();
    let key: unknown;
    let example = element;
    if (this.keys) {
      const pair = this.pair(element);
      if (pair instanceof TaggedOutput) return [pair];
      ({ key, value: example } = pair);
    }
    const models = context.updates?.lookup().at(timestamp, key) ?? OWN_MODEL;
    const group = this.group(context.window.lookup(), context.pane.lookup(), models);
    const { rows } = group;
    rows.add(example, key, timestamp);
    if (rows.count < this.limits.rows && rows.size < this.limits.bytes) return undefined;
    this.groups.delete(group.id);
    this.latest = undefined;
    return this.outputs(group);
  }

  finishBundle(): WindowedValue<Uint8Array>[] {
    const rest: WindowedValue<unknown>[] = [];
    for (const group of this.groups.values()) {
      const { window, pane } = group;
      for (const output of this.outputs(group)) {
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
    this.startBundle();
    return rest as WindowedValue<Uint8Array>[];
  }

  /** One batch of several, or one for each model. */
  join(batches: readonly Uint8Array[]): Uint8Array[] {
    const joined = new Map<string, { updates: readonly Update[]; rows: BatchRows }>();
    for (const batch of batches) {
      const input = new ByteReader(batch);
      const count = input.varint();
      const updates = input.prefixedBytes();
      const id = latin1(updates);
      let whole = joined.get(id);
      if (!whole) {
        whole = { updates: readUpdates(updates), rows: this.noRows() };
        joined.set(id, whole);
      }
      const timestamps = timestampsIn(input);
      const keyColumn = input.prefixedBytes();
      const keys = this.keys?.read(keyColumn, count);
      const examples = this.examples.read(input.prefixedBytes(), count);
      for (let i = 0; i < count; i++) whole.rows.add(examples[i], keys?.[i], timestamps[i]!);
    }
    return [...joined.values()].map(({ updates, rows }) => rows.encode(updates));
  }

  private noRows(): BatchRows {
    return new BatchRows(this.examples, this.keys, this.rejects);
  }

  private group(window: Window, pane: PaneInfo, models: Models): Group {
    const { latest } = this;
    if (latest?.window === window && latest.pane === pane && latest.models === models) {
      return latest;
    }
    const id = models.id + this.windowId(window, pane);
    const group = this.groups.get(id) ?? { window, pane, models, id, rows: this.noRows() };
    this.groups.set(id, group);
    this.latest = group;
    return group;
  }

  private windowId(window: Window, pane: PaneInfo): string {
    // Nearly always: one window, and no trigger upstream.
    if (window instanceof GlobalWindow && pane === NO_FIRING) return '';
    return `${paneId(pane)} ${latin1(encodeValue(this.windowCoder, window))}`;
  }

  /** The element, or why it is no key-value. */
  private pair(element: unknown): KV<unknown, unknown> | TaggedOutput<unknown> {
    if (isKeyValue(element)) return element;
    const error = new BeamBridgeError(
      'ROW_MISMATCH',
      `RunInference.ofKVs takes { key, value } and not ${describeValue(element)}`,
      { hint: 'Give each element a key, or use RunInference.of.' },
    );
    if (this.rejects) return tagged(REJECTED, rejection(element, error));
    throw error;
  }

  /** The batch, which holds back the watermark for its earliest row, and what does not fit it. */
  private outputs(group: Group): (TimestampedValue<Uint8Array> | TaggedOutput<unknown>)[] {
    const { updates } = group.models;
    try {
      return [new TimestampedValue(group.rows.encode(updates), group.rows.earliest)];
    } catch (error) {
      if (!this.rejects || !isMisfit(error)) throw error;
    }
    const fit = this.noRows();
    const rejected: TaggedOutput<unknown>[] = [];
    for (const { key, example, timestamp } of group.rows.rows()) {
      const error = this.misfit(example, key);
      if (error) {
        const element = this.keys ? { key, value: example } : example;
        rejected.push(tagged(REJECTED, new TimestampedValue(rejection(element, error), timestamp)));
      } else fit.add(example, key, timestamp);
    }
    if (fit.count === 0) return rejected;
    return [new TimestampedValue(fit.encode(updates), fit.earliest), ...rejected];
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
}
