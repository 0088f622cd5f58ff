// SPDX-License-Identifier: Apache-2.0
// Rows to Arrow files. A bundle's part is its record batches alone; a shard of several parts is their batches one after the
// other, between a beginning and a footer that says where they are.

import { constants, createReadStream } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { BeamBridgeError } from '../../base/index.ts';
import type { RowType } from '../../schema/index.ts';
import { writeError } from '../file-error.ts';
import type { ParquetDecimal } from '../parquet/write-leaf.ts';
import type { ParquetRow } from '../parquet/write-type.ts';
import type { Part, PartWriter, ShardFormat } from '../text/shard-format.ts';
import { END_BYTES, schemaMessage } from './file.ts';
import { type ArrowBlock, type ArrowPackage, arrowPackage, footerPackage } from './package.ts';
import { type WrittenRows, writtenRows } from './write-columns.ts';

/** How files are written. */
export interface ArrowLayout {
  readonly schema: RowType<unknown>;
  readonly decimals: Readonly<Record<string, ParquetDecimal | undefined>>;
  /** What a record batch holds at most; only one row that is larger by itself makes a larger one. */
  readonly batchRows: number;
  readonly batchBytes: number;
}

const MARK = Buffer.from('ARROW1');
/** With what makes the first message begin at a multiple of 8. */
const BEGIN = Buffer.concat([MARK, Buffer.alloc(2)]);
/** Version 5 of the format's metadata, that of Arrow 1.0. */
const V5 = 4;
/** A record batch of each file that is written at the same time is in memory: together they are so many large ones. */
const BATCHES_IN_MEMORY = 4;
const LEAST_BATCH_BYTES = 64 * 1024;
/** Appends to a file that is there: one that was removed meanwhile is not begun anew. */
const APPEND = constants.O_WRONLY | constants.O_APPEND;

/** Files of rows. */
export function arrowFormat(layout: ArrowLayout): ShardFormat<ParquetRow> {
  return {
    frameBytes: 0,
    separatorBytes: 0,
    isWhole: false,
    sizeOf: ({ bytes }) => bytes,
    async prepare() {
      await footerPackage();
    },
    async begin(path, files) {
      const part = new ArrowPart(path, await arrowPackage(), layout, files);
      await part.create();
      return part;
    },
    join: (parts) => joined(parts, layout),
  };
}

class ArrowPart implements PartWriter<ParquetRow> {
  private readonly rows: WrittenRows;
  private readonly schemaBytes: number;
  private readonly most: number;
  private readonly blocks: ArrowBlock[] = [];
  private written = 0;
  private count = 0;
  private bytes = 0;

  constructor(
    readonly path: string,
    private readonly arrow: ArrowPackage,
    private readonly layout: ArrowLayout,
    files: number,
  ) {
    this.rows = writtenRows(arrow, layout.schema, layout.decimals);
    this.schemaBytes = schemaMessage(arrow, this.rows.schema).length;
    const share = Math.floor((BATCHES_IN_MEMORY * layout.batchBytes) / files);
    this.most = Math.min(layout.batchBytes, Math.max(share, LEAST_BATCH_BYTES));
  }

  /** @throws `OUTPUT_NOT_WRITABLE` */
  async create(): Promise<void> {
    try {
      await writeFile(this.path, '', { flag: 'wx' });
    } catch (error) {
      throw writeError(error, this.path);
    }
  }

  append(row: ParquetRow): Promise<void> | undefined {
    if (this.count > 0 && this.bytes + row.bytes > this.most) return this.appendAnew(row);
    this.rows.append(row.values);
    this.count += 1;
    this.bytes += row.bytes;
    return this.count >= this.layout.batchRows ? this.flush() : undefined;
  }

  private async appendAnew(row: ParquetRow): Promise<void> {
    await this.flush();
    await this.append(row);
  }

  private async flush(): Promise<void> {
    if (this.count === 0) return;
    const writer = new this.arrow.RecordBatchStreamWriter();
    writer.write(this.rows.take());
    writer.close();
    // The batch alone: without the schema in front of it, and the end.
    const message = Buffer.from(writer.toUint8Array(true)).subarray(this.schemaBytes, -END_BYTES);
    const metaDataLength = 8 + message.readInt32LE(4);
    const bodyLength = message.length - metaDataLength;
    this.blocks.push({ offset: this.written, metaDataLength, bodyLength });
    this.count = 0;
    this.bytes = 0;
    this.written += message.length;
    try {
      await appendFile(this.path, message, { flag: APPEND as never });
    } catch (error) {
      throw writeError(error, this.path);
    }
  }

  async close(): Promise<{ bytes: number; detail: readonly ArrowBlock[] }> {
    await this.flush();
    return { bytes: this.written, detail: this.blocks };
  }
}

async function* joined(
  parts: readonly Part[],
  { schema: type, decimals }: ArrowLayout,
): AsyncGenerator<Uint8Array, void, undefined> {
  const arrow = await arrowPackage();
  const { Footer, FileBlock } = await footerPackage();
  const { schema } = writtenRows(arrow, type, decimals);
  const first = schemaMessage(arrow, schema);
  yield BEGIN;
  yield first;
  let at = BEGIN.length + first.length;
  const blocks: ArrowBlock[] = [];
  for (const { path, bytes, detail } of parts) {
    for (const { offset, metaDataLength, bodyLength } of detail as readonly ArrowBlock[])
      blocks.push(new FileBlock(metaDataLength, bodyLength, at + offset));
    const next = at + bytes;
    for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
      yield piece as Uint8Array;
      at += (piece as Uint8Array).length;
    }
    if (at !== next)
      throw new BeamBridgeError('IO_FAILED', `${path} is not as long as what was written to it`);
  }
  const footer = Buffer.from(Footer.encode(new Footer(schema, V5, blocks, [])));
  const end = Buffer.alloc(8);
  end.writeInt32LE(-1, 0);
  const length = Buffer.alloc(4);
  length.writeInt32LE(footer.length, 0);
  yield Buffer.concat([end, footer, length, MARK]);
}
