// SPDX-License-Identifier: Apache-2.0
// A part of a shard while it is written, with what it holds so far.

import { basename } from 'node:path';
import type { Outputs } from '../stores/store.ts';
import type { OutputSpec } from './output.ts';
import type { Part, PartWriter } from './shard-format.ts';

/** Tells parts apart, in the order in which this process began them. */
let nextPart = 0;

/**
 * Begins a part in a folder for temporary files.
 *
 * @param files - how many are written at the same time, and share the memory
 * @throws `OUTPUT_NOT_WRITABLE` when the file cannot be made
 */
export async function beginPart<R>(
  spec: OutputSpec<R>,
  outputs: Outputs,
  folder: string,
  shard: number,
  files: number,
): Promise<OpenPart<R>> {
  const order = `${nextPart++}`.padStart(8, '0');
  const name = `part-${order}-${process.pid}`;
  const path = `${await outputs.partFolder(folder)}/${name}`;
  return new OpenPart(await spec.format.begin(path, files), outputs, folder, shard);
}

/** What a part's name begins with: there is no other part of that number in this process. */
export function partNumber(path: string): number {
  return Number(/^part-(\d+)-/.exec(basename(path))![1]);
}

export class OpenPart<R> {
  records = 0;
  /** Before compression; counted only where it is bounded. */
  textBytes = 0;

  constructor(
    private readonly writer: PartWriter<R>,
    private readonly outputs: Outputs,
    /** The output's folder for temporary files. */
    private readonly folder: string,
    private readonly shard: number,
  ) {}

  append(record: R, bytes: number): Promise<void> | undefined {
    this.records += 1;
    this.textBytes += bytes;
    return this.writer.append(record);
  }

  /** Writes what is left, and puts it to where the last step finds it. */
  async whole(): Promise<Part> {
    const part = await this.left();
    return { ...part, path: await this.outputs.keepPart(this.folder, part.path) };
  }

  /** Writes what is left; it stays on this machine. */
  async left(): Promise<Part> {
    const { records, textBytes, shard } = this;
    const end = await this.writer.close();
    return { path: this.writer.path, records, textBytes, shard, ...end };
  }
}
