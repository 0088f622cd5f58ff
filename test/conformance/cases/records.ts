// SPDX-License-Identifier: Apache-2.0
// Files of CSV, JSON and Parquet in and out, as rows of a declared type.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  readAllFromCsv,
  readAllFromParquet,
  readFromCsv,
  readFromJson,
  writeToCsv,
  writeToJson,
  writeToParquet,
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
  {
    name: 'writeToParquet writes files that readAllFromParquet reads, of rows and of none',
    build: (root) => {
      const all = root.apply(create(ROWS, { schema }));
      const { filesWritten } = all.apply(writeToParquet(join(scratch, 'rows')));
      filesWritten.apply(readAllFromParquet({ schema })).apply(assertDeepEqual(ROWS));
      const parts = root
        .apply(create(hundred, { schema: number }))
        .apply(writeToParquet(join(scratch, 'parts'), { numShards: 3, rowGroupRows: 7 }));
      parts.filesWritten
        .apply(readAllFromParquet({ schema: number, splitBytes: 200 }))
        .apply(assertDeepEqual(hundred));
      const none = root
        .apply(create([], { schema: number }))
        .apply(writeToParquet(join(scratch, 'none')));
      none.filesWritten.apply(readAllFromParquet({ schema: number })).apply(assertDeepEqual([]));
    },
    after: () => {
      const files = readdirSync(scratch).filter((name) => name.endsWith('.parquet'));
      assert.deepEqual(files.sort(), [
        'none-00000-of-00001.parquet',
        ...[0, 1, 2].map((at) => `parts-0000${at}-of-00003.parquet`),
        'rows-00000-of-00001.parquet',
      ]);
    },
  },
];
