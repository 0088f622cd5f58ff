// SPDX-License-Identifier: Apache-2.0
// Object container files as they are written: each part has blocks, and a file is a header with the blocks of its
// parts. So all of them have the same marker, which follows from the folder that they lie in.

import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { BeamBridgeError } from '../../base/index.ts';
import { writeError } from '../file-error.ts';
import type { Part, PartWriter, ShardFormat } from '../text/shard-format.ts';
import { blockCompress, type Compress } from './codecs.ts';
import { MAGIC, MARKER_BYTES } from './container.ts';
import { Sink } from './sink.ts';

/** What is compressed together, and what a reader must have in memory. */
const BLOCK_BYTES = 64 * 1024;
/** What all files of a bundle may hold together. */
const ALL_BYTES = 4 * 1024 * 1024;
const LEAST_BYTES = 4 * 1024;
/** Appends to a file that is there: one that was removed meanwhile is not begun anew. */
const APPEND = constants.O_WRONLY | constants.O_APPEND;

/** Files of records that are encoded already. */
export function avroFormat(schema: string, codec: string): ShardFormat<Uint8Array> {
  return {
    frameBytes: headerBytes(schema, codec, Buffer.alloc(MARKER_BYTES)).length,
    separatorBytes: 0,
    isWhole: false,
    sizeOf: (record) => record.length,
    async begin(path, files) {
      const marker = markerOf(path.slice(0, path.lastIndexOf('/')));
      try {
        await writeFile(path, '', { flag: 'wx' });
      } catch (error) {
        throw writeError(error, path);
      }
      const most = Math.max(LEAST_BYTES, Math.min(BLOCK_BYTES, Math.floor(ALL_BYTES / files)));
      return new AvroPart(path, marker, await blockCompress(codec), most);
    },
    async *join(parts: readonly Part[]) {
      const [first = markerOf(schema), ...others] = new Set(
        parts.map(({ detail }) => detail as string),
      );
      if (others.length > 0)
        throw new BeamBridgeError('INTERNAL', 'parts of one file have different markers');
      yield headerBytes(schema, codec, Buffer.from(first, 'hex'));
      for (const part of parts) yield* createReadStream(part.path, { highWaterMark: 1024 * 1024 });
    },
  };
}

function markerOf(text: string): string {
  return createHash('sha256')
    .update(text)
    .digest('hex')
    .slice(0, MARKER_BYTES * 2);
}

function headerBytes(schema: string, codec: string, marker: Uint8Array): Buffer {
  const sink = new Sink();
  sink.raw(MAGIC);
  sink.long(2);
  for (const [key, value] of [
    ['avro.schema', schema],
    ['avro.codec', codec],
  ] as const) {
    sink.text(key);
    sink.text(value);
  }
  sink.long(0);
  sink.raw(marker);
  return sink.taken();
}

class AvroPart implements PartWriter<Uint8Array> {
  private records: Uint8Array[] = [];
  private pending = 0;
  private written = 0;

  constructor(
    readonly path: string,
    private readonly marker: string,
    private readonly compress: Compress,
    /** How large a block is. */
    private readonly most: number,
  ) {}

  append(record: Uint8Array): Promise<void> | undefined {
    this.records.push(record);
    this.pending += record.length;
    return this.pending >= this.most ? this.flush() : undefined;
  }

  private async flush(): Promise<void> {
    const { records } = this;
    if (records.length === 0) return;
    this.records = [];
    this.pending = 0;
    const sink = new Sink();
    sink.long(records.length);
    sink.content(this.compress(Buffer.concat(records)));
    sink.raw(Buffer.from(this.marker, 'hex'));
    const block = sink.taken();
    try {
      await appendFile(this.path, block, { flag: APPEND });
    } catch (error) {
      throw writeError(error, this.path);
    }
    this.written += block.length;
  }

  async close(): Promise<{ bytes: number; detail: string }> {
    await this.flush();
    return { bytes: this.written, detail: this.marker };
  }
}
