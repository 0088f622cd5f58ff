// SPDX-License-Identifier: Apache-2.0
// Values a second through the coders, against Python Beam's own (compiled by Cython), in the same
// run. Both sides write many values into one growing buffer and read them back, nested.

import { join } from 'node:path';
import { execa } from 'execa';
import { ByteReader, ByteWriter } from '../src/base/index.ts';
import {
  type Coder,
  DoubleCoder,
  JsCoder,
  KVCoder,
  StrUtf8Coder,
  VarIntCoder,
} from '../src/coders/index.ts';
import { array, float64, int64, row, rowCoder, string } from '../src/schema/index.ts';
import { ensurePythonEnvironment } from '../src/services/index.ts';
import type { Table } from './support/table.ts';

const SECONDS = 1;
const COUNT = 5_000;

const digit = row({ id: int64, pixels: array(int64), score: float64, name: string });

/** The same names and the same values as in peers/coders_beam.py. */
const cases: Record<string, [Coder<unknown>, (i: number) => unknown]> = {
  string_utf8: [new StrUtf8Coder(), (i) => `word number ${i}`],
  varint: [new VarIntCoder(), (i) => i * 7919],
  double: [new DoubleCoder(), (i) => i / 7],
  'kv<string_utf8, varint>': [
    new KVCoder(new StrUtf8Coder(), new VarIntCoder()),
    (i) => ({ key: `key${i}`, value: i }),
  ],
  'row of 64 whole numbers': [
    rowCoder(digit),
    (i) => ({
      id: i,
      pixels: Array.from({ length: 64 }, (_, p) => (i + p) % 17),
      score: i / 7,
      name: `digit ${i}`,
    }),
  ],
  'plain value': [new JsCoder(), (i) => ({ id: i, tags: ['a', 'b'], score: i / 7 })],
};

/** The best of as many rounds as fit into the time, as the peer does it. */
function rate(action: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  const deadline = performance.now() + SECONDS * 1000;
  while (performance.now() < deadline) {
    const start = performance.now();
    action();
    best = Math.min(best, performance.now() - start);
  }
  return COUNT / (best / 1000);
}

export async function run(): Promise<Table> {
  const { python } = await ensurePythonEnvironment({});
  const script = join(import.meta.dirname, 'peers/coders_beam.py');
  const { stdout } = await execa(python, [script, String(SECONDS), String(COUNT)]);
  const peer: Record<string, { encode: number; decode: number }> = JSON.parse(stdout);
  const rows: string[][] = [];
  for (const [name, [coder, make]] of Object.entries(cases)) {
    const values = Array.from({ length: COUNT }, (_, i) => make(i));
    const out = new ByteWriter();
    const encode = rate(() => {
      out.reset();
      for (const value of values) coder.encode(value, out, true);
    });
    const bytes = out.take();
    const decode = rate(() => {
      const input = new ByteReader(bytes);
      for (let i = 0; i < COUNT; i++) coder.decode(input, true);
    });
    for (const [task, ours] of Object.entries({ encode, decode })) {
      const theirs = peer[name]![task as 'encode' | 'decode'];
      const million = (n: number) => `${(n / 1e6).toFixed(2)} M/s`;
      rows.push([name, task, million(ours), million(theirs), (ours / theirs).toFixed(2)]);
    }
  }
  return {
    title: 'coders: values a second',
    head: ['coder', 'task', 'beambridge', 'Python Beam (Cython)', '× Python'],
    rows,
  };
}
