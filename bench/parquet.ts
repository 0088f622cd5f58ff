// SPDX-License-Identifier: Apache-2.0
// Rows of 64 numbers, Parquet to Parquet through a scikit-learn model, whole processes with a warm host, against the same
// pipeline in Python. Files are written by pyarrow, as it writes them unless it is told otherwise: the numbers as a
// list in one column, or each in a column of its own. The last columns: the
// file read into packed batches, in this process, against `hyparquet` reading the same columns and doing nothing with them.
//
// `npm run bench -- parquet --rows=200000 --runs=5`

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../src/services/index.ts';
import { rowsOfDigits, trainedModel } from './support/digits.ts';
import { type Measured, measure, median } from './support/measure.ts';
import { option } from './support/option.ts';
import { columnMillis, packedMillis } from './support/packed-parquet.ts';
import { buildPackage, compiled, root } from './support/program.ts';
import type { Table } from './support/table.ts';

const data = join(root, '.cache/bench/parquet');
const SHAPES = ['list', 'wide'] as const;
const FILES = join(root, 'bench/peers/parquet_files.py');

export async function run(): Promise<Table> {
  mkdirSync(data, { recursive: true });
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  const model = await trainedModel();
  const size = Number(option('rows', '200000'));
  const runs = Number(option('runs', '5'));
  await buildPackage();
  const program = await compiled('bench/peers/parquet_beambridge.ts');
  const pipeline = join(root, 'bench/peers/parquet_beam.py');
  const input = (shape: string) => join(data, `${size}.${shape}.parquet`);
  const lines = rowsOfDigits(size);
  for (const shape of SHAPES) await execa(python, [FILES, 'write', shape, lines, input(shape)]);
  const output = join(data, 'out', 'part');
  const beambridge = (...args: string[]) =>
    execa(process.execPath, [join(root, 'dist/cli/main.js'), ...args]);
  await beambridge('host', 'start', '--extra', 'sklearn');
  const taken = new Map<string, Measured[]>();
  let truth = '';
  try {
    // In turns, so that what the machine does meanwhile is the same for all.
    for (let i = 0; i < runs; i++) {
      for (const shape of SHAPES) {
        const peers: [string, string, string[]][] = [
          ['Python', python, [pipeline, shape]],
          ['beambridge', process.execPath, [program, shape]],
        ];
        for (const [name, command, args] of peers) {
          rmSync(join(data, 'out'), { recursive: true, force: true });
          mkdirSync(join(data, 'out'));
          const measured = await measure(command, [...args, input(shape), output, model]);
          const { stdout } = await execa(python, [FILES, 'digest', join(data, 'out')]);
          truth ||= stdout;
          if (stdout !== truth) throw new Error(`${name}, ${shape}, gave other predictions`);
          taken.set(`${name} ${shape}`, [...(taken.get(`${name} ${shape}`) ?? []), measured]);
        }
      }
    }
  } finally {
    await beambridge('host', 'stop');
  }
  const seconds = (name: string, shape: string) =>
    median(taken.get(`${name} ${shape}`)!.map((measured) => measured.seconds));
  const packed = new Map<string, number>();
  const columns = new Map<string, number>();
  for (const shape of SHAPES) {
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let i = 0; i < runs; i++) {
      ours.push((await packedMillis(input(shape), shape))[0]);
      theirs.push((await columnMillis(input(shape), shape))[0]);
    }
    packed.set(shape, median(ours));
    columns.set(shape, median(theirs));
  }
  return {
    title: `parquet: ${size.toLocaleString('en')} rows of 64 numbers, Parquet to Parquet through scikit-learn; medians of ${runs}`,
    head: [
      'columns',
      'Python pipeline',
      'beambridge, warm host',
      '× Python',
      'read and packed',
      "hyparquet's columns",
      '× hyparquet',
    ],
    rows: SHAPES.map((shape) => [
      shape,
      `${seconds('Python', shape).toFixed(2)} s`,
      `${seconds('beambridge', shape).toFixed(2)} s`,
      (seconds('beambridge', shape) / seconds('Python', shape)).toFixed(2),
      `${packed.get(shape)!.toFixed(0)} ms`,
      `${columns.get(shape)!.toFixed(0)} ms`,
      (packed.get(shape)! / columns.get(shape)!).toFixed(2),
    ]),
  };
}
