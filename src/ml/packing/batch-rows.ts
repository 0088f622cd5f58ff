// SPDX-License-Identifier: Apache-2.0
// The rows of a packed batch while it fills, and what can be read of a batch without its columns. See
// python-env/beambridge_host/inference/inference.py for the bytes.

import { ByteReader, ByteWriter, roughSize } from '../../base/index.ts';
import type { Instant, PaneInfo } from '../../coders/index.ts';
import { type Update, writeUpdates } from '../updates/updates.ts';
import { sized } from './column-builder.ts';
import type { ColumnCodec } from './columns.ts';
import { PendingColumn } from './pending-column.ts';

/** A row of a batch. */
export interface BatchRow {
  readonly key: unknown;
  readonly example: unknown;
  readonly timestamp: Instant;
}

/** Rows that are not sent yet. */
export class BatchRows {
  private readonly examples: PendingColumn;
  private readonly keys: PendingColumn | undefined;
  private readonly timestamps: number[] = [];
  /** About how many bytes the rows take before packing. */
  size = 0;

  constructor(
    examples: ColumnCodec,
    keys: ColumnCodec | undefined,
    /** Whether a row that does not fit is to be given back as it came. */
    private readonly rejects: boolean,
  ) {
    this.examples = new PendingColumn(examples);
    this.keys = keys && new PendingColumn(keys);
  }

  get count(): number {
    return this.timestamps.length;
  }

  /** The least timestamp. */
  get earliest(): Instant {
    return least(this.timestamps);
  }

  add(example: unknown, key: unknown, timestamp: Instant): void {
    const { examples, keys } = this;
    if (keys) {
      keys.add(key);
      this.size += roughSize(key);
      // The key may not fit, and what is built is a copy in the declared type.
      if (this.rejects && !keys.isBuilt) examples.unbuild();
    }
    examples.add(example);
    this.size += roughSize(example);
    this.timestamps.push(timestamp);
  }

  /**
   * The batch.
   *
   * @throws BeamBridgeError `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` for a value of another type than declared
   */
  encode(updates: readonly Update[]): Uint8Array {
    const start = new ByteWriter();
    start.varint(this.count);
    start.prefixed((part) => writeUpdates(updates, part));
    return Buffer.concat([
      start.view(),
      ...sized([new Uint8Array(new Float64Array(this.timestamps).buffer)]),
      ...sized(this.keys?.bytes() ?? []),
      ...sized(this.examples.bytes()),
    ]);
  }

  /** The rows, those that do not fit as they came. */
  rows(): BatchRow[] {
    const examples = this.examples.values();
    const keys = this.keys?.values();
    return this.timestamps.map((timestamp, i) => ({
      key: keys?.[i],
      example: examples[i],
      timestamp,
    }));
  }
}

function least(timestamps: ArrayLike<number>): Instant {
  let earliest = timestamps[0]!;
  for (let i = 1; i < timestamps.length; i++) earliest = Math.min(earliest, timestamps[i]!);
  return earliest;
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
  return least(timestampsIn(input));
}

/** The next part of a packed batch. */
export function timestampsIn(input: ByteReader): Float64Array {
  return new Float64Array(new Uint8Array(input.prefixedBytes()).buffer);
}

/** The same text for the same pane only. */
export function paneId(pane: PaneInfo): string {
  const { isFirst, isLast, timing, index, onTimeIndex } = pane;
  return `${isFirst} ${isLast} ${timing} ${index} ${onTimeIndex}`;
}
