// SPDX-License-Identifier: Apache-2.0
// What an element of an async generator costs as a source, in processor time: what a million more of
// them take, less what starting takes, beside a bare `for await` over the same generator. At most 2 µs.
//
// `npm run bench -- source --runs=9`

import { measure, median } from './support/measure.ts';
import { option } from './support/option.ts';
import { buildPackage, compiled } from './support/program.ts';
import type { Table } from './support/table.ts';

const FEW = 240_000;
const MANY = 1_240_000;
const MOST_MICROS = 2;
const WAYS = ['pipeline', 'bare'] as const;

export async function run(): Promise<Table> {
  const runs = Number(option('runs', '9'));
  await buildPackage();
  const program = await compiled('bench/peers/source_beambridge.ts');
  const processor = async (way: string, elements: number) =>
    (await measure(process.execPath, [program, way, `${elements}`])).processor;
  const found = new Map(WAYS.map((way) => [way, { few: [] as number[], micros: [] as number[] }]));
  for (let i = 0; i < runs; i++) {
    for (const way of WAYS) {
      const few = await processor(way, FEW);
      const many = await processor(way, MANY);
      found.get(way)!.few.push(few);
      found.get(way)!.micros.push(((many - few) / (MANY - FEW)) * 1e6);
    }
  }
  const of = (way: (typeof WAYS)[number]) => median(found.get(way)!.micros);
  const more = of('pipeline') - of('bare');
  if (more > MOST_MICROS) process.exitCode = 1;
  return {
    title: `fromAsyncIterable on the runner node: processor time of an element, median of ${runs} runs`,
    head: ['who', `${FEW.toLocaleString('en')} elements`, 'each of a million more'],
    rows: [
      ...WAYS.map((way) => [
        way === 'bare' ? 'for await' : 'fromAsyncIterable and map(x => x)',
        `${median(found.get(way)!.few).toFixed(2)} s`,
        `${of(way).toFixed(2)} µs`,
      ]),
      ['what the source costs', '', `${more.toFixed(2)} of at most ${MOST_MICROS} µs`],
    ],
  };
}
