// SPDX-License-Identifier: Apache-2.0
// The main job, whole processes: text file in, RunInference with a scikit-learn model, text file
// out. The peer is the same pipeline in Python on its FnApiRunner; the same job by hand, without any
// pipeline, is the least that it can take. Ours is measured as a program that installed the package:
// compiled to JavaScript, with the host started by the program, and once more with a host that
// `beambridge host start` keeps warm. Outputs are compared before a time counts.

import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../src/services/index.ts';
import { rowsOfDigits, trainedModel } from './support/digits.ts';
import { type Measured, measure } from './support/measure.ts';
import { option } from './support/option.ts';
import { buildPackage, compiled, linesOf, root } from './support/program.ts';
import type { Table } from './support/table.ts';

const data = join(root, '.cache/bench/digits');
const SIZES = [1_000, 10_000, 50_000, 200_000];

const beambridge = (...args: string[]) =>
  execa(process.execPath, [join(root, 'dist/cli/main.js'), ...args]);

export async function run(): Promise<Table> {
  mkdirSync(data, { recursive: true });
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  const model = await trainedModel();
  const sizes = option('rows', SIZES.join(',')).split(',').map(Number);
  await buildPackage();
  const program = await compiled('examples/mnist.ts');
  const byHand = await compiled('bench/peers/digits_plain.ts');
  const rows: string[][] = [];
  for (const size of sizes) {
    const input = rowsOfDigits(size);
    const ours = (runner: string) => (output: string) =>
      measure(process.execPath, [
        ...[program, `--runner=${runner}`],
        ...[`--input=${input}`, `--output=${output}`, `--modelPath=${model}`],
      ]);
    const handMade =
      (...options: string[]) =>
      (output: string) =>
        measure(process.execPath, [
          ...[byHand, input, output, model],
          ...[python, join(root, 'bench/peers/digits_plain.py'), ...options],
        ]);
    const warm = (runner: string) => async (output: string) => {
      await beambridge('host', 'start', '--extra', 'sklearn');
      try {
        return await ours(runner)(output);
      } finally {
        await beambridge('host', 'stop');
      }
    };
    const peers: Record<string, (output: string) => Promise<Measured>> = {
      'Python pipeline (FnApiRunner)': (output) =>
        measure(python, [join(root, 'bench/peers/digits_beam.py'), input, output, model]),
      'by hand, no Beam': handMade(),
      "by hand, with Beam's model handler": handMade('--beam'),
      'beambridge, runner direct': ours('direct'),
      'beambridge, runner direct, warm host': warm('direct'),
      'beambridge, runner node': ours('node'),
      'beambridge, runner node, warm host': warm('node'),
    };
    let baseline: Measured | undefined;
    let truth = '';
    for (const [name, runPeer] of Object.entries(peers)) {
      const output = join(data, `out-${rows.length}`, 'part');
      rmSync(resolve(output, '..'), { recursive: true, force: true });
      mkdirSync(resolve(output, '..'), { recursive: true });
      const measured = await runPeer(output);
      const lines = linesOf(output);
      truth ||= lines;
      if (lines !== truth) throw new Error(`${name} gave other predictions for ${size} rows`);
      baseline ??= measured;
      rows.push([
        size.toLocaleString('en'),
        name,
        `${measured.seconds.toFixed(2)} s`,
        `${(measured.seconds / baseline.seconds).toFixed(2)}`,
        measured.peakMb
          .slice(0, 3)
          .map(({ command, mb }) => `${command} ${mb.toFixed(0)}`)
          .join(', '),
      ]);
    }
  }
  return {
    title: 'digits: text in, scikit-learn, text out; whole processes',
    head: ['rows', 'who', 'time', '× Python', 'peak memory in MB, per process'],
    rows,
  };
}
