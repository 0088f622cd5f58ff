// SPDX-License-Identifier: Apache-2.0
// What a bundle counts, in the form in which Beam carries it.
// Source: Beam's metrics.proto, MonitoringInfoSpecs.

import { BeamBridgeError, ByteWriter } from '../../base/index.ts';
import { DoubleCoder, IterableCoder } from '../../coders/index.ts';
import type { Metric, MetricKind } from '../../pipeline/index.ts';
import { urns } from '../../proto/index.ts';

/** One metric with its encoded value, as in Beam's message of this name. */
export interface MonitoringInfo {
  readonly urn: string;
  readonly type: string;
  readonly payload: Uint8Array;
  readonly labels: Record<string, string>;
}

const SPECS = urns.MonitoringInfoSpecs_Enum;
const PROGRESS_CODER = new IterableCoder(new DoubleCoder());
const TYPES = urns.MonitoringInfoTypeUrns_Enum;

/** A metric's value so far in one bundle. */
interface Cell {
  readonly urn: string;
  readonly type: string;
  update(value: number): void;
  encode(out: ByteWriter): void;
}

function writeInt64(value: number, out: ByteWriter): void {
  // Sums may leave the safe integers: they are as exact as doubles then.
  if (Number.isSafeInteger(value)) out.signedVarint(value);
  else out.varint64(BigInt(value));
}

class CounterCell implements Cell {
  readonly urn = SPECS.USER_SUM_INT64;
  readonly type = TYPES.SUM_INT64_TYPE;
  private sum = 0;

  update(value: number): void {
    this.sum += value;
  }

  encode(out: ByteWriter): void {
    writeInt64(this.sum, out);
  }
}

class DistributionCell implements Cell {
  readonly urn = SPECS.USER_DISTRIBUTION_INT64;
  readonly type = TYPES.DISTRIBUTION_INT64_TYPE;
  private count = 0;
  private sum = 0;
  private min = Number.MAX_SAFE_INTEGER;
  private max = Number.MIN_SAFE_INTEGER;

  update(value: number): void {
    this.count += 1;
    this.sum += value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }

  encode(out: ByteWriter): void {
    for (const part of [this.count, this.sum, this.min, this.max]) writeInt64(part, out);
  }
}

class GaugeCell implements Cell {
  readonly urn = SPECS.USER_LATEST_INT64;
  readonly type = TYPES.LATEST_INT64_TYPE;
  private value = 0;
  private at = 0;

  update(value: number): void {
    this.value = value;
    this.at = Date.now();
  }

  encode(out: ByteWriter): void {
    writeInt64(this.at, out);
    writeInt64(this.value, out);
  }
}

const CELLS: Record<MetricKind, new () => Cell> = {
  counter: CounterCell,
  distribution: DistributionCell,
  gauge: GaugeCell,
};

/** The user's metrics of one transform in one bundle. */
export class UserMetrics {
  private readonly cells = new Map<string, { metric: Metric; cell: Cell }>();
  /** The same by parameter, so that an update costs one lookup. */
  private readonly byParam = new Map<Metric, Cell>();

  constructor(
    private readonly transformId: string,
    private readonly namespace: string,
  ) {}

  /** Forgets everything: a bundle reports only its own counts. */
  reset(): void {
    this.cells.clear();
    this.byParam.clear();
  }

  /** @throws `INVALID_ARGUMENT` when the value is no whole number */
  update(metric: Metric, value: unknown): void {
    if (!Number.isSafeInteger(value)) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `the ${metric.kind} ${JSON.stringify(metric.metricName)} was given ${String(value)}`,
        { hint: 'Metrics hold whole numbers within the safe integers: round or scale the value.' },
      );
    }
    (this.byParam.get(metric) ?? this.cellOf(metric)).update(value as number);
  }

  private cellOf(metric: Metric): Cell {
    const key = JSON.stringify([metric.kind, metric.namespace ?? null, metric.metricName]);
    let entry = this.cells.get(key);
    if (!entry) {
      entry = { metric, cell: new CELLS[metric.kind]() };
      this.cells.set(key, entry);
    }
    this.byParam.set(metric, entry.cell);
    return entry.cell;
  }

  monitoringInfos(): MonitoringInfo[] {
    return [...this.cells.values()].map(({ metric, cell }) => ({
      urn: cell.urn,
      type: cell.type,
      payload: encoded((out) => cell.encode(out)),
      labels: {
        PTRANSFORM: this.transformId,
        NAMESPACE: metric.namespace ?? this.namespace,
        NAME: metric.metricName,
      },
    }));
  }
}

/** How many elements a PCollection got. */
export function elementCount(pcollectionId: string, count: number): MonitoringInfo {
  return {
    urn: SPECS.ELEMENT_COUNT,
    type: TYPES.SUM_INT64_TYPE,
    payload: encoded((out) => writeInt64(count, out)),
    labels: { PCOLLECTION: pcollectionId },
  };
}

/** Which element a data source is at. */
export function readIndex(transformId: string, index: number): MonitoringInfo {
  return {
    urn: SPECS.DATA_CHANNEL_READ_INDEX,
    type: TYPES.SUM_INT64_TYPE,
    payload: encoded((out) => writeInt64(index, out)),
    labels: { PTRANSFORM: transformId },
  };
}

/** How much of the element being processed is done, and how much is left. */
export function workProgress(
  transformId: string,
  { completed, remaining }: { completed: number; remaining: number },
): MonitoringInfo[] {
  const info = (urn: string, work: number) => ({
    urn,
    type: TYPES.PROGRESS_TYPE,
    payload: encoded((out) => PROGRESS_CODER.encode([work], out)),
    labels: { PTRANSFORM: transformId },
  });
  return [info(SPECS.WORK_COMPLETED, completed), info(SPECS.WORK_REMAINING, remaining)];
}

function encoded(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(16);
  write(out);
  return out.take();
}
