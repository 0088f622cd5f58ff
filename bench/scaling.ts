// SPDX-License-Identifier: Apache-2.0
// From one TaskManager to two: rows through a model that waits, as one behind a network does, and through
// one that computes, on a cluster of Flink whose workers of both languages are processes of the TaskManagers.
// A batch takes as long as it is told, so that what comes on top is ours and the engine's. On a machine
// with two cores the second TaskManager has no machine of its own: what computes cannot become faster
// there than the cores that others leave. docs/scaling.md reckons with what this measures.
//
//   npm run bench -- scaling [--rows=640] [--models=Waiting,Busy] [--parallelism=1,2] [--runs=1]

import { loadavg } from 'node:os';
import { join } from 'node:path';
import { flinkHere } from '../test/helpers/engines.ts';
import { clusterHere } from './support/engines.ts';
import { stepsOf } from './support/flink-tasks.ts';
import { measure, median, printed } from './support/measure.ts';
import { option } from './support/option.ts';
import { buildPackage, compiled, root } from './support/program.ts';
import type { Table } from './support/table.ts';

const ROWS_PER_BATCH = 10;
const SECONDS_PER_BATCH = 0.25;
/** As Flink names the step that calls the model. */
const SCORING = /run_inference/;

export async function run(): Promise<Table> {
  const numbers = (name: string, fallback: string) => option(name, fallback).split(',').map(Number);
  const [rows = 0] = numbers('rows', '640');
  const [runs = 1] = numbers('runs', '1');
  const parallelisms = numbers('parallelism', '1,2');
  const title = `rows through a model on Flink, ${ROWS_PER_BATCH} a batch of ${SECONDS_PER_BATCH} s`;
  const head = [
    'model',
    'TaskManagers',
    'rows',
    'model alone',
    'scored in',
    '× first',
    'on top of a batch',
  ];
  const table = { title, head: [...head, 'whole program', 'load before'], rows: [] as string[][] };
  const flink = await flinkHere();
  if ('skip' in flink) {
    console.error(flink.skip);
    return table;
  }
  await using cluster = await clusterHere({ taskManagers: Math.max(...parallelisms), slots: 1 });
  if (!cluster) return table;
  await buildPackage();
  const program = await compiled('bench/peers/scaling_beambridge.ts');
  const handlers = join(root, 'bench/peers/scaling_handlers.py');
  for (const model of option('models', 'Waiting,Busy').split(',')) {
    let first: number | undefined;
    for (const parallelism of parallelisms) {
      const scored: number[] = [];
      const whole: number[] = [];
      const loads: number[] = [];
      for (let i = 0; i < runs; i++) {
        loads.push(loadavg()[0]!);
        const jobName = `bench-scaling-${process.pid}-${Date.now()}`;
        const options = {
          ...{ runner: 'flink', flinkMaster: cluster.address, flinkJobServer: flink.jars },
          ...{ parallelism, environmentType: 'PROCESS', jobName, progress: false },
        };
        const numbers = [rows, ROWS_PER_BATCH, SECONDS_PER_BATCH].map(String);
        const args = [program, model, ...numbers, handlers, JSON.stringify(options)];
        const measured = await measure(process.execPath, args);
        const steps = await stepsOf(cluster.address, jobName);
        const step = steps.find(({ name }) => SCORING.test(name));
        if (!step?.read.every((count) => count > 0)) {
          throw new Error(`not all tasks had rows: ${JSON.stringify(steps)}`);
        }
        scored.push(printed(measured, 'scoring seconds'));
        whole.push(measured.seconds);
      }
      const took = median(scored);
      first ??= took;
      // From the end of the first batch.
      const batches = rows / ROWS_PER_BATCH / parallelism - 1;
      const least = batches * SECONDS_PER_BATCH;
      table.rows.push([
        ...[model, `${parallelism}`, rows.toLocaleString('en'), `${least.toFixed(1)} s`],
        ...[
          `${took.toFixed(1)} s`,
          (first / took).toFixed(2),
          `${(((took - least) / batches) * 1000).toFixed(0)} ms`,
        ],
        ...[`${median(whole).toFixed(1)} s`, loads.map((load) => load.toFixed(1)).join(', ')],
      ]);
      console.error(table.rows.at(-1)!.join(' | '));
    }
  }
  return table;
}
