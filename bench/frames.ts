// SPDX-License-Identifier: Apache-2.0
// Data frames: rows of six columns, numbers and texts, one of them nullable, through a scikit-learn
// pipeline with a ColumnTransformer and the default predict. The peer is the model alone on one whole
// frame in Python. What counts is the processor time of the Python worker, from its start to its end:
// at most twice the model's and a second. Predictions are compared before a time counts.
//
// `npm run bench -- frames --rows=50000 --runs=5`

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../src/services/index.ts';
import { type Measured, measure, median, printed } from './support/measure.ts';
import { option } from './support/option.ts';
import { buildPackage, compiled, root } from './support/program.ts';
import type { Table } from './support/table.ts';

const data = join(root, '.cache/bench/frames');
const plain = join(root, 'bench/peers/frames_plain.py');
const CITIES = 200;
const PLANS = ['free', 'basic', 'pro', 'team', 'enterprise'];
const DEVICES = ['phone', 'tablet', 'laptop', 'desktop'];
/** What a worker may take to start. */
const START_SECONDS = 1;

export async function run(): Promise<Table> {
  mkdirSync(data, { recursive: true });
  const rows = Number(option('rows', '50000'));
  const runs = Number(option('runs', '5'));
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  const input = join(data, `${rows}.json`);
  const model = join(data, `${rows}.pkl`);
  if (!existsSync(model)) {
    writeFileSync(input, JSON.stringify(visitors(rows)));
    await execa(python, [plain, 'train', input, model]);
  }
  await buildPackage();
  const program = await compiled('bench/peers/frames_beambridge.ts');
  const [byPlain, byOurs] = [join(data, 'plain'), join(data, 'ours')];
  const alone: number[] = [];
  const worker: number[] = [];
  const whole: number[] = [];
  for (let i = 0; i < runs; i++) {
    alone.push(
      printed(await measure(python, [plain, 'predict', input, model, byPlain]), 'predict seconds'),
    );
    const ours = await measure(process.execPath, [program, input, model, byOurs]);
    worker.push(workersProcessor(ours));
    whole.push(ours.processor);
    if (!readFileSync(byPlain).equals(readFileSync(byOurs))) throw new Error('other predictions');
  }
  const bound = 2 * median(alone) + START_SECONDS;
  if (median(worker) > bound) process.exitCode = 1;
  const row = (what: string, seconds: readonly number[]) => [
    what,
    `${Math.min(...seconds).toFixed(3)} s`,
    `${median(seconds).toFixed(3)} s`,
  ];
  return {
    title: `data frames: ${rows.toLocaleString('en')} rows of 6 columns through a ColumnTransformer; processor time of ${runs} runs`,
    head: ['what', 'least', 'median'],
    rows: [
      row('the model alone, on one whole frame', alone),
      row('the Python worker, its start included', worker),
      ['at most', '', `${bound.toFixed(3)} s`],
      row('all processes: node, host and worker', whole),
    ],
  };
}

/** Of the process that scored: a Python that was forked by a Python that the host forked. */
function workersProcessor({ peakMb }: Measured): number {
  const byPid = new Map(peakMb.map((each) => [each.pid, each]));
  const isPython = (pid: number) => byPid.get(pid)?.command.startsWith('python') === true;
  const seconds = peakMb
    .filter(({ pid, parent }) => {
      const grandparent = byPid.get(parent)?.parent;
      return (
        isPython(pid) && isPython(parent) && grandparent !== undefined && isPython(grandparent)
      );
    })
    .reduce((sum, { processor }) => sum + processor, 0);
  if (seconds === 0) throw new Error('no Python worker was seen');
  return seconds;
}

function visitors(count: number): object[] {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const below = (most: number) => Math.floor(random() * most);
  return Array.from({ length: count }, (_, id) => ({
    id,
    age: 18 + below(600) / 10,
    income: random() < 0.1 ? null : below(9_000_000) / 100,
    visits: below(14),
    city: `city ${below(CITIES)}`,
    plan: PLANS[below(PLANS.length)],
    device: DEVICES[below(DEVICES.length)],
  }));
}
