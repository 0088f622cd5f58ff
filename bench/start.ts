// SPDX-License-Identifier: Apache-2.0
// How long a small job takes that has hardly any work: 1,000 rows of digits, text in, scikit-learn, text out. Whole
// programs, with a host of their own and with one that `beambridge host start` keeps warm, the first run there and those
// after it, and what a further run takes in a program that goes on. The peer is the same pipeline in Python. Others
// may use the machine meanwhile: each number is the best of several, taken in turns. Outputs are compared.

import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../src/services/index.ts';
import { rowsOfDigits, trainedModel } from './support/digits.ts';
import { type Measured, measure, printed } from './support/measure.ts';
import { option } from './support/option.ts';
import { buildPackage, compiled, linesOf, root } from './support/program.ts';
import type { Table } from './support/table.ts';

const data = join(root, '.cache/bench/start');
const TURNS = 5;
/** Runs of one program. */
const RUNS = 6;

const command = (...args: string[]) =>
  execa(process.execPath, [join(root, 'dist/cli/main.js'), ...args]);

interface Best {
  seconds: number;
  /** Processor time of the program and all that it started, but for what a warm host and its workers use. */
  processor: number;
}

export async function run(): Promise<Table> {
  mkdirSync(data, { recursive: true });
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  const model = await trainedModel();
  const input = rowsOfDigits(Number(option('rows', '1000')));
  const turns = Number(option('turns', String(TURNS)));
  await buildPackage();
  const once = await compiled('examples/mnist.ts');
  const often = await compiled('bench/peers/digits_often.ts');
  const ours = (output: string, env = {}) =>
    measure(
      process.execPath,
      [once, '--runner=node', `--input=${input}`, `--output=${output}`, `--modelPath=${model}`],
      env,
    );
  const again = (program: string[], output: string) =>
    measure(program[0]!, [...program.slice(1), input, output, model, String(RUNS)]);
  const further = (measured: Measured): Best => ({
    seconds: printed(measured, 'seconds'),
    processor: printed(measured, 'processor'),
  });
  const warmed = async (act: () => Promise<Best>): Promise<Best> => {
    await command('host', 'start', '--extra', 'sklearn');
    try {
      return await act();
    } finally {
      await command('host', 'stop');
    }
  };
  const peers: Record<string, (output: string) => Promise<Best>> = {
    'Python, the program': (output) =>
      measure(python, [join(root, 'bench/peers/digits_beam.py'), input, output, model]),
    'Python, a further run': async (output) =>
      further(await again([python, join(root, 'bench/peers/digits_often.py')], output)),
    'beambridge, the program': (output) => ours(output),
    'with a warm host, its first run': (output) => warmed(() => ours(output)),
    'with a warm host, the next': (output) =>
      warmed(async () => {
        await ours(output);
        return ours(output);
      }),
    'the same, nothing kept': (output) =>
      warmed(async () => {
        await ours(output);
        return ours(output, { BEAMBRIDGE_KEEP_SECONDS: '0' });
      }),
    'beambridge, a further run': async (output) =>
      further(await again([process.execPath, often], output)),
  };
  const best = new Map<string, Best>();
  let truth = '';
  for (let turn = 0; turn < turns; turn++) {
    for (const [name, runPeer] of Object.entries(peers)) {
      const output = join(data, 'out', 'part');
      rmSync(resolve(output, '..'), { recursive: true, force: true });
      mkdirSync(resolve(output, '..'), { recursive: true });
      const { seconds, processor } = await runPeer(output);
      const lines = linesOf(output);
      truth ||= lines;
      if (lines !== truth) throw new Error(`${name} gave other predictions`);
      const before = best.get(name) ?? { seconds, processor };
      best.set(name, {
        seconds: Math.min(seconds, before.seconds),
        processor: Math.min(processor, before.processor),
      });
    }
  }
  return {
    title: `start: 1,000 rows of digits on the runner node, best of ${turns}`,
    head: ['what', 'time', 'processor time of its own'],
    rows: [...best].map(([name, { seconds, processor }]) => [
      name,
      `${seconds.toFixed(2)} s`,
      `${processor.toFixed(2)} s`,
    ]),
  };
}
