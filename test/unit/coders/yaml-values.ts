// SPDX-License-Identifier: Apache-2.0
// The JSON values of standard_coders.yaml as the values that our coders have.

import {
  type Coder,
  CustomWindowCoder,
  Decimal,
  type FieldType,
  GlobalWindow,
  type Instant,
  IntervalWindow,
  IterableCoder,
  KVCoder,
  MicrosInstant,
  NullableCoder,
  ParamWindowedValueCoder,
  RowCoder,
  ShardedKeyCoder,
  StateBackedIterableCoder,
  TimerCoder,
  Timing,
  WindowedValueCoder,
} from '../../../src/coders/index.ts';

/** The file writes bytes as the characters U+0000 to U+00FF. */
export function toBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

const fields = (json: unknown) => new Map(json as Map<string, unknown>);

/** The value that `json` describes, for this coder. */
export function toValue(coder: Coder<unknown>, json: unknown): unknown {
  if (coder instanceof KVCoder) {
    const pair = fields(json);
    return {
      key: toValue(coder.key, pair.get('key')),
      value: toValue(coder.value, pair.get('value')),
    };
  }
  if (coder instanceof NullableCoder) return json === null ? null : toValue(coder.value, json);
  if (coder instanceof IterableCoder || coder instanceof StateBackedIterableCoder) {
    return (json as unknown[]).map((item) => toValue(coder.element, item));
  }
  if (coder instanceof ShardedKeyCoder) {
    const sharded = fields(json);
    return {
      key: toValue(coder.key, sharded.get('key')),
      shardId: toBytes(sharded.get('shardId') as string),
    };
  }
  if (coder instanceof CustomWindowCoder) return toValue(coder.window, fields(json).get('window'));
  if (coder instanceof WindowedValueCoder || coder instanceof ParamWindowedValueCoder) {
    const element = fields(json);
    return {
      value: toValue(coder.value, element.get('value')),
      timestamp: toInstant(element.get('timestamp')),
      windows: (element.get('windows') as unknown[]).map((item) => toValue(coder.window, item)),
      pane: toPane(element.get('pane')),
    };
  }
  if (coder instanceof TimerCoder) return toTimer(coder, json);
  if (coder instanceof RowCoder) return toField(coder.type, json);
  return toSingle(coder.spec().urn, json);
}

function toSingle(urn: string, json: unknown): unknown {
  switch (urn) {
    case 'beam:coder:bytes:v1':
      return toBytes(json as string);
    case 'beam:coder:varint:v1':
      return Number(json);
    case 'beam:coder:double:v1':
      return Number(json);
    case 'beam:coder:global_window:v1':
      return GlobalWindow.INSTANCE;
    case 'beam:coder:interval_window:v1': {
      const window = fields(json);
      const end = window.get('end') as bigint;
      return new IntervalWindow(toInstant(end - (window.get('span') as bigint)), toInstant(end));
    }
    default:
      return json;
  }
}

function toInstant(json: unknown): Instant {
  return Number(json);
}

function toPane(json: unknown) {
  const pane = fields(json);
  return {
    isFirst: pane.get('is_first'),
    isLast: pane.get('is_last'),
    timing: Timing[pane.get('timing') as keyof typeof Timing],
    index: Number(pane.get('index')),
    onTimeIndex: Number(pane.get('on_time_index')),
  };
}

function toTimer(coder: TimerCoder<unknown>, json: unknown) {
  const timer = fields(json);
  const base = {
    userKey: timer.get('userKey'),
    dynamicTimerTag: timer.get('dynamicTimerTag'),
    windows: (timer.get('windows') as unknown[]).map((item) => toValue(coder.window, item)),
    clearBit: timer.get('clearBit'),
  };
  if (base.clearBit) return base;
  return {
    ...base,
    fireTimestamp: toInstant(timer.get('fireTimestamp')),
    holdTimestamp: toInstant(timer.get('holdTimestamp')),
    pane: toPane(timer.get('pane')),
  };
}

function toField(type: FieldType, json: unknown): unknown {
  switch (type.kind) {
    case 'nullable':
      return json === null ? null : toField(type.value, json);
    case 'row': {
      const row = fields(json);
      return Object.fromEntries(
        type.fields.map((field) => [field.name, toField(field.type, row.get(field.name))]),
      );
    }
    case 'array':
    case 'iterable':
      return (json as unknown[]).map((item) => toField(type.element, item));
    case 'map': {
      const entries = [...fields(json)];
      return new Map(
        entries.map(([key, item]) => [toField(type.key, key), toField(type.value, item)]),
      );
    }
    case 'logical':
      return toLogical(type.urn, type.representation, json);
    case 'bytes':
      return toBytes(json as string);
    case 'bigint64':
      return json;
    case 'float32':
      return Math.fround(Number(json));
    case 'string':
    case 'boolean':
    case 'enumeration':
      return json;
    default:
      return Number(json);
  }
}

function toLogical(urn: string, representation: FieldType, json: unknown): unknown {
  switch (urn) {
    case 'beam:logical_type:millis_instant:v1':
      // The file shows the raw eight bytes as an int64: the sign bit is flipped.
      return new Date(Number(BigInt.asIntN(64, (json as bigint) + 2n ** 63n)));
    case 'beam:logical_type:micros_instant:v1': {
      const instant = fields(json);
      return new MicrosInstant(
        (instant.get('seconds') as bigint) * 1_000_000n + (instant.get('micros') as bigint),
      );
    }
    case 'beam:logical_type:decimal:v1':
      return Decimal.from(json as string);
    default:
      return toField(representation, json);
  }
}

/** The coder, with int64 as bigint where the example holds an integer beyond the safe ones. */
export function widened(coder: Coder<unknown>, json: unknown): Coder<unknown> {
  if (!(coder instanceof RowCoder) || !holdsUnsafe(json)) return coder;
  return new RowCoder(withBigInts(coder.type) as typeof coder.type);
}

function holdsUnsafe(json: unknown): boolean {
  if (json instanceof Map) return [...json.values()].some(holdsUnsafe);
  // Instants are bigints in the file, and never int64 fields.
  return typeof json === 'bigint' && json === 2n ** 63n - 1n;
}

function withBigInts(type: FieldType): FieldType {
  switch (type.kind) {
    case 'int64':
      return { kind: 'bigint64' };
    case 'nullable':
      return { kind: 'nullable', value: withBigInts(type.value) as typeof type.value };
    case 'map':
      return { ...type, key: withBigInts(type.key), value: withBigInts(type.value) };
    case 'row':
      return {
        kind: 'row',
        fields: type.fields.map(({ name, type }) => ({ name, type: withBigInts(type) })),
      };
    default:
      return type;
  }
}
