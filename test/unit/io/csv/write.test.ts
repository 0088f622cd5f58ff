// SPDX-License-Identifier: Apache-2.0
// Rows to CSV files, and back to the same rows, on the node runner in this process.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRunner } from '../../../../src/index.ts';
import {
  type ReadCsvOptions,
  readFromCsv,
  type WriteCsvOptions,
  writeToCsv,
} from '../../../../src/io/index.ts';
import {
  array,
  bigint64,
  boolean,
  Decimal,
  decimal,
  enumeration,
  float32,
  float64,
  int32,
  int64,
  MicrosInstant,
  microsInstant,
  millisInstant,
  nullable,
  type RowType,
  row,
  string,
} from '../../../../src/schema/index.ts';
import { create, withSchema } from '../../../../src/transforms/index.ts';
import {
  type FilesOfRows,
  ownPrefix,
  readRows,
  refusalOf,
  textsOf,
  writeRows,
} from '../../../helpers/row-files.ts';

async function written<T>(
  rows: readonly T[],
  schema: RowType<T>,
  options: WriteCsvOptions<T> = {},
): Promise<FilesOfRows & { texts: string[] }> {
  const found = await writeRows(rows, schema, (prefix) => writeToCsv<T>(prefix, options));
  return { ...found, texts: textsOf(found) };
}

const back = <T>(prefix: string, options: ReadCsvOptions<T>) =>
  readRows<T>(readFromCsv(`${prefix}*`, options));

const pair = row({ 'a "name"': nullable(string), n: nullable(float64) });

test('cells are in quotes where they need them, and missing values are not', async () => {
  const rows = [
    { 'a "name"': 'x,y', n: 1e21 },
    { 'a "name"': '"\r\n', n: -0 },
    { 'a "name"': '', n: null },
    { 'a "name"': null, n: NaN },
  ];
  const { prefix, files, texts } = await written(rows, pair);
  assert.deepEqual(files, ['out-00000-of-00001.csv']);
  assert.deepEqual(texts, ['"a ""name""",n\n"x,y",1e+21\n"""\r\n",-0\n"",\n,NaN\n']);
  assert.deepEqual(await back(prefix, { schema: pair }), rows);
});

test('every type is read back as it was written', async () => {
  const schema = row({
    whole: int64,
    big: bigint64,
    single: float32,
    double: float64,
    yes: boolean,
    kind: enumeration(['x,', 'y']),
    price: decimal,
    at: millisInstant,
    fine: microsInstant,
  });
  const rows = [
    {
      whole: -(2 ** 53) + 1,
      big: -(2n ** 63n),
      single: Math.fround(0.1),
      double: 0.1 + 0.2,
      yes: true,
      kind: 'x,' as const,
      price: Decimal.from('1.50'),
      at: new Date(-1),
      fine: new MicrosInstant(-1n),
    },
    {
      whole: 0,
      big: 0n,
      single: -Infinity,
      double: 5e-324,
      yes: false,
      kind: 'y' as const,
      price: Decimal.from('-1e-10'),
      at: new Date(8.64e15),
      fine: new MicrosInstant(10n ** 17n),
    },
  ];
  const { prefix, texts } = await written(rows, schema);
  assert.match(texts[0]!, /,0\.1,0\.30000000000000004,true,"x,",1\.50,1969-12-31T23:59:59\.999Z,/);
  assert.deepEqual(await back(prefix, { schema }), rows);
});

test('whatever texts and numbers are, they are read back', async () => {
  const schema = row({
    s: string,
    t: nullable(string),
    x: float64,
    y: float32,
    z: nullable(int32),
  });
  const cell = fc.oneof(
    fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', ' ', '\ufeff', 'N', 'A') }),
    fc.string({ unit: 'grapheme', maxLength: 8 }),
  );
  const record = fc.record(
    {
      s: cell,
      t: fc.option(cell),
      x: fc.double(),
      y: fc.float(),
      z: fc.option(fc.integer()),
    },
    { noNullPrototype: true },
  );
  const options = fc.constantFrom(
    {},
    { delimiter: ';', nullText: 'NA' },
    { delimiter: '\t', header: false },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 6 }),
      options,
      async (rows, how) => {
        // A whole number that a float32 would round to another one is none of the type.
        const fit = rows.filter(({ y }) => !Number.isSafeInteger(y) || Math.abs(y) <= 2 ** 24);
        const { nullText = '', ...dialect } = how as { nullText?: string };
        const { prefix } = await written(fit, schema, how);
        assert.deepEqual(await back(prefix, { schema, ...dialect, nulls: [nullText] }), fit);
      },
    ),
    { numRuns: 60 },
  );
});

