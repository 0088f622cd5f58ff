// SPDX-License-Identifier: Apache-2.0
// Word count over 10 MB of text on the runner `node`. The peers are the same pipeline in Python on
// its FnApiRunner, and a plain loop in Node, the least that can be needed. Whole processes are
// measured, and by each program itself the pipeline alone and the processor time that it used, which
// says more on a busy machine. Outputs are compared before a time counts.

import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensurePythonEnvironment } from '../src/services/index.ts';
import { type Measured, measure } from './support/measure.ts';
import { buildPackage, compiled, linesOf, root } from './support/program.ts';
import type { Table } from './support/table.ts';
import { writeText } from './support/text.ts';

const data = join(root, '.cache/bench/wordcount');
const BYTES = 10_000_000;
/** Whoever else uses the machine makes runs slower, never faster: the best of some counts. */
const RUNS = 3;

interface Best {
  process: number;
  pipeline: number;
  /** Of all its threads. */
  processor: number;
  mb: number;
}

function better(best: Best | undefined, { seconds, output, peakMb }: Measured): Best {
  const said = (what: string) => Number(new RegExp(`${what} seconds: ([\\d.]+)`).exec(output)?.[1]);
  const pipeline = said('pipeline');
  const processor = said('processor');
  const mb = peakMb.reduce((sum, { mb }) => sum + mb, 0);
  if (!best) return { process: seconds, pipeline, processor, mb };
  return {
    process: Math.min(best.process, seconds),
    pipeline: Math.min(best.pipeline, pipeline),
    processor: Math.min(best.processor, processor),
    mb: Math.max(best.mb, mb),
  };
}

export async function run(): Promise<Table> {
  mkdirSync(data, { recursive: true });
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  const input = join(data, 'text.txt');
  await writeText(input, BYTES, python);
  await buildPackage();
  const node = process.execPath;
  const ours = await compiled('bench/peers/wordcount_beambridge.ts');
  const plain = await compiled('bench/peers/wordcount_plain.ts');
  const peers: [string, string, string[]][] = [
    ['Python pipeline (FnApiRunner)', python, [join(root, 'bench/peers/wordcount_beam.py')]],
    ['beambridge, runner node', node, [ours]],
    ['plain loop in Node', node, [plain]],
  ];
  const bests = new Map<string, Best>();
  let truth = '';
  for (let i = 0; i < RUNS; i++) {
    for (const [name, command, args] of peers) {
      const output = join(data, name.replace(/\W+/g, '-'), 'part');
      rmSync(resolve(output, '..'), { recursive: true, force: true });
      mkdirSync(resolve(output, '..'));
      const measured = await measure(command, [...args, input, output]);
      const lines = linesOf(output);
      truth ||= lines;
      if (lines !== truth) throw new Error(`${name} counted other words`);
      bests.set(name, better(bests.get(name), measured));
    }
  }
  const words = truth.split('\n').map((line) => Number(line.split(': ')[1]));
  const all = words.reduce((sum, count) => sum + count, 0);
  const baseline = bests.get(peers[0]![0])!;
  return {
    title: `word count: ${BYTES / 1e6} MB of docstrings, ${all.toLocaleString('en')} words, ${words.length.toLocaleString('en')} distinct; best of ${RUNS}`,
    head: [
      ...['who', 'pipeline', 'Python ÷', 'whole process', 'Python ÷', 'processor', 'Python ÷'],
      'peak memory in MB',
    ],
    rows: [...bests].map(([name, best]) => [
      name,
      `${best.pipeline.toFixed(2)} s`,
      (baseline.pipeline / best.pipeline).toFixed(1),
      `${best.process.toFixed(2)} s`,
      (baseline.process / best.process).toFixed(1),
      `${best.processor.toFixed(2)} s`,
      (baseline.processor / best.processor).toFixed(1),
      best.mb.toFixed(0),
    ]),
  };
}
