// SPDX-License-Identifier: Apache-2.0
// Columns without parts of an Arrow file that is written.

import { BeamBridgeError } from '../../base/index.ts';
import { urns } from '../../proto/index.ts';
import { type SchemaType, typeName } from '../../schema/index.ts';
import type { ParquetDecimal } from '../parquet/write-leaf.ts';
import { Bits, Growing } from './growing.ts';
import type { ArrowData, ArrowPackage, ArrowType } from './package.ts';

const L = urns.LogicalTypes_Enum;
const MILLISECOND = 1;
const MICROSECOND = 2;

/** A column that is written. */
export interface WrittenColumn {
  readonly type: ArrowType;
  /** A value as `parquetRows` makes it, which has looked at it; null for none. */
  append(raw: unknown): void;
  /** What was appended, with which it begins anew. */
  take(): ArrowData;
}

/** Where a type is, and what is said of its decimals. */
export interface Place {
  readonly path: string;
  readonly decimal: ParquetDecimal;
}

/** What columns of all types say of their nulls. */
export function nullsOf(valid: Bits | undefined): { nullCount: number; nullBitmap?: Uint8Array } {
  if (!valid) return { nullCount: 0 };
  const { zeros } = valid;
  const bits = valid.take();
  return zeros === 0 ? { nullCount: 0 } : { nullCount: zeros, nullBitmap: bits };
}

/** How values of a type without parts are written. */
export function leafColumn(
  arrow: ArrowPackage,
  type: SchemaType,
  { path, decimal }: Place,
  valid: Bits | undefined,
): WrittenColumn {
  switch (type.kind) {
    case 'boolean':
      return booleanColumn(arrow, valid);
    case 'byte':
      return numberColumn(arrow, new arrow.Int(true, 8), new Growing<number>(Int8Array), 0, valid);
    case 'int16':
      return numberColumn(
        arrow,
        new arrow.Int(true, 16),
        new Growing<number>(Int16Array),
        0,
        valid,
      );
    case 'int32':
      return numberColumn(
        arrow,
        new arrow.Int(true, 32),
        new Growing<number>(Int32Array),
        0,
        valid,
      );
    case 'int64':
    case 'bigint64':
      return longColumn(arrow, new arrow.Int(true, 64), valid);
    case 'float64':
      return numberColumn(arrow, new arrow.Float64(), new Growing<number>(Float64Array), 0, valid);
    case 'float32':
      return numberColumn(arrow, new arrow.Float32(), new Growing<number>(Float32Array), 0, valid);
    case 'string':
    case 'enumeration':
      return bytesColumn(arrow, new arrow.Utf8(), valid);
    case 'bytes':
      return bytesColumn(arrow, new arrow.Binary(), valid);
    case 'logical':
      if (type.urn === L.MILLIS_INSTANT)
        return longColumn(arrow, new arrow.Timestamp(MILLISECOND, 'UTC'), valid);
      if (type.urn === L.MICROS_INSTANT)
        return longColumn(arrow, new arrow.Timestamp(MICROSECOND, 'UTC'), valid);
      if (type.urn === L.DECIMAL) return decimalColumn(arrow, decimal, valid);
      break;
    default:
  }
  throw new BeamBridgeError('INTERNAL', `field ${path} is ${typeName(type)}, and was looked at`);
}

function longColumn(arrow: ArrowPackage, type: ArrowType, valid: Bits | undefined): WrittenColumn {
  return numberColumn(arrow, type, new Growing<bigint>(BigInt64Array), 0n, valid);
}

function numberColumn<V extends number | bigint>(
  arrow: ArrowPackage,
  type: ArrowType,
  values: Growing<V>,
  nothing: V,
  valid: Bits | undefined,
): WrittenColumn {
  return {
    type,
    append: (raw) => values.push((raw ?? nothing) as V),
    take() {
      const { length } = values;
      return arrow.makeData({ type, length, ...nullsOf(valid), data: values.take() });
    },
  };
}

function booleanColumn(arrow: ArrowPackage, valid: Bits | undefined): WrittenColumn {
  const type = new arrow.Bool();
  const values = new Bits();
  return {
    type,
    append: (raw) => values.push(raw === true),
    take() {
      const { length } = values;
      return arrow.makeData({ type, length, ...nullsOf(valid), data: values.take() });
    },
  };
}

/** Where each value ends, from 0 on. */
export class Ends {
  private readonly ends = new Growing<number>(Int32Array);

  get length(): number {
    return this.ends.length;
  }

  push(end: number): void {
    this.ends.push(end);
  }

  take(): Int32Array {
    const ends = this.ends.take() as Int32Array;
    const offsets = new Int32Array(ends.length + 1);
    offsets.set(ends, 1);
    return offsets;
  }
}

function bytesColumn(arrow: ArrowPackage, type: ArrowType, valid: Bits | undefined): WrittenColumn {
  const values = new Growing<number>(Uint8Array);
  const ends = new Ends();
  return {
    type,
    append(raw) {
      if (raw !== null)
        values.pushAll(typeof raw === 'string' ? Buffer.from(raw) : (raw as Uint8Array));
      ends.push(values.length);
    },
    take() {
      const { length } = ends;
      const valueOffsets = ends.take();
      return arrow.makeData({ type, length, ...nullsOf(valid), valueOffsets, data: values.take() });
    },
  };
}

function decimalColumn(
  arrow: ArrowPackage,
  { precision, scale }: ParquetDecimal,
  valid: Bits | undefined,
): WrittenColumn {
  const type = new arrow.Decimal(scale, precision, 128);
  const words = new Growing<number>(Uint32Array);
  return {
    type,
    append(raw) {
      let all = BigInt.asUintN(128, (raw ?? 0n) as bigint);
      for (let word = 0; word < 4; word++, all >>= 32n) words.push(Number(all & 0xffffffffn));
    },
    take() {
      const length = words.length / 4;
      return arrow.makeData({ type, length, ...nullsOf(valid), data: words.take() });
    },
  };
}
