// SPDX-License-Identifier: Apache-2.0
// More elements than memory should hold, through a grouping on the runner `node`, which goes to files
// when it must. The program itself checks that every element came out once. The bound is 1.5 GB.

import { type Measured, measure } from './support/measure.ts';
import { buildPackage, compiled } from './support/program.ts';
import type { Table } from './support/table.ts';

const ELEMENTS = 10_000_000;
const KEYS = [1_000, 100_000, 3_000_000];
const MOST_MB = 1500;

export async function run(): Promise<Table> {
  await buildPackage();
  const program = await compiled('bench/peers/grouping_beambridge.ts');
  const rows: string[][] = [];
  for (const keys of KEYS) {
    const measured = await measure(process.execPath, [program, `${ELEMENTS}`, `${keys}`]);
    const mb = measured.peakMb.reduce((sum, one) => sum + one.mb, 0);
    if (mb > MOST_MB) throw new Error(`${keys} keys took ${mb.toFixed(0)} MB`);
    rows.push([
      ELEMENTS.toLocaleString('en'),
      keys.toLocaleString('en'),
      said(measured, 'groups'),
      `${measured.seconds.toFixed(1)} s`,
      `${mb.toFixed(0)} MB`,
    ]);
  }
  return {
    title: 'grouping on the runner node: whole processes',
    head: ['elements', 'keys', 'groups', 'time', 'peak memory'],
    rows,
  };
}

function said({ output }: Measured, what: string): string {
  return Number(new RegExp(`${what}: (\\d+)`).exec(output)?.[1]).toLocaleString('en');
}
