// SPDX-License-Identifier: Apache-2.0
// The columns of a row group. Values and lists of values are decoded here, into typed arrays as far as they are numbers; all
// else is the package's, and so is a column that is not plainly what its file says, of which the package tells what is wrong.

import { endianness } from 'node:os';
import { ChunkBytes } from './chunk-bytes.ts';
import type { MatchedColumn } from './columns.ts';
import { flatOf, listsOf } from './decode/assemble.ts';
import { readPages } from './decode/pages.ts';
import { type LeafShape, shapeOf } from './decode/shape.ts';
import type { Chunk, GroupOfRows, ParquetFile } from './file.ts';
import type { Raw } from './gather.ts';
import { type Decompress, type PageDecoders, pageDecoders } from './package.ts';
import { columnOfPackage } from './package-column.ts';

/** Typed arrays have the byte order of the machine, and files are little-endian. */
const CAN_VIEW = endianness() === 'LE';

/**
 * Of all columns of all fields, in their order.
 *
 * @throws `MALFORMED_DATA`, `UNSUPPORTED` for one that cannot be read, and what reading the file does
 */
export async function rawColumns(
  path: string,
  file: ParquetFile,
  group: GroupOfRows,
  compressors: Readonly<Record<string, Decompress>>,
): Promise<Raw[]> {
  const decoders = CAN_VIEW ? await pageDecoders() : undefined;
  const columns = file.fields.flatMap((field) => field.columns);
  const chunkOf = ({ leaves }: MatchedColumn) => group.chunks[leaves[0]!.index]!;
  const shapes = columns.map(({ elements }) => (decoders ? shapeOf(elements) : undefined));
  const decoded = columns.filter((_, at) => shapes[at]);
  const bytes = new ChunkBytes(file.bytes, decoded.map(chunkOf));
  const raws: Raw[] = [];
  for (const [at, column] of columns.entries()) {
    const shape = shapes[at];
    const chunk = shape && { ...chunkOf(column), bytes: await bytes.take(chunkOf(column)) };
    const raw = chunk && decodedColumn(chunk, shape, column, group.rows, compressors, decoders!);
    raws.push(raw ?? (await columnOfPackage(path, file, group, column, compressors)));
  }
  return raws;
}

/** A column that is decoded here; nothing for one that is not plainly what its file says. */
export function decodedColumn(
  { chunk, codec, bytes }: Chunk & { readonly bytes: Uint8Array },
  shape: LeafShape,
  { takesNumbers: asNumbers = false }: MatchedColumn,
  rows: number,
  compressors: Readonly<Record<string, Decompress>>,
  decoders: PageDecoders,
): Raw | undefined {
  try {
    const count = Number(chunk.meta_data!.num_values);
    const kind = { ...shape, asNumbers };
    const pages = readPages({ bytes, codec, count }, shape, kind, compressors, decoders);
    return shape.isList ? listsOf(pages, shape, rows) : flatOf(pages, shape, rows);
  } catch {
    return undefined;
  }
}
