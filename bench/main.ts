// SPDX-License-Identifier: Apache-2.0
// `npm run bench -- NAME` runs bench/NAME.ts, prints its table and writes bench/results/NAME.json.

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { printTable, type Table } from './support/table.ts';

const here = import.meta.dirname;
const support = new Set(['main']);
const names = readdirSync(here)
  .filter((f) => f.endsWith('.ts'))
  .map((f) => f.slice(0, -3))
  .filter((name) => !support.has(name));

const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0 || wanted.length === 0) {
  console.error(`usage: npm run bench -- NAME\n  NAME is one of: ${names.join(', ')}`);
  process.exit(wanted.length === 0 ? 0 : 1);
}
for (const name of wanted) {
  const { run } = (await import(`./${name}.ts`)) as { run: () => Promise<Table> };
  const table = await run();
  console.log(`${printTable(table)}\n`);
  mkdirSync(join(here, 'results'), { recursive: true });
  const machine = {
    node: process.version,
    cpus: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
  };
  const record = { name, date: new Date().toISOString(), machine, ...table };
  writeFileSync(join(here, 'results', `${name}.json`), `${JSON.stringify(record, null, 2)}\n`);
}
