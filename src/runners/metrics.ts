// SPDX-License-Identifier: Apache-2.0
// The metrics of a job: the runner's monitoring infos decoded, and a small query over them.

import { ByteReader, checkOptionNames, type OptionNames } from '../base/index.ts';
import { type pb, urns } from '../proto/index.ts';

/** Where a metric was declared and which transform updated it. */
export interface MetricKey {
  namespace: string;
  name: string;
  /** Unique name of the transform. */
  transform: string;
}

/** Count, sum, least and greatest of what was reported. */
export interface DistributionValue {
  count: number;
  sum: number;
  min: number;
  max: number;
  /** Not enumerable: JSON and comparisons see the four others. */
  mean: number;
}

/** The latest value set, and when. */
export interface GaugeValue {
  value: number;
  /** Milliseconds since the epoch. */
  timestamp: number;
}

/** One metric of one transform. */
export interface MetricResult<V> extends MetricKey {
  value: V;
}

/** Which metrics a query wants; what is left out matches all. */
export interface MetricFilter {
  name?: string | undefined;
  namespace?: string | undefined;
  /** A transform's unique name, or the name of a composite that contains it. */
  transform?: string | undefined;
}

const FILTER: OptionNames<MetricFilter> = { name: true, namespace: true, transform: true };

/** What a query found, a result for each transform that updated a metric. */
export interface MetricQueryResults {
  counters: MetricResult<number>[];
  distributions: MetricResult<DistributionValue>[];
  gauges: MetricResult<GaugeValue>[];
}

interface Cells {
  counter: number;
  distribution: DistributionValue;
  gauge: GaugeValue;
}
type Kind = keyof Cells;
type Decoded = { [K in Kind]: { kind: K; value: Cells[K] } }[Kind];

/**
 * The user's metrics of a job.
 *
 * @example
 * ```ts
 * const result = await runner.run(pipeline);
 * const metrics = await result.metrics();
 * metrics.counters()['bad rows']; // summed over all transforms
 * metrics.query({ name: 'bad rows', transform: 'parse' }).counters;
 * ```
 */
export class MetricResults {
  private readonly cells: (MetricKey & Decoded)[];

  /** @internal */
  constructor(
    infos: readonly pb.MonitoringInfo[],
    transformName: (id: string) => string = (id) => id,
  ) {
    const cells = new Map<string, MetricKey & Decoded>();
    for (const info of infos) {
      const decoded = decodeInfo(info);
      if (!decoded) continue;
      const { NAMESPACE: namespace = '', NAME: name = '', PTRANSFORM: id = '' } = info.labels;
      const key: MetricKey = { namespace, name, transform: transformName(id) };
      const cell = JSON.stringify([decoded.kind, namespace, name, key.transform]);
      const before = cells.get(cell);
      // A runner may report the workers of one transform one by one.
      cells.set(cell, { ...key, ...(before ? merge(before, decoded) : decoded) });
    }
    this.cells = [...cells.values()];
  }

  /** The metrics that match, a result for each transform that updated one. */
  query(filter: MetricFilter = {}): MetricQueryResults {
    checkOptionNames('query', filter, FILTER);
    const found = this.cells.filter((cell) => matches(cell, filter));
    return {
      counters: select(found, 'counter'),
      distributions: select(found, 'distribution'),
      gauges: select(found, 'gauge'),
    };
  }

  /** Counters by name, summed over transforms and namespaces. */
  counters(): Record<string, number> {
    return this.byName('counter');
  }

  /** Distributions by name, merged over transforms and namespaces. */
  distributions(): Record<string, DistributionValue> {
    return this.byName('distribution');
  }

  /** The latest value of each gauge by name. */
  gauges(): Record<string, GaugeValue> {
    return this.byName('gauge');
  }

  private byName<K extends Kind>(kind: K): Record<string, Cells[K]> {
    const merged = new Map<string, Decoded>();
    for (const cell of this.cells) {
      if (cell.kind !== kind) continue;
      const before = merged.get(cell.name);
      merged.set(cell.name, before ? merge(before, cell) : cell);
    }
    return Object.fromEntries([...merged].map(([name, { value }]) => [name, value as Cells[K]]));
  }
}

function select<K extends Kind>(
  cells: readonly (MetricKey & Decoded)[],
  kind: K,
): MetricResult<Cells[K]>[] {
  return cells
    .filter((cell) => cell.kind === kind)
    .map(({ namespace, name, transform, value }) => ({
      namespace,
      name,
      transform,
      value: value as Cells[K],
    }));
}

function matches(key: MetricKey, { name, namespace, transform }: MetricFilter): boolean {
  return (
    (name === undefined || key.name === name) &&
    (namespace === undefined || key.namespace === namespace) &&
    (transform === undefined ||
      key.transform === transform ||
      key.transform.startsWith(`${transform}/`))
  );
}

function merge(a: Decoded, b: Decoded): Decoded {
  if (a.kind === 'counter' && b.kind === 'counter')
    return { kind: 'counter', value: a.value + b.value };
  if (a.kind === 'distribution' && b.kind === 'distribution') {
    const count = a.value.count + b.value.count;
    const sum = a.value.sum + b.value.sum;
    const min = Math.min(a.value.min, b.value.min);
    const max = Math.max(a.value.max, b.value.max);
    return { kind: 'distribution', value: newDistribution(count, sum, min, max) };
  }
  if (a.kind === 'gauge' && b.kind === 'gauge')
    return a.value.timestamp > b.value.timestamp ? a : b;
  return b;
}

function newDistribution(count: number, sum: number, min: number, max: number): DistributionValue {
  // Enumerable are the fields of the official SDK, so that its tests' comparisons hold here.
  const mean = { value: count === 0 ? Number.NaN : sum / count, enumerable: false };
  return Object.defineProperty({ count, sum, min, max }, 'mean', mean) as DistributionValue;
}

const Urns = urns.MonitoringInfoSpecs_Enum;

// Payloads: https://github.com/apache/beam/blob/master/model/pipeline/src/main/proto/org/apache/beam/model/pipeline/v1/metrics.proto
function decodeInfo(info: pb.MonitoringInfo): Decoded | undefined {
  const reader = new ByteReader(info.payload);
  const int = () => reader.signedVarint() ?? Number(reader.varint64());
  const double = () => reader.float64();
  switch (info.urn) {
    case Urns.USER_SUM_INT64:
      return { kind: 'counter', value: int() };
    case Urns.USER_SUM_DOUBLE:
      return { kind: 'counter', value: double() };
    case Urns.USER_DISTRIBUTION_INT64:
      return { kind: 'distribution', value: newDistribution(int(), int(), int(), int()) };
    case Urns.USER_DISTRIBUTION_DOUBLE:
      return { kind: 'distribution', value: newDistribution(int(), double(), double(), double()) };
    case Urns.USER_LATEST_INT64:
      return { kind: 'gauge', value: { timestamp: int(), value: int() } };
    case Urns.USER_LATEST_DOUBLE:
      return { kind: 'gauge', value: { timestamp: int(), value: double() } };
    default:
      return undefined;
  }
}
