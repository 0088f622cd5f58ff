// SPDX-License-Identifier: Apache-2.0
// A column of a row group as `hyparquet` reads it, whatever its shape.

import { BeamBridgeError } from '../../base/index.ts';
import type { MatchedColumn } from './columns.ts';
import { AS_THEY_LIE, type GroupOfRows, type ParquetFile } from './file.ts';
import { type Decompress, pageHeaderReader } from './package.ts';
import { withCheckedPages } from './pages.ts';

/**
 * The values of a column, by the package alone.
 *
 * @throws `MALFORMED_DATA`, `UNSUPPORTED`
 */
export async function columnOfPackage(
  path: string,
  { hyparquet, bytes }: ParquetFile,
  { rows, chunks, before }: GroupOfRows,
  { name, elements, leaves }: MatchedColumn,
  compressors: Readonly<Record<string, Decompress>>,
): Promise<ArrayLike<unknown>> {
  const columns = leaves.map(({ index, path: path_in_schema, type }) => {
    const { chunk } = chunks[index]!;
    return { ...chunk, meta_data: { ...chunk.meta_data!, path_in_schema, type } };
  });
  const num_rows = BigInt(rows);
  const metadata = {
    schema: [{ name: 'root', repetition_type: 'REQUIRED', num_children: 1 }, ...elements],
    num_rows,
    row_groups: [{ columns, num_rows }],
    metadata_length: 0,
  };
  const { length: parts, 0: top } = elements;
  const isFlat = parts === 1 && top!.repetition_type !== 'REPEATED';
  const places = leaves.map(({ index }) => {
    const { start, end } = chunks[index]!;
    return { start, end, values: isFlat ? rows : undefined };
  });
  const readHeader = await pageHeaderReader();
  const where = `${path}, column ${name}, in the rows from ${before + 1} on`;
  const pieces: ArrayLike<unknown>[] = [];
  let read = 0;
  let misplaced: string | undefined;
  try {
    await hyparquet.parquetRead({
      file: readHeader ? withCheckedPages(bytes, places, readHeader) : bytes,
      metadata,
      columns: [elements[0]!.name],
      compressors,
      parsers: AS_THEY_LIE,
      utf8: false,
      onChunk: ({ columnData, rowStart }) => {
        // Not thrown here: the package lets go of what this throws, which would end the program.
        if (rowStart !== read) misplaced ??= `row ${rowStart} comes after ${read} rows`;
        read += columnData.length;
        pieces.push(columnData);
      },
    });
    if (misplaced !== undefined) throw new Error(misplaced);
  } catch (cause) {
    if (cause instanceof BeamBridgeError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    const isUnknown = /unsupported/.test(why);
    throw new BeamBridgeError(
      isUnknown ? 'UNSUPPORTED' : 'MALFORMED_DATA',
      `${where}: it cannot be read: ${why}`,
      { hint: isUnknown ? undefined : hintOf(leaves), cause },
    );
  }
  if (read !== rows) {
    const message = `${where}: it has ${read} values for ${rows} rows`;
    throw new BeamBridgeError('MALFORMED_DATA', message, { hint: 'Write the file anew.' });
  }
  return joined(pieces, rows);
}

/** One list of those of several pages, typed where all of them are. */
function joined(pieces: readonly ArrayLike<unknown>[], length: number): ArrayLike<unknown> {
  const [first] = pieces;
  if (pieces.length === 1) return first!;
  const Typed = first?.constructor as Float64ArrayConstructor;
  if (ArrayBuffer.isView(first) && pieces.every((piece) => piece.constructor === Typed)) {
    const all = new Typed(length);
    let at = 0;
    for (const piece of pieces as readonly Float64Array[]) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
  const all: unknown[] = [];
  for (const piece of pieces) for (let at = 0; at < piece.length; at++) all.push(piece[at]);
  return all;
}

/** What may have made a column that cannot be read. */
function hintOf(leaves: MatchedColumn['leaves']): string {
  return leaves.some(({ path }) => path.length > 1)
    ? "Write the file anew: one that pyarrow wrote with data_page_version='2.0', whose releases up to 25 at least miscount nulls in nested columns, without that."
    : 'Write the file anew.';
}
