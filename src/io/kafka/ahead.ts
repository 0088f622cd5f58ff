// SPDX-License-Identifier: Apache-2.0
// What was read ahead of one partition, and not taken yet.

import type { Fetched, PartitionOf } from './client.ts';
import { Patience } from './failures.ts';
import type { ReadRecord } from './records.ts';

/** A partition with so many bytes is not asked for until some are taken. */
const MOST_BYTES = 4 * 1024 * 1024;
/** What a record costs beside its bytes. */
const RECORD_BYTES = 100;

/** What was read ahead of one partition. */
export class PartitionAhead {
  /** Where it goes on behind what is here. */
  next: number;
  /** Behind the last message that the broker has, as it last said. */
  end: number | undefined;
  /** When the broker was last asked and had nothing more, not even messages that wait for a transaction's end. */
  emptyAsOf: number | undefined;
  error: unknown;
  askedAt = 0;
  private records: readonly ReadRecord[] = [];
  private later: (readonly ReadRecord[])[] = [];
  private index = 0;
  private bytes = 0;
  /** Behind the last record that was taken. */
  private takenTo: number;
  readonly patience: Patience;

  constructor(
    readonly at: PartitionOf,
    start: number,
    patienceMillis?: number,
  ) {
    this.next = start;
    this.takenTo = start;
    this.patience = new Patience(patienceMillis);
  }

  get isEmpty(): boolean {
    return this.peek() === undefined;
  }

  get hasRoom(): boolean {
    return this.bytes < MOST_BYTES;
  }

  /** Where it is: the first record that is not taken, or where the next would be. */
  get position(): number {
    return this.peek()?.offset ?? this.next;
  }

  /** Whether it can go on from an offset; where records are missing, any offset in between will do. */
  reaches(offset: number): boolean {
    return this.takenTo <= offset && offset <= this.next;
  }

  peek(): ReadRecord | undefined {
    if (this.index >= this.records.length && this.later.length > 0) {
      this.records = this.later.shift()!;
      this.index = 0;
    }
    return this.records[this.index];
  }

  take(): void {
    const record = this.records[this.index];
    if (!record) return;
    this.index += 1;
    this.takenTo = record.offset + 1;
    this.bytes -= sizeOf(record);
    if (this.index === this.records.length) {
      this.records = [];
      this.index = 0;
    }
  }

  add({ records, next, end }: Fetched, askedAt: number): void {
    if (records.length > 0) this.later.push(records);
    for (const record of records) this.bytes += sizeOf(record);
    this.next = Math.max(this.next, next);
    this.end = end;
    if (this.next >= end && this.isEmpty) this.emptyAsOf = askedAt;
  }
}

function sizeOf({ key, value, headers }: ReadRecord): number {
  let bytes = RECORD_BYTES + (key?.byteLength ?? 0) + (value?.byteLength ?? 0);
  for (const [name, content] of headers) bytes += name.byteLength + (content?.byteLength ?? 0);
  return bytes;
}
