// SPDX-License-Identifier: Apache-2.0
// Columns from the file to the model: rows of 64 numbers, CSV to CSV through a scikit-learn model, whole processes with a
// warm host. A source that knows its types against the program's own parsing, and against the same job by hand, which
// has no pipeline and one Python child. What a further row takes is told from two sizes; the processor time is the
// program's own, without the warm host's, and holds where the machine has other work as well.
//
// `npm run bench -- columns --rows=20000,200000 --runs=5`

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../src/services/index.ts';
import { rowsOfDigits, trainedModel } from './support/digits.ts';
import { type Measured, measure, median } from './support/measure.ts';
import { option } from './support/option.ts';
import { buildPackage, compiled, linesOf, root } from './support/program.ts';
import type { Table } from './support/table.ts';

const data = join(root, '.cache/bench/columns');
const WAYS: Readonly<Record<string, string>> = {
  float32: "typedArray('float32')",
  byte: "typedArray('byte')",
  int64: 'array(int64)',
  own: "the program's own parsing",
};

export async function run(): Promise<Table> {
  mkdirSync(data, { recursive: true });
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  const model = await trainedModel();
  const sizes = option('rows', '20000,200000').split(',').map(Number);
  const runs = Number(option('runs', '5'));
  await buildPackage();
  const program = await compiled('bench/peers/columns_beambridge.ts');
  const byHand = await compiled('bench/peers/digits_plain.ts');
  const scorer = join(root, 'bench/peers/digits_plain.py');
  const ways: [string, (input: string, output: string) => Promise<Measured>][] = [
    [
      'by hand, no Beam',
      (input, output) => measure(process.execPath, [byHand, input, output, model, python, scorer]),
    ],
    ...Object.entries(WAYS).map(
      ([source, name]) =>
        [
          name,
          (input: string, output: string) =>
            measure(process.execPath, [program, source, input, output, model]),
        ] as [string, (input: string, output: string) => Promise<Measured>],
    ),
  ];
  const beambridge = (...args: string[]) =>
    execa(process.execPath, [join(root, 'dist/cli/main.js'), ...args]);
  await beambridge('host', 'start', '--extra', 'sklearn');
  const taken = new Map<string, Measured[]>();
  try {
    for (const size of sizes) {
      const input = withHeader(size);
      let truth = '';
      // In turns, so that what the machine does meanwhile is the same for all.
      for (let i = 0; i < runs; i++) {
        for (const [name, score] of ways) {
          const output = join(data, 'out', 'part');
          rmSync(join(data, 'out'), { recursive: true, force: true });
          mkdirSync(join(data, 'out'));
          const measured = await score(input, output);
          const lines = linesOf(output);
          truth ||= lines;
          if (lines !== truth) throw new Error(`${name} gave other predictions`);
          const of = `${name} ${size}`;
          taken.set(of, [...(taken.get(of) ?? []), measured]);
        }
      }
    }
  } finally {
    await beambridge('host', 'stop');
  }
  const [small = 0, large = 0] = [Math.min(...sizes), Math.max(...sizes)];
  const figure = (name: string, size: number, of: 'seconds' | 'processor') =>
    median(taken.get(`${name} ${size}`)!.map((measured) => measured[of]));
  const further = (name: string, of: 'seconds' | 'processor') =>
    large > small
      ? `${(((figure(name, large, of) - figure(name, small, of)) / (large - small)) * 1e6).toFixed(2)} µs`
      : '';
  const [hand] = ways[0]!;
  return {
    title: `columns: ${large.toLocaleString('en')} rows of 64 numbers, CSV to CSV through scikit-learn; medians of ${runs}`,
    head: ['source', 'time', '× by hand', 'a further row', 'its processor time, Node'],
    rows: ways.map(([name]) => [
      name,
      `${figure(name, large, 'seconds').toFixed(2)} s`,
      (figure(name, large, 'seconds') / figure(hand, large, 'seconds')).toFixed(2),
      further(name, 'seconds'),
      name === hand ? '' : further(name, 'processor'),
    ]),
  };
}

/** Digits with a header that names their columns. */
function withHeader(rows: number): string {
  const path = join(data, `${rows}.csv`);
  const lines = readFileSync(rowsOfDigits(rows), 'utf8');
  const width = lines.slice(0, lines.indexOf('\n')).split(',').length;
  const names = ['label', ...Array.from({ length: width - 1 }, (_, at) => `pixel${at}`)];
  writeFileSync(path, `${names.join(',')}\n${lines}`);
  return path;
}
