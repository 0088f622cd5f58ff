// SPDX-License-Identifier: Apache-2.0
// The main job on every engine: one program, and a flag that names another runner. Whole processes, as
// digits.ts measures them; a cluster of Flink is up before, as a cluster is, and counts for nothing. What
// comes out is compared with scikit-learn's own word before a time counts, and what a program started must
// be gone with it. On the cluster a row of the table tells how many rows each task scored. What others use of
// the machine makes runs longer; the processor time of all processes of a program (without the cluster's)
// says more then.
//
//   npm run bench -- engines [--rows=1000,200000] [--runs=3] [--engines=node,prism]
//
// Engines that are not on this machine are left out with a word; scripts/test-engines fetches them.

import { mkdirSync, rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { predictedByPython, trainedDigits } from '../test/helpers/digits.ts';
import { rowsOfDigits, trainedModel } from './support/digits.ts';
import { type Engine, enginesHere } from './support/engines.ts';
import { type Measured, measure, median } from './support/measure.ts';
import { option } from './support/option.ts';
import { leftOf } from './support/processes.ts';
import { buildPackage, compiled, linesOf, root } from './support/program.ts';
import type { Table } from './support/table.ts';

const data = join(root, '.cache/bench/engines');

export async function run(): Promise<Table> {
  const sizes = option('rows', '1000,200000').split(',').map(Number);
  const runs = Number(option('runs', '3'));
  const model = await trainedModel();
  const { python } = await trainedDigits();
  await buildPackage();
  const program = await compiled('examples/mnist.ts');
  await using engines = await enginesHere(option('engines', ''));
  const rows: string[][] = [];
  const loads: number[] = [];
  for (const size of sizes) {
    const input = rowsOfDigits(size);
    const truth = predictedByPython({ python, model, all: input }, input).sort().join('\n');
    const seen = new Map<Engine, Seen[]>(engines.all.map((engine) => [engine, []]));
    for (let i = 0; i < runs; i++) {
      for (const [engine, ofEngine] of seen) {
        loads.push(loadavg()[0]!);
        ofEngine.push(await once(engine, { program, input, model, truth }));
        console.error(`${size} rows, ${engine.name}: ${ofEngine.at(-1)!.measured.seconds} s`);
      }
    }
    const ofNode = seconds([...seen.values()][0]!);
    for (const [{ name }, ofEngine] of seen) {
      const all = ofEngine.map(({ measured }) => measured.seconds);
      const { measured, perTask } = ofEngine.find((each) => each.measured.seconds === median(all))!;
      rows.push([
        ...[size.toLocaleString('en'), name, `${median(all).toFixed(1)} s`],
        `${Math.min(...all).toFixed(1)} to ${Math.max(...all).toFixed(1)} s`,
        (median(all) / ofNode).toFixed(1),
        `${median(ofEngine.map(({ measured }) => measured.processor)).toFixed(1)} s`,
        measured.peakMb
          .slice(0, 3)
          .map(({ command, mb }) => `${command} ${mb.toFixed(0)}`)
          .join(', '),
        perTask.join(' + '),
      ]);
    }
  }
  const load = `${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`;
  return {
    title: `the main job on every engine: whole processes, median of ${runs}, load before each ${load}`,
    head: [
      ...['rows', 'runner', 'time', 'from, to', '× first', 'processor', 'peak memory in MB'],
      'rows per task',
    ],
    rows,
  };
}

/** One run, whose output was right and that left nothing. */
interface Seen {
  readonly measured: Measured;
  /** Rows that each task scored, where the engine says so. */
  readonly perTask: readonly number[];
}

interface Job {
  readonly program: string;
  readonly input: string;
  readonly model: string;
  readonly truth: string;
}

async function once(engine: Engine, { program, input, model, truth }: Job): Promise<Seen> {
  const output = join(data, 'out', 'part');
  rmSync(resolve(output, '..'), { recursive: true, force: true });
  mkdirSync(resolve(output, '..'), { recursive: true });
  const jobName = `bench-engines-${process.pid}-${Date.now()}`;
  const measured = await measure(process.execPath, [
    ...[program, `--input=${input}`, `--output=${output}`, `--modelPath=${model}`],
    ...[`--jobName=${jobName}`, ...engine.flags],
  ]);
  if (linesOf(output) !== truth) throw new Error(`${engine.name} gave other predictions`);
  const left = await leftOf(measured.peakMb);
  if (left.length > 0) {
    throw new Error(`${engine.name} left ${left.map((each) => JSON.stringify(each)).join(', ')}`);
  }
  return { measured, perTask: (await engine.rowsPerTask?.(jobName)) ?? [] };
}

function seconds(seen: readonly Seen[]): number {
  return median(seen.map(({ measured }) => measured.seconds));
}
