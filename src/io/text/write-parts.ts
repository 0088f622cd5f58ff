// SPDX-License-Identifier: Apache-2.0
// The elements of a bundle in temporary files, which become shards when all of them are whole.

import { GlobalWindow, NO_FIRING, type WindowedValue } from '../../coders/index.ts';
import type { DoFn, SideInputParam } from '../../pipeline/index.ts';
import type { Outputs } from '../stores/store.ts';
import { outputsFor } from '../stores/store-of.ts';
import type { OutputSpec } from './output.ts';
import type { Part, PartWriter } from './shard-format.ts';

export type PartContext = { folder: SideInputParam<string, string> };

/** Tells parts apart, in the order in which this process began them. */
let nextPart = 0;

/** A file that is written, and what it holds. */
interface OpenPart<R> {
  readonly writer: PartWriter<R>;
  /** The output's folder for temporary files. */
  readonly folder: string;
  readonly shard: number;
  records: number;
  /** Before compression; counted only where it is bounded. */
  textBytes: number;
}

/** What an element is in a file, without what is between elements; throws for one that is nothing there. */
export type Render<T, R = string> = (element: T) => R;

/** Writes the elements of each bundle to a temporary file, or to one for each shard asked for. */
export class WriteParts<T, R> implements DoFn<T, Part, PartContext> {
  readonly beamName = 'write';
  /** By shard. */
  private open: (OpenPart<R> | undefined)[] = [];
  private full: Part[] = [];
  private next = 0;
  private readonly maxRecords: number;
  private readonly maxBytes: number;

  constructor(
    private readonly spec: OutputSpec<R>,
    private readonly render: Render<T, R>,
  ) {
    this.maxRecords = spec.maxRecords ?? Infinity;
    this.maxBytes = spec.maxBytes === undefined ? Infinity : spec.maxBytes - spec.format.frameBytes;
  }

  forBundle(): WriteParts<T, R> {
    return new WriteParts(this.spec, this.render);
  }

  startBundle(): void {
    // A bundle that failed did not come to its end.
    this.open = [];
    this.full = [];
    this.next = 0;
  }

  process(element: T, context: PartContext): Promise<void> | undefined {
    const record = this.render(element);
    const shard = this.next;
    this.next = (shard + 1) % (this.spec.shards ?? 1);
    const { format } = this.spec;
    // Not counted where nobody asks.
    const bytes = this.maxBytes === Infinity ? 0 : format.sizeOf(record);
    const part = this.open[shard];
    if (part && this.fits(part, format.separatorBytes + bytes))
      return append(part, record, format.separatorBytes + bytes);
    return this.begin(shard, record, bytes, context.folder.lookup());
  }

  private fits({ records, textBytes }: OpenPart<R>, bytes: number): boolean {
    return records < this.maxRecords && textBytes + bytes <= this.maxBytes;
  }

  private async begin(shard: number, record: R, bytes: number, folder: string): Promise<void> {
    const before = this.open[shard];
    if (before) this.full.push(await this.whole(before));
    const order = `${nextPart++}`.padStart(8, '0');
    const name = `part-${order}-${process.pid}`;
    const path = `${await this.outputs.partFolder(folder)}/${name}`;
    const writer = await this.spec.format.begin(path, this.spec.shards ?? 1);
    const part = { writer, folder, shard, records: 0, textBytes: 0 };
    this.open[shard] = part;
    await append(part, record, bytes);
  }

  private async whole({ writer, folder, ...counts }: OpenPart<R>): Promise<Part> {
    const end = await writer.close();
    const path = await this.outputs.keepPart(folder, writer.path);
    return { path, ...counts, ...end };
  }

  private get outputs(): Outputs {
    return outputsFor(this.spec.prefix, this.spec.stores);
  }

  async finishBundle(): Promise<WindowedValue<Part>[]> {
    const parts = this.full;
    for (const part of this.open) if (part) parts.push(await this.whole(part));
    this.startBundle();
    return parts.map((value) => ({
      value,
      timestamp: GlobalWindow.INSTANCE.maxTimestamp(),
      windows: [GlobalWindow.INSTANCE],
      pane: NO_FIRING,
    }));
  }
}

function append<R>(part: OpenPart<R>, record: R, bytes: number): Promise<void> | undefined {
  part.records += 1;
  part.textBytes += bytes;
  return part.writer.append(record);
}
