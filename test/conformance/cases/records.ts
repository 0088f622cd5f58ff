// SPDX-License-Identifier: Apache-2.0
// Files of CSV and JSON in and out, as rows of a declared type.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  readAllFromCsv,
  readFromCsv,
  readFromJson,
  writeToCsv,
  writeToJson,
} from '../../../src/io/index.ts';
import {
  array,
  bigint64,
  float64,
  int64,
  nullable,
  row,
  string,
} from '../../../src/schema/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import { create } from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-records-'));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));

function file(name: string, contents: string): string {
  const path = join(scratch, name);
  writeFileSync(path, contents);
  return path;
}

const schema = row({
  id: int64,
  text: nullable(string),
  big: bigint64,
  p: array(float64),
});
const ROWS = [
  { id: 1, text: 'a,"b"\nc', big: 2n ** 63n - 1n, p: [1, 2.5] },
  { id: 2, text: null, big: -1n, p: [0, -3] },
];
const CSV = 'id,text,big,p1,p2\n1,"a,""b""\nc",9223372036854775807,1,2.5\n2,,-1,0,-3\n';
const LINES =
  '{"id":1,"text":"a,\\"b\\"\\nc","big":9223372036854775807,"p":[1,2.5]}\n{"id":2,"text":null,"big":-1,"p":[0,-3]}\n';

const number = row({ n: int64 });
const hundred = Array.from({ length: 100 }, (_, n) => ({ n }));

export const records: Cases = [
  {
    name: 'readFromCsv gives rows of the declared type',
    build: (root) => {
      const path = file('a.csv', CSV);
      root.apply(readFromCsv(path, { schema, columns: { p: /^p/ } })).apply(assertDeepEqual(ROWS));
      root
        .apply(create([path]))
        .apply(readAllFromCsv({ schema, columns: { p: ['p1', 'p2'] } }).withPosition())
        .apply(
          assertDeepEqual([
            { key: { path, line: 2 }, value: ROWS[0]! },
            { key: { path, line: 4 }, value: ROWS[1]! },
          ]),
        );
    },
  },
  {
    name: 'readFromCsv sets bad records aside, in whatever ranges',
    build: (root) => {
      const lines = hundred.map(({ n }) => (n === 70 ? '"x"' : `${n}`));
      const path = file('bad.csv', `n\n${lines.join('\n')}\n`);
      const read = readFromCsv(path, { schema: number, quotedNewlines: false, splitBytes: 20 });
      const { records: good, failed } = root.apply(read.withFilename().withBadRecords());
      const fit = hundred.filter(({ n }) => n !== 70);
      good.apply(assertDeepEqual(fit.map((value) => ({ key: path, value }))));
      failed
        .map(({ line, column, record }) => `${line} ${column} ${record}`)
        .apply(assertDeepEqual(['72 n "x"']));
    },
  },
  {
    name: 'readFromCsv fails for a record that does not fit',
    build: (root) => {
      root.apply(readFromCsv(file('misfit.csv', 'n\n1\n1.5\n'), { schema: number }));
    },
    fails: { code: 'ROW_MISMATCH', message: /misfit\.csv, line 3, column "n" \(1\)/ },
  },
  {
    name: 'readFromCsv fails for a header without a column',
    build: (root) => {
      root.apply(readFromCsv(file('header.csv', 'm\n1\n'), { schema: number }));
    },
    fails: { code: 'HEADER_MISMATCH', message: /there is no column "n"/ },
  },
  {
    name: 'readFromJson gives records of the declared type',
    build: (root) => {
      root.apply(readFromJson(file('a.jsonl', LINES), { schema })).apply(assertDeepEqual(ROWS));
      const array = `[${LINES.trim().replace('\n', ',')}]`;
      root
        .apply(readFromJson(file('a.json', array), { schema, lines: false }))
        .apply(assertDeepEqual(ROWS));
    },
  },
  {
    name: 'writeToCsv and writeToJson write rows with the type that they have',
    build: (root) => {
      const rows = root.apply(create(ROWS.slice(0, 1), { schema }));
      rows.apply(writeToJson(join(scratch, 'out')));
      rows
        .map(({ id, big }) => ({ id, big }))
        .apply(writeToCsv(join(scratch, 'out'), { schema: row({ id: int64, big: bigint64 }) }));
      root
        .apply(create([], { schema: number }))
        .apply(writeToJson(join(scratch, 'none'), { lines: false }));
    },
    after: () => {
      const read = (name: string) => readFileSync(join(scratch, name), 'utf8');
      assert.equal(read('out-00000-of-00001.jsonl'), LINES.slice(0, LINES.indexOf('\n') + 1));
      assert.equal(read('out-00000-of-00001.csv'), 'id,big\n1,9223372036854775807\n');
      assert.equal(read('none-00000-of-00001.json'), '[]\n');
    },
  },
];
