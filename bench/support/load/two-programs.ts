// SPDX-License-Identifier: Apache-2.0
// Two programs that use one warm host at the same time, against one alone.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../../../src/services/index.ts';
import { measure } from '../measure.ts';
import { type Sampled, sampleTree } from '../processes.ts';
import { root } from '../program.ts';

const SIZE = 400_000;
const MOST_RATIO = 2.2;

/** Rows of the table for one program and for two. */
export async function twoPrograms(program: string): Promise<string[][]> {
  const { python } = await ensurePythonEnvironment();
  const home = mkdtempSync(join(tmpdir(), 'beambridge-bench-'));
  // A warm host of its own: others may be at work on this machine.
  const env = { BEAMBRIDGE_HOME: home, BEAMBRIDGE_PYTHON: python };
  const cli = join(root, 'dist/cli/main.js');
  await execa(process.execPath, [cli, 'host', 'start'], { env });
  try {
    const { stdout } = await execa(process.execPath, [cli, 'host', 'status'], { env });
    const host = Number(/host (\d+)/.exec(stdout)?.[1]);
    if (!(host > 0)) throw new Error(`no warm host: ${stdout}`);
    const some = async (count: number) => {
      const before = processorOf(host);
      const programs = Array.from({ length: count }, () =>
        measure(process.execPath, [program, 'many-elements', `${SIZE}`], env),
      );
      const measured = await Promise.all(programs);
      const own = measured.reduce((sum, { processor }) => sum + processor, 0);
      const peak = Math.max(...measured.flatMap(({ peakMb }) => peakMb.map(({ mb }) => mb)));
      return { processor: own + processorOf(host) - before, peak };
    };
    await some(1); // What is imported once stays.
    const one = await some(1);
    const two = await some(2);
    const ratio = two.processor / one.processor;
    const unit = `on a warm host, ${SIZE.toLocaleString('en')} elements through Python each`;
    return [
      row(`1 program ${unit}`, one, '', ''),
      row(
        `2 programs ${unit}`,
        two,
        ratio.toFixed(2),
        ratio > MOST_RATIO ? `${ratio.toFixed(2)} times` : '',
      ),
    ];
  } finally {
    await execa(process.execPath, [cli, 'host', 'stop'], { env });
    rmSync(home, { recursive: true, force: true });
  }
}

function row(
  size: string,
  { processor, peak }: { processor: number; peak: number },
  ratio: string,
  tooMuch: string,
): string[] {
  return [
    ...['two-programs', size, `${processor.toFixed(2)} s`, ratio],
    ...[`${peak.toFixed(0)} MB`, '', tooMuch],
  ];
}

/** Of the host, and of its children, also those that have ended. */
function processorOf(host: number): number {
  const processes = new Map<number, Sampled>();
  sampleTree(host, processes);
  return [...processes.values()].reduce(
    (sum, { processor, ofEnded }) => sum + processor + ofEnded,
    0,
  );
}
