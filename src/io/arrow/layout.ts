// SPDX-License-Identifier: Apache-2.0
// Which buffers a record batch has, in the order of its columns, and how long each must be for as many values as there are.
// Source: https://arrow.apache.org/docs/format/Columnar.html

import { DamagedMetadata, type Table } from './flatbuffer.ts';
import { type Column, KIND } from './metadata.ts';

/** A buffer of a record batch. */
export interface Piece {
  readonly start: number;
  readonly length: number;
  /** How many bytes it has at least, once it is not compressed any more. */
  readonly least: number;
  /** Whether it is of a column that is asked for. */
  readonly isWanted: boolean;
}

const OFFSETS = new Map<number, number>([
  [KIND.binary, 4],
  [KIND.utf8, 4],
  [KIND.list, 4],
  [KIND.map, 4],
  [KIND.largeBinary, 8],
  [KIND.largeUtf8, 8],
  [KIND.largeList, 8],
]);
const LISTS = new Set<number>([KIND.list, KIND.largeList, KIND.map]);
const BYTES = new Set<number>([KIND.binary, KIND.utf8, KIND.largeBinary, KIND.largeUtf8]);
const VIEWS = new Set<number>([KIND.binaryView, KIND.utf8View]);

/**
 * The buffers of a record batch.
 *
 * @param batch - its metadata
 * @param bodyBytes - how many bytes are behind these
 * @param isWanted - by the place of a column, whether it is asked for
 * @throws {@link DamagedMetadata} where they are not what the columns have
 */
export function piecesOf(
  batch: Table,
  columns: readonly Column[],
  bodyBytes: number,
  isWanted: (at: number) => boolean,
): Piece[] {
  const rows = batch.long(0);
  const walk = new Walk(batch, bodyBytes);
  columns.forEach((column, at) => {
    walk.isWanted = isWanted(at);
    if (walk.column(column) !== rows)
      throw new DamagedMetadata(`the column ${column.name} has not ${rows} values`);
  });
  return walk.done();
}

class Walk {
  isWanted = true;
  private readonly pieces: Piece[] = [];
  private readonly nodes: readonly number[];
  private readonly buffers: readonly number[];
  private readonly views: readonly number[];
  private node = 0;
  private view = 0;

  constructor(
    batch: Table,
    private readonly bodyBytes: number,
  ) {
    if (batch.long(0) < 0) throw new DamagedMetadata('a number of rows is negative');
    this.nodes = batch.longs(1, 2);
    this.buffers = batch.longs(2, 2);
    this.views = batch.longs(4);
  }

  done(): Piece[] {
    const isAll = 2 * this.node === this.nodes.length;
    if (isAll && 2 * this.pieces.length === this.buffers.length) return this.pieces;
    throw new DamagedMetadata('a batch has more than its columns');
  }

  /** How many values it has. */
  column(column: Column): number {
    const [length, nulls] = this.nodes.slice(2 * this.node, 2 * ++this.node);
    if (length === undefined || nulls === undefined || length < 0)
      throw new DamagedMetadata(`the column ${column.name} has no length`);
    const { kind, parts, dictionary } = column;
    if (kind === KIND.null && !dictionary) return length;
    if (kind === KIND.union && !dictionary) {
      this.buffer(length);
      if (column.isDense) this.buffer(4 * length);
      for (const part of parts) this.part(part, column.isDense ? 0 : length);
      return length;
    }
    if (nulls < 0 || nulls > length)
      throw new DamagedMetadata(`the column ${column.name} has ${nulls} nulls`);
    this.buffer(nulls > 0 ? Math.ceil(length / 8) : 0);
    // What nobody reads may be missing, as apache-arrow itself has it.
    const least = (bytes: number) => (nulls === length ? { unlessEmpty: bytes } : bytes);
    if (dictionary) this.buffer(least((dictionary.bits / 8) * length));
    else this.values(column, length, least);
    return length;
  }

  private values(
    { kind, bits, parts, size }: Column,
    length: number,
    least: (bytes: number) => number | { unlessEmpty: number },
  ): void {
    const width = OFFSETS.get(kind);
    if (width) this.buffer(least(length === 0 ? 0 : width * (length + 1)));
    if (BYTES.has(kind)) this.buffer(0);
    else if (LISTS.has(kind)) this.part(parts[0]!, 0);
    else if (kind === KIND.fixedList) this.part(parts[0]!, size * length);
    else if (kind === KIND.struct) for (const part of parts) this.part(part, length);
    else this.buffer(least(VIEWS.has(kind) ? 16 * length : bytesOf(kind, bits, length)));
    if (!VIEWS.has(kind)) return;
    const more = this.views[this.view++] ?? 0;
    for (let one = 0; one < more; one++) this.buffer(0);
  }

  private part(column: Column, least: number): void {
    if (this.column(column) < least)
      throw new DamagedMetadata(`the column ${column.name} has too few values`);
  }

  private buffer(least: number | { unlessEmpty: number }): void {
    const at = 2 * this.pieces.length;
    const [start, length] = this.buffers.slice(at, at + 2);
    if (start === undefined || length === undefined)
      throw new DamagedMetadata('a batch has less than its columns');
    if (length === 0) {
      // Where it would be is of no matter.
      if (typeof least === 'number' && least > 0)
        throw new DamagedMetadata('a column ends too early');
      this.pieces.push({ start: 0, length, least: 0, isWanted: this.isWanted });
      return;
    }
    if (start < 0 || length < 0 || start + length > this.bodyBytes)
      throw new DamagedMetadata('a column is not inside its batch');
    if (start % 8 !== 0) throw new DamagedMetadata('a column begins in the middle of a number');
    const bytes = typeof least === 'number' ? least : least.unlessEmpty;
    this.pieces.push({ start, length, least: bytes, isWanted: this.isWanted });
  }
}

function bytesOf(kind: number, bits: number, length: number): number {
  return kind === KIND.bool ? Math.ceil(length / 8) : (bits / 8) * length;
}

/** Throws for a buffer that is shorter than the values that it is to have. */
export function checkLength(length: number, { least }: Piece): void {
  if (length < least) throw new DamagedMetadata('a column ends too early');
}
