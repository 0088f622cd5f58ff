// SPDX-License-Identifier: Apache-2.0
// Runs a whole program and tells how long it took, how much processor time it used, and how much memory
// each of its processes held.

import { spawn } from 'node:child_process';
import { SAMPLED_EVERY_MS, type Sampled, sampleTree } from './processes.ts';

export interface Measured {
  seconds: number;
  /** Processor time in seconds of all its processes, each until it was last looked at (Linux only). */
  processor: number;
  /** The program's processes, the one with the largest peak of resident memory first (Linux only). */
  peakMb: Sampled[];
  output: string;
}

/** Runs `command` to its end; a non-zero exit is an error that shows what it printed. */
export async function measure(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Measured> {
  const start = performance.now();
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const processes = new Map<number, Sampled>();
  const sampler = setInterval(() => sampleTree(child.pid!, processes), SAMPLED_EVERY_MS);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearInterval(sampler);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output}`);
  const peakMb = [...processes.values()].sort((a, b) => b.mb - a.mb);
  return {
    seconds: (performance.now() - start) / 1000,
    processor: peakMb.reduce((sum, { processor }) => sum + processor, 0),
    peakMb,
    output,
  };
}

/** What a program printed as `name: number`. */
export function printed({ output }: Measured, name: string): number {
  return Number(new RegExp(`${name}: ([\\d.]+)`).exec(output)?.[1]);
}

/** The one in the middle. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
