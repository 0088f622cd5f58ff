// SPDX-License-Identifier: Apache-2.0
// Rows to Parquet files. A bundle's part is a whole file of row groups; a shard of several parts is their row groups
// one after the other, and one footer that says where they are now.

import { constants, createReadStream } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { BeamBridgeError } from '../../base/index.ts';
import { writeError } from '../file-error.ts';
import type { Part, PartWriter, ShardFormat } from '../text/shard-format.ts';
import type { Compress } from './codecs.ts';
import {
  type ByteSink,
  type ParquetWriterPackage,
  type RowGroup,
  type RowGroupWriter,
  type SchemaElement,
  writerPackage,
} from './package.ts';
import { movedGroup, withoutLongBounds } from './row-groups.ts';
import type { ParquetRow } from './write-type.ts';

/** How files are written. */
export interface ParquetLayout {
  readonly elements: readonly SchemaElement[];
  /** By its name in the format. */
  readonly codec: string;
  readonly compressors: Readonly<Record<string, Compress>>;
  /** What a row group holds at most; only one row that is larger by itself makes a larger one. */
  readonly rowGroupRows: number;
  readonly rowGroupBytes: number;
}

/** What the footer of a part says. */
interface PartDetail {
  readonly groups: readonly RowGroup[];
  /** Where the last of them ends. */
  readonly end: number;
}

/** PAR1, with which each file begins. */
const MAGIC_BYTES = 4;
/** A row group of each file that is written at the same time is in memory: together they are so many large ones. */
const GROUPS_IN_MEMORY = 4;
const LEAST_GROUP_BYTES = 64 * 1024;
/** Appends to a file that is there: one that was removed meanwhile is not begun anew. */
const APPEND = constants.O_WRONLY | constants.O_APPEND;

/** Files of rows. */
export function parquetFormat(layout: ParquetLayout): ShardFormat<ParquetRow> {
  return {
    frameBytes: 0,
    separatorBytes: 0,
    isWhole: true,
    sizeOf: ({ bytes }) => bytes,
    async prepare() {
      await writerPackage();
    },
    async begin(path, files) {
      const part = new ParquetPart(path, await writerPackage(), layout, files);
      await part.create();
      return part;
    },
    join: (parts) => joined(parts, layout),
  };
}

function writerOf(library: ParquetWriterPackage, layout: ParquetLayout, sink: ByteSink) {
  const { elements: schema, codec, compressors } = layout;
  return new library.ParquetWriter({
    writer: sink,
    schema,
    codec,
    compressors,
    createdBy: 'beambridge',
  });
}

class ParquetPart implements PartWriter<ParquetRow> {
  private readonly sink: ByteSink;
  private readonly writer: RowGroupWriter;
  private readonly most: number;
  private columns: unknown[][] = [];
  private withNegativeZero = new Set<number>();
  private rows = 0;
  private bytes = 0;

  constructor(
    readonly path: string,
    library: ParquetWriterPackage,
    private readonly layout: ParquetLayout,
    files: number,
  ) {
    this.sink = new library.ByteWriter();
    this.writer = writerOf(library, layout, this.sink);
    const share = Math.floor((GROUPS_IN_MEMORY * layout.rowGroupBytes) / files);
    this.most = Math.min(layout.rowGroupBytes, Math.max(share, LEAST_GROUP_BYTES));
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
    if (this.rows > 0 && this.bytes + row.bytes > this.most) return this.appendAnew(row);
    const { values, bytes, withNegativeZero } = row;
    for (let at = 0; at < values.length; at++) {
      const column = this.columns[at];
      if (column) column.push(values[at]);
      else this.columns.push([values[at]]);
    }
    for (const at of withNegativeZero) this.withNegativeZero.add(at);
    this.rows += 1;
    this.bytes += bytes;
    return this.rows >= this.layout.rowGroupRows ? this.flush() : undefined;
  }

  private async appendAnew(row: ParquetRow): Promise<void> {
    await this.flush();
    await this.append(row);
  }

  /** Writes a row group. */
  private async flush(): Promise<void> {
    if (this.rows === 0) return;
    const names = columnNames(this.layout.elements);
    const columnData = this.columns.map((data, at) => ({
      name: names[at]!,
      data,
      // Whoever reads the file has its row groups to choose from.
      offsetIndex: false as const,
      // A dictionary would take -0 for 0.
      ...(this.withNegativeZero.has(at) && { encoding: 'PLAIN' as const }),
    }));
    this.writer.write({ columnData, rowGroupSize: this.rows });
    const group = this.writer.row_groups.pop()!;
    this.writer.row_groups.push(withoutLongBounds(group));
    this.columns = [];
    this.withNegativeZero = new Set();
    this.rows = 0;
    this.bytes = 0;
    await this.toDisk();
  }

  private async toDisk(): Promise<void> {
    try {
      await appendFile(this.path, this.sink.getBytes(), { flag: APPEND });
    } catch (error) {
      throw writeError(error, this.path);
    }
    // The package counts on from `offset`.
    this.sink.index = 0;
  }

  async close(): Promise<{ bytes: number; detail: PartDetail }> {
    await this.flush();
    const detail = { groups: [...this.writer.row_groups], end: this.sink.offset };
    this.writer.finish();
    await this.toDisk();
    return { bytes: this.sink.offset, detail };
  }
}

/** The names of the columns: of the parts that are in no other. */
function columnNames(elements: readonly SchemaElement[]): string[] {
  const names: string[] = [];
  // How many of the parts that follow are inside the column.
  let inside = 0;
  for (const { name, num_children = 0 } of elements.slice(1)) {
    if (inside === 0) names.push(name);
    else inside -= 1;
    inside += num_children;
  }
  return names;
}

async function* joined(
  parts: readonly Part[],
  layout: ParquetLayout,
): AsyncGenerator<Uint8Array, void, undefined> {
  const library = await writerPackage();
  const sink = new library.ByteWriter();
  const writer = writerOf(library, layout, sink);
  yield sink.getBytes().slice();
  let at = MAGIC_BYTES;
  for (const { path, detail } of parts) {
    const { groups, end } = detail as PartDetail;
    for (const group of groups) {
      writer.row_groups.push(movedGroup(group, at - MAGIC_BYTES));
      writer.num_rows += group.num_rows;
    }
    const next = at + end - MAGIC_BYTES;
    const range = { start: MAGIC_BYTES, end: end - 1, highWaterMark: 1024 * 1024 };
    for await (const piece of createReadStream(path, range)) {
      yield piece as Uint8Array;
      at += (piece as Uint8Array).length;
    }
    if (at !== next)
      throw new BeamBridgeError('IO_FAILED', `${path} is shorter than what was written to it`);
  }
  sink.index = 0;
  writer.finish();
  yield sink.getBytes().slice();
}
