// SPDX-License-Identifier: Apache-2.0
// A Parquet file read into packed batches, as they go to Python, and the same columns as `hyparquet` gives them.

import { asyncBufferFromFile, parquetRead, type parquetRead as Read } from 'hyparquet';
import { GlobalWindow, GlobalWindowCoder, NO_FIRING } from '../../src/coders/index.ts';
import type { ParquetFormat } from '../../src/io/parquet/file.ts';
import { readParquet } from '../../src/io/parquet/read-range.ts';
import { PackExamples } from '../../src/ml/packing/packing.ts';
import { int64, type RowType, row, typedArray } from '../../src/schema/index.ts';

const PIXELS = typedArray('float32');
const WIDTH = 64;
const NAMES = Array.from({ length: WIDTH }, (_, at) => `pixel${at}`);

const CONTEXT = {
  window: { lookup: () => GlobalWindow.INSTANCE },
  timestamp: { lookup: () => 0 },
  pane: { lookup: () => NO_FIRING },
};

/** Milliseconds, and the bytes of the batches. */
export async function packedMillis(path: string, shape: string): Promise<[number, number]> {
  const start = performance.now();
  const format: ParquetFormat = {
    schema: row({ label: int64, pixels: PIXELS }) as RowType<unknown>,
    names: shape === 'wide' ? { pixels: NAMES } : {},
  };
  const types = { example: PIXELS, inference: int64, key: int64 };
  const pack = new PackExamples(types as never, new GlobalWindowCoder() as never);
  pack.startBundle();
  let bytes = 0;
  const count = (batches: readonly { readonly value?: unknown }[] | undefined) => {
    for (const { value } of batches ?? []) bytes += (value as Uint8Array).length;
  };
  const range = { path, version: undefined, start: 0, end: Infinity };
  const options = { withLines: false, withFailed: false };
  type Digit = { label: number; pixels: Float32Array };
  for await (const { records } of readParquet<Digit>(range as never, format, options)) {
    for (const { label: key, pixels: value } of records)
      count(pack.process({ key, value }, CONTEXT as never) as never);
  }
  count(pack.finishBundle() as never);
  return [performance.now() - start, bytes];
}

/** Milliseconds, and how many values the columns have: a list counts once. */
export async function columnMillis(path: string, shape: string): Promise<[number, number]> {
  const start = performance.now();
  let values = 0;
  const columns = ['label', ...(shape === 'wide' ? NAMES : ['pixels'])];
  const onChunk: Parameters<typeof Read>[0]['onChunk'] = ({ columnData }) => {
    values += columnData.length;
  };
  await parquetRead({ file: await asyncBufferFromFile(path), columns, onChunk });
  return [performance.now() - start, values];
}
