// SPDX-License-Identifier: Apache-2.0
// The elements of a bundle in temporary files, which become shards when all of them are whole.

import { GlobalWindow, NO_FIRING, type WindowedValue } from '../../coders/index.ts';
import type { DoFn, SideInputParam } from '../../pipeline/index.ts';
import { frameBytes, type OutputSpec, type Part } from './output.ts';
import { pieceSize, TextWriter } from './text-writer.ts';

export type PartContext = { folder: SideInputParam<string, string> };

/** Tells parts apart, in the order in which this process began them. */
let nextPart = 0;

/** A file that is written, and what it holds. */
interface OpenPart {
  readonly writer: TextWriter;
  readonly shard: number;
  records: number;
  /** Before compression; counted only where it is bounded. */
  textBytes: number;
}

/** What an element is in a file, without what is between elements; throws for one that is nothing there. */
export type Render<T> = (element: T) => string;

/** Writes the elements of each bundle to a temporary file, or to one for each shard asked for. */
export class WriteParts<T> implements DoFn<T, Part, PartContext> {
  readonly beamName = 'write';
  /** By shard. */
  private open: (OpenPart | undefined)[] = [];
  private full: Part[] = [];
  private next = 0;
  private readonly maxRecords: number;
  private readonly maxBytes: number;

  constructor(
    private readonly spec: OutputSpec,
    /** The end of each element. */
    private readonly lineEnd: string,
    private readonly render: Render<T>,
  ) {
    this.maxRecords = spec.maxRecords ?? Infinity;
    this.maxBytes = spec.maxBytes === undefined ? Infinity : spec.maxBytes - frameBytes(spec);
  }

  forBundle(): WriteParts<T> {
    return new WriteParts(this.spec, this.lineEnd, this.render);
  }

  startBundle(): void {
    // A bundle that failed did not come to its end.
    this.open = [];
    this.full = [];
    this.next = 0;
  }

  process(element: T, context: PartContext): Promise<void> | undefined {
    const line = this.render(element);
    const shard = this.next;
    this.next = (shard + 1) % (this.spec.shards ?? 1);
    const text = line + this.lineEnd;
    const bytes = this.sizeOf(text);
    const part = this.open[shard];
    const { separator = '' } = this.spec;
    const between = this.sizeOf(separator);
    if (part && this.fits(part, between + bytes))
      return this.append(part, separator + text, between + bytes);
    return this.begin(shard, text, bytes, context.folder.lookup());
  }

  /** In bytes; 0 where nobody counts them. */
  private sizeOf(text: string): number {
    return this.maxBytes === Infinity ? 0 : Buffer.byteLength(text);
  }

  private fits({ records, textBytes }: OpenPart, bytes: number): boolean {
    return records < this.maxRecords && textBytes + bytes <= this.maxBytes;
  }

  private append(part: OpenPart, text: string, bytes: number): Promise<void> | undefined {
    part.records += 1;
    part.textBytes += bytes;
    return part.writer.append(text);
  }

  private async begin(shard: number, text: string, bytes: number, folder: string): Promise<void> {
    const before = this.open[shard];
    if (before) this.full.push(await whole(before));
    const order = `${nextPart++}`.padStart(8, '0');
    const path = `${folder}/part-${order}-${process.pid}`;
    const writer = await TextWriter.create(path, this.spec.gzip, pieceSize(this.spec.shards ?? 1));
    const part = { writer, shard, records: 0, textBytes: 0 };
    this.open[shard] = part;
    await this.append(part, text, bytes);
  }

  async finishBundle(): Promise<WindowedValue<Part>[]> {
    const parts = this.full;
    for (const part of this.open) if (part) parts.push(await whole(part));
    this.startBundle();
    return parts.map((value) => ({
      value,
      timestamp: GlobalWindow.INSTANCE.maxTimestamp(),
      windows: [GlobalWindow.INSTANCE],
      pane: NO_FIRING,
    }));
  }
}

async function whole({ writer, shard, records, textBytes }: OpenPart): Promise<Part> {
  await writer.close();
  return { path: writer.path, bytes: writer.size, shard, records, textBytes };
}
