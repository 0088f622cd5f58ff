// SPDX-License-Identifier: Apache-2.0
// What the bundles of a run have counted, added up as they end, so that a run of months takes no more
// memory than one of seconds.

import { ByteReader, ByteWriter } from '../../../base/index.ts';
import type { MonitoringInfo } from '../../../harness/index.ts';
import { create, pb, urns } from '../../../proto/index.ts';

const TYPES = urns.MonitoringInfoTypeUrns_Enum;
const { ELEMENT_COUNT } = urns.MonitoringInfoSpecs_Enum;

type Merge = (a: ByteReader, b: ByteReader, out: ByteWriter) => void;

const int = (reader: ByteReader) => reader.signedVarint() ?? Number(reader.varint64());

function writeInt(value: number, out: ByteWriter): void {
  if (Number.isSafeInteger(value)) out.signedVarint(value);
  else out.varint64(BigInt(value));
}

function distribution(
  read: (reader: ByteReader) => number,
  write: (v: number, out: ByteWriter) => void,
): Merge {
  return (a, b, out) => {
    writeInt(int(a) + int(b), out);
    write(read(a) + read(b), out);
    write(Math.min(read(a), read(b)), out);
    write(Math.max(read(a), read(b)), out);
  };
}

/** By type of the metric; of those that are not here the last report counts. */
const MERGES = new Map<string, Merge>([
  [TYPES.SUM_INT64_TYPE, (a, b, out) => writeInt(int(a) + int(b), out)],
  [TYPES.SUM_DOUBLE_TYPE, (a, b, out) => out.float64(a.float64() + b.float64())],
  [TYPES.DISTRIBUTION_INT64_TYPE, distribution(int, writeInt)],
  [
    TYPES.DISTRIBUTION_DOUBLE_TYPE,
    distribution(
      (reader) => reader.float64(),
      (value, out) => out.float64(value),
    ),
  ],
]);

export class MetricStore {
  private readonly infos = new Map<string, MonitoringInfo>();

  add(infos: readonly MonitoringInfo[]): void {
    for (const info of infos) {
      const id = JSON.stringify([info.urn, Object.entries(info.labels).sort()]);
      const before = this.infos.get(id);
      this.infos.set(id, before ? merged(before, info) : info);
    }
  }

  /**
   * Elements of the PCollection that has the most.
   *
   * @param running - what bundles have counted that are not over
   */
  elements(running: Iterable<MonitoringInfo>): number {
    return Math.max(0, ...this.elementCounts(running));
  }

  /** Elements of all PCollections together. */
  sumOfElements(running: Iterable<MonitoringInfo>): number {
    let sum = 0;
    for (const count of this.elementCounts(running)) sum += count;
    return sum;
  }

  private elementCounts(running: Iterable<MonitoringInfo>): Iterable<number> {
    const counts = new Map<string, number>();
    for (const { urn, labels, payload } of [...this.infos.values(), ...running]) {
      if (urn !== ELEMENT_COUNT) continue;
      const id = labels.PCOLLECTION ?? '';
      counts.set(id, (counts.get(id) ?? 0) + int(new ByteReader(payload)));
    }
    return counts.values();
  }

  all(): pb.MonitoringInfo[] {
    return [...this.infos.values()].map(({ urn, type, payload, labels }) =>
      create(pb.MonitoringInfoSchema, { urn, type, payload, labels }),
    );
  }
}

function merged(a: MonitoringInfo, b: MonitoringInfo): MonitoringInfo {
  const merge = MERGES.get(b.type);
  if (!merge || a.payload.length === 0) return b;
  const out = new ByteWriter(32);
  merge(new ByteReader(a.payload), new ByteReader(b.payload), out);
  return { ...b, payload: out.take() };
}
