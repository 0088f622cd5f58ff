// SPDX-License-Identifier: Apache-2.0
// The elements of a bundle in temporary files, which become shards when all of them are whole.

import { BeamBridgeError } from '../../base/index.ts';
import { describeValue, GlobalWindow, NO_FIRING, type WindowedValue } from '../../coders/index.ts';
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

/** Writes the elements of each bundle to a temporary file, or to one for each shard asked for. */
export class WriteParts implements DoFn<string, Part, PartContext> {
  readonly beamName = 'write';
  /** By shard. */
  private open: (OpenPart | undefined)[] = [];
  private full: Part[] = [];
  private next = 0;
  private readonly maxRecords: number;
  private readonly maxBytes: number;

  constructor(
    private readonly spec: OutputSpec,
    private readonly lineEnd: string,
  ) {
    this.maxRecords = spec.maxRecords ?? Infinity;
    this.maxBytes = spec.maxBytes === undefined ? Infinity : spec.maxBytes - frameBytes(spec);
  }

  forBundle(): WriteParts {
    return new WriteParts(this.spec, this.lineEnd);
  }

  startBundle(): void {
    // A bundle that failed did not come to its end.
    this.open = [];
    this.full = [];
    this.next = 0;
  }

  process(line: string, context: PartContext): Promise<void> | undefined {
    if (typeof line !== 'string') {
      throw new BeamBridgeError('CODER_MISMATCH', `writeToText was given ${describeValue(line)}`, {
        hint: 'Map the elements to text first: .map(String), or .map((x) => JSON.stringify(x)).',
      });
    }
    const shard = this.next;
    this.next = (shard + 1) % (this.spec.shards ?? 1);
    const text = line + this.lineEnd;
    const bytes = this.maxBytes === Infinity ? 0 : Buffer.byteLength(text);
    const part = this.open[shard];
    if (part && this.fits(part, bytes)) return this.append(part, text, bytes);
    return this.begin(shard, text, bytes, context.folder.lookup());
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