test('without rows there is a file with the header alone', async () => {
  assert.deepEqual((await written([], pair)).texts, ['"a ""name""",n\n']);
  assert.deepEqual((await written([], pair, { header: false })).texts, ['']);
});

test('shards have the header each; compression and names are as for text', async () => {
  const schema = row({ n: int64 });
  const rows = [1, 2, 3].map((n) => ({ n }));
  const { files, texts } = await written(rows, schema, {
    maxRecordsPerShard: 2,
    fileNameSuffix: '.csv.gz',
  });
  assert.deepEqual(files, ['out-00000-of-00002.csv.gz', 'out-00001-of-00002.csv.gz']);
  assert.deepEqual(texts, ['n\n1\n2\n', 'n\n3\n']);
});

test('a file of one column has no blank lines', async () => {
  const text = row({ a: string });
  const { texts, prefix } = await written([{ a: '' }, { a: 'x' }], text);
  assert.deepEqual(texts, ['a\n""\nx\n']);
  assert.deepEqual(await back(prefix, { schema: text }), [{ a: '' }, { a: 'x' }]);
  const number = row({ a: nullable(int64) });
  const numbers = await written([{ a: null }, { a: 1 }], number);
  assert.deepEqual(numbers.texts, ['a\n""\n1\n']);
  assert.deepEqual(await back(numbers.prefix, { schema: number }), [{ a: null }, { a: 1 }]);
});

test('what nothing says the type of, and types without cells, are refused when the pipeline is built', async () => {
  const refused = refusalOf(writeToCsv as never);
  await refused('INVALID_ARGUMENT', /nothing says what the rows are/, undefined);
  await refused('INVALID_ARGUMENT', /nothing says what the rows are/, string);
  await refused('INVALID_SCHEMA', /field p .* cell of CSV cannot hold/, row({ p: array(int64) }));
  await refused('INVALID_SCHEMA', /schema is string/, undefined, { schema: string });
  await refused('INVALID_ARGUMENT', /n may have that value/, pair, { nullText: 'nan' });
  await refused('INVALID_ARGUMENT', /needs quotes/, pair, { nullText: 'a,b' });
  await refused('INVALID_ARGUMENT', /blank line/, row({ a: nullable(string) }));
  await refused('INVALID_ARGUMENT', /Did you mean delimiter/, pair, { delimeter: ';' });
  await refused('INVALID_ARGUMENT', /quote is null/, pair, { quote: null });
});

test('a row that is none of the type fails the run, declared before or here', async () => {
  const schema = row({ n: int64 });
  for (const late of [true, false]) {
    const prefix = ownPrefix();
    await assert.rejects(
      createRunner().run((root) => {
        const rows = root.apply(create([{ n: 1 }, { n: 1.5 }]));
        if (late) rows.apply(writeToCsv(prefix, { schema }));
        else rows.apply(withSchema(schema)).apply(writeToCsv(prefix));
      }),
      { code: 'ROW_MISMATCH' },
    );
    assert.deepEqual(readdirSync(dirname(prefix)), []);
  }
});

test('a row is held to its type, however it is made: what it lacks, what it has beside it', async () => {
  const schema = row({ n: int64, text: nullable(string) });
  const linesOf = async (element: object) => {
    const prefix = ownPrefix();
    await createRunner().run((root) => {
      root
        .apply(create([0]))
        .map(() => element as never)
        .apply(writeToCsv(prefix, { schema }));
    });
    return readFileSync(`${prefix}-00000-of-00001.csv`, 'utf8');
  };
  assert.equal(await linesOf({ text: 'x', n: -0 }), 'n,text\n0,x\n');
  assert.equal(await linesOf({ n: 1 }), 'n,text\n1,\n');
  assert.equal(await linesOf({ n: 1, text: undefined, other: undefined }), 'n,text\n1,\n');
  assert.equal(
    await linesOf(Object.assign(Object.create(null), { n: 1, text: 'y' })),
    'n,text\n1,y\n',
  );
  for (const wrong of [
    { n: 1, text: 'x', other: 1 },
    { n: 1, other: 'x' },
    { text: 'x' },
    [1, 'x'],
  ]) {
    await assert.rejects(linesOf(wrong), { code: 'ROW_MISMATCH' });
  }
});
