// SPDX-License-Identifier: Apache-2.0
// Word count over 500 MB of text on the runner `node`, on the main thread alone and in two threads, against a plain
// loop in Node. Whole processes are measured, in turns; outputs are compared before a time counts.

import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensurePythonEnvironment } from '../src/services/index.ts';
import { type Measured, measure, printed } from './support/measure.ts';
import { buildPackage, compiled, linesOf, root } from './support/program.ts';
import type { Table } from './support/table.ts';
import { writeText } from './support/text.ts';

const data = join(root, '.cache/bench/threads');
const BYTES = 500_000_000;
/** Whoever else uses the machine makes runs slower, never faster: the best of some counts. */
const RUNS = 3;

export async function run(): Promise<Table> {
  mkdirSync(data, { recursive: true });
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  const input = join(data, 'text.txt');
  await writeText(input, BYTES, python);
  await buildPackage();
  const ours = await compiled('bench/peers/wordcount_threads.ts');
  const plain = await compiled('bench/peers/wordcount_plain.ts');
  const peers: [string, string, ...string[]][] = [
    ['plain loop in Node', plain],
    ['beambridge, nodeWorkers: 1', ours, '1'],
    ['beambridge, nodeWorkers: 2', ours, '2'],
  ];
  const bests = new Map<string, Measured>();
  let truth = '';
  for (let i = 0; i < RUNS; i++) {
    for (const [name, program, ...args] of peers) {
      const output = join(data, name.replace(/\W+/g, '-'), 'part');
      rmSync(resolve(output, '..'), { recursive: true, force: true });
      mkdirSync(resolve(output, '..'));
      const measured = await measure(process.execPath, [program, input, output, ...args]);
      const lines = linesOf(output);
      truth ||= lines;
      if (lines !== truth) throw new Error(`${name} counted other words`);
      const best = bests.get(name);
      if (!best || measured.seconds < best.seconds) bests.set(name, measured);
    }
  }
  return {
    title: `word count: ${BYTES / 1e6} MB of docstrings; best of ${RUNS}`,
    head: ['who', 'pipeline', 'whole process', 'processor', 'peak memory in MB'],
    rows: [...bests].map(([name, best]) => [
      name,
      `${printed(best, 'pipeline seconds').toFixed(1)} s`,
      `${best.seconds.toFixed(1)} s`,
      `${printed(best, 'processor seconds').toFixed(1)} s`,
      best.peakMb.reduce((sum, { mb }) => sum + mb, 0).toFixed(0),
    ]),
  };
}
