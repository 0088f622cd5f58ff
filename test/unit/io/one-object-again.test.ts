// SPDX-License-Identifier: Apache-2.0
// Writers of records and a program that gives one object again and again, each time with other values.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { create, createRunner, type PCollection } from '../../../src/index.ts';
import {
  readFromCsv,
  readFromJson,
  readFromParquet,
  writeToCsv,
  writeToJson,
  writeToParquet,
} from '../../../src/io/index.ts';
import { int64, row } from '../../../src/schema/index.ts';

const schema = row({ a: int64 });
type Row = { a: number };

function* again(tens: number): Generator<Row> {
  const one = { a: 0 };
  for (let i = 0; i < 3; i++) {
    one.a = 10 * tens + i;
    yield one;
  }
}

const FORMATS = {
  csv: [writeToCsv, readFromCsv],
  json: [writeToJson, readFromJson],
  parquet: [writeToParquet, readFromParquet],
} as const;

for (const [name, [write, read]] of Object.entries(FORMATS)) {
  test(`${name}: each row is written as it was when it was given`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'beambridge-again-'));
    try {
      await createRunner().run((root) => {
        const rows = root.apply(create([1, 2])).flatMap(again) as PCollection<Row>;
        rows.apply(write(join(folder, 'out'), { schema }));
        // Applied behind the writer, it comes behind it.
        rows.map((one) => {
          one.a = -1;
        });
      });
      const got: number[] = [];
      await createRunner().run((root) =>
        root.apply(read(join(folder, 'out*'), { schema })).map(({ a }) => {
          got.push(a);
        }),
      );
      assert.deepEqual(
        got.sort((a, b) => a - b),
        [10, 11, 12, 20, 21, 22],
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
