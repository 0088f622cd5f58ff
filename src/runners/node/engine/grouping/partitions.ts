// SPDX-License-Identifier: Apache-2.0
// Groups in files by a hash of their window and key: all of a group is in one file.

import { type ByteReader, ByteWriter } from '../../../../base/index.ts';
import type { Coder, Instant, Window } from '../../../../coders/index.ts';
import { readInstant, writeInstant } from '../../../../coders/index.ts';
import type { MaybePromise } from '../../../../harness/index.ts';
import { SpillFile } from '../spill/spill-file.ts';
import type { GroupingOptions } from './options.ts';

const PARTITIONS = 64;
/** A group with more values is written as several records. */
const MOST_VALUES = 1024;

/** A part of a group. */
interface Part {
  readonly key: unknown;
  readonly window: Window;
  readonly timestamp: Instant;
  readonly values: unknown[];
}

export class Partitions {
  readonly files: readonly SpillFile[];
  private readonly keyCoder: Coder<unknown>;
  private readonly valueCoder: Coder<unknown>;
  private readonly windowCoder: Coder<unknown>;
  private readonly scratch = new ByteWriter();

  /** @param level - each level hashes in another way, so that one file's groups get apart */
  constructor(
    options: GroupingOptions,
    folder: string | undefined,
    private readonly level: number,
  ) {
    this.keyCoder = options.keyCoder;
    this.valueCoder = options.valueCoder;
    this.windowCoder = options.windowCoder;
    this.files = Array.from({ length: PARTITIONS }, () => new SpillFile(folder));
  }

  /** Adds a group, or a part of one. */
  write(
    key: unknown,
    window: Window,
    timestamp: Instant,
    values: readonly unknown[],
  ): MaybePromise<void> {
    const { scratch } = this;
    scratch.reset();
    this.windowCoder.encode(window, scratch, true);
    this.keyCoder.encode(key, scratch, true);
    const name = scratch.view();
    const file = this.files[hash(name, this.level) % PARTITIONS]!;
    if (values.length > MOST_VALUES) return this.writeMany(file, scratch.take(), timestamp, values);
    this.record(file, name, timestamp, values, 0, values.length);
    if (file.isFull) return file.writeChunk();
  }

  private async writeMany(
    file: SpillFile,
    name: Uint8Array,
    timestamp: Instant,
    values: readonly unknown[],
  ): Promise<void> {
    for (let from = 0; from < values.length; from += MOST_VALUES) {
      const to = Math.min(from + MOST_VALUES, values.length);
      this.record(file, name, timestamp, values, from, to);
      if (file.isFull) await file.writeChunk();
    }
  }

  private record(
    { records }: SpillFile,
    name: Uint8Array,
    timestamp: Instant,
    values: readonly unknown[],
    from: number,
    to: number,
  ): void {
    records.bytes(name);
    writeInstant(timestamp, records);
    records.varint(to - from);
    for (let i = from; i < to; i++) this.valueCoder.encode(values[i], records, true);
  }

  /** The next record. */
  read(input: ByteReader): Part {
    const window = this.windowCoder.decode(input, true) as Window;
    const key = this.keyCoder.decode(input, true);
    const timestamp = readInstant(input);
    const count = input.varint();
    const values: unknown[] = [];
    for (let i = 0; i < count; i++) values.push(this.valueCoder.decode(input, true));
    return { key, window, timestamp, values };
  }

  async remove(): Promise<void> {
    for (const file of this.files) await file.remove();
  }
}

/** FNV-1a, its bits mixed once more so that the low ones depend on all of them. */
function hash(bytes: Uint8Array, seed: number): number {
  let value = 0x811c9dc5 ^ Math.imul(seed + 1, 0x9e3779b1);
  for (let i = 0; i < bytes.length; i++) value = Math.imul(value ^ bytes[i]!, 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
