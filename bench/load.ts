// SPDX-License-Identifier: Apache-2.0
// The node runner under load: what twice the work takes, in processor time and in memory, how late
// panes and timers of a busy stream are, and what two programs on one warm host take. Twice the work
// may take 2.2 times the time. `npm run bench -- load [--case=waiting,busy-python] [--most=N]`
// where N leaves out larger sizes.

import { type Bounds, LOAD_CASES, type LoadCase } from './support/load/cases.ts';
import { twoPrograms } from './support/load/two-programs.ts';
import { type Measured, measure, printed } from './support/measure.ts';
import { option } from './support/option.ts';
import { buildPackage, compiled } from './support/program.ts';
import type { Table } from './support/table.ts';

/** How much longer twice the work may take. */
const MOST_RATIO = 2.2;

export async function run(): Promise<Table> {
  await buildPackage();
  const program = await compiled('bench/peers/load_beambridge.ts');
  const grouping = await compiled('bench/peers/grouping_beambridge.ts');
  const names = option('case', '')
    .split(',')
    .filter((name) => name !== '');
  const isWanted = (name: string) => names.length === 0 || names.includes(name);
  const rows: string[][] = [];
  for (const load of LOAD_CASES.filter(({ name }) => isWanted(name))) {
    const start = load.name === 'many-keys' ? [grouping] : [program, load.name];
    rows.push(...(await grown(load, start)));
  }
  if (isWanted('two-programs')) rows.push(...(await twoPrograms(program)));
  if (rows.some((row) => row.at(-1) !== '')) process.exitCode = 1;
  return {
    title: 'the node runner under load: whole programs, their processor time, and the peak of node',
    head: ['case', 'size', 'processor', '× before', 'node', 'what it says', 'too much'],
    rows,
  };
}

/** A case at each of its sizes. */
async function grown(load: LoadCase, start: readonly string[]): Promise<string[][]> {
  const rows: string[][] = [];
  let before: { size: number; processor: number } | undefined;
  const most = Number(option('most', 'Infinity'));
  for (const size of load.sizes.filter((size) => size <= most)) {
    const args = load.name === 'many-keys' ? [`${size}`, `${size}`] : [`${size}`];
    const { heapMb } = load.bounds;
    const heap = heapMb === undefined ? [] : [`--max-old-space-size=${heapMb}`];
    const measured = await measure(process.execPath, [...heap, ...start, ...args]);
    const { processor } = measured;
    const isTwice = before !== undefined && size === 2 * before.size;
    const ratio = isTwice && load.isWork ? processor / before!.processor : undefined;
    const complaints = [
      ...(ratio !== undefined && ratio > MOST_RATIO ? [`${ratio.toFixed(2)} times`] : []),
      ...excesses(measured, load.bounds),
    ];
    rows.push([
      load.name,
      `${size.toLocaleString('en')} ${load.unit}`,
      `${processor.toFixed(2)} s`,
      ratio?.toFixed(2) ?? '',
      `${nodeMb(measured).toFixed(0)} MB`,
      load.says.map((what) => `${what} ${printed(measured, what)}`).join(', '),
      complaints.join('; '),
    ]);
    // The whole takes minutes.
    console.error(rows.at(-1)!.join(' | '));
    before = { size, processor };
  }
  return rows;
}

function excesses(measured: Measured, { mb, most = {} }: Bounds): string[] {
  const peak = nodeMb(measured);
  return [
    ...(mb !== undefined && peak > mb ? [`${peak.toFixed(0)} of ${mb} MB`] : []),
    ...Object.entries(most)
      .filter(([what, bound]) => !(printed(measured, what) <= bound))
      .map(([what, bound]) => `${what}: ${printed(measured, what)} of ${bound}`),
  ];
}

/** Peak memory of the program's own process. */
function nodeMb({ peakMb }: Measured): number {
  return Math.max(...peakMb.filter(({ command }) => command === 'node').map(({ mb }) => mb));
}
