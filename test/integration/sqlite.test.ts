// SPDX-License-Identifier: Apache-2.0
// readFromSqlite and writeToSqlite with files, on the runner node. Skipped where better-sqlite3 has no native part.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import type { BeamBridgeError } from '../../src/base/index.ts';
import { create, createRunner, type PCollection, type Root } from '../../src/index.ts';
import {
  type ReadSqliteOptions,
  readFromSqlite,
  type WriteSqliteOptions,
  writeToSqlite,
} from '../../src/io/index.ts';
import type { SqlitePackage, Stored } from '../../src/io/sqlite/package.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  Decimal,
  decimal,
  float32,
  float64,
  type Infer,
  int64,
  MicrosInstant,
  map,
  microsInstant,
  millisInstant,
  nullable,
  type RowType,
  row,
  string,
  typedArray,
} from '../../src/schema/index.ts';

let Sqlite: SqlitePackage;
const options = { readonly: false, fileMustExist: false, timeout: 0 };

/** Why there is no SQLite, if there is none. */
function sqliteSkip(): string | false {
  try {
    Sqlite = createRequire(import.meta.url)('better-sqlite3') as SqlitePackage;
    new Sqlite(':memory:', options).close();
    return false;
  } catch (error) {
    return `better-sqlite3 cannot be loaded: ${(error as Error).message.split('\n')[0]}`;
  }
}

const folder = mkdtempSync(path.join(tmpdir(), 'beambridge-sqlite-'));
let count = 0;

/** A new file. */
function fileWith(sql: string): string {
  const file = path.join(folder, `${count++}.db`);
  const database = new Sqlite(file, options);
  database.exec(sql);
  database.close();
  return file;
}

function rowsIn(file: string, sql: string): Stored[][] {
  const database = new Sqlite(file, options);
  const rows = database.prepare(sql).raw(true).all();
  database.close();
  return rows;
}

const runner = createRunner();

async function read<T>(options: ReadSqliteOptions<T>): Promise<T[]> {
  const rows: T[] = [];
  await runner.run((root: Root) => {
    root.apply(readFromSqlite<T>(options)).map((one) => {
      rows.push(one);
    });
  });
  return rows;
}

async function write<T>(rows: readonly T[], options: WriteSqliteOptions<T>): Promise<void> {
  await runner.run((root: Root) => {
    (root.apply(create(rows)) as PCollection<T>).apply(writeToSqlite<T>(options));
  });
}

async function failed(run: Promise<unknown>): Promise<BeamBridgeError> {
  try {
    await run;
  } catch (error) {
    return error as BeamBridgeError;
  }
  return assert.fail('it did not fail');
}

const all = row({
  id: int64,
  big: nullable(bigint64),
  price: decimal,
  'odd "name"': string,
  data: nullable(bytes),
  at: microsInstant,
  day: millisInstant,
  ok: boolean,
  single: float32,
  double: float64,
  tags: array(nullable(string)),
  json: row({ a: array(int64), b: map(string, float64) }),
  pixels: typedArray('float32'),
});

const ALL = `CREATE TABLE every (id INTEGER PRIMARY KEY, big BIGINT, price TEXT, "odd ""name""" VARCHAR(2), data BLOB, at DATETIME,
  day TEXT, ok BOOLEAN, single REAL, double DOUBLE, tags JSON, json TEXT, pixels TEXT)`;

const rows: Infer<typeof all>[] = [
  {
    id: 1,
    big: 9223372036854775807n,
    price: Decimal.from('12345678901234567890.10'),
    'odd "name"': `it's "\u{1f426}"\0`,
    data: new Uint8Array([0, 255]),
    at: new MicrosInstant(1_700_000_000_123_456n),
    day: new Date('2026-02-28T23:59:59.999Z'),
    ok: true,
    single: Math.fround(0.1),
    double: 5,
    tags: ['', null, 'NULL'],
    json: { a: [1], b: new Map([['x', 0.5]]) },
    pixels: new Float32Array([0.5, 3]),
  },
  {
    id: 2,
    big: null,
    price: Decimal.from('0'),
    'odd "name"': '12',
    data: null,
    at: new MicrosInstant(-1n),
    day: new Date(0),
    ok: false,
    single: -Infinity,
    double: Number.MIN_VALUE,
    tags: [],
    json: { a: [], b: new Map() },
    pixels: new Float32Array(0),
  },
];

describe('SQLite on node', { skip: sqliteSkip(), timeout: 600_000 }, () => {
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('values of all types are read as they were written, added or by their key', async () => {
    const file = fileWith(ALL);
    await write(rows, { file, table: 'every', schema: all });
    assert.deepEqual(await read({ file, table: 'every', schema: all }), rows);
    await write(rows, { file, table: ['main', 'every'], schema: all, key: 'id' });
    assert.deepEqual(await read({ file, table: 'every', schema: all }), rows);
  });

  test('a query has parameters, and may give nothing', async () => {
    const file = fileWith(
      'CREATE TABLE n (id INT); INSERT INTO n SELECT value FROM generate_series(1, 3000)'.replace(
        'SELECT value FROM generate_series(1, 3000)',
        'WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 3000) SELECT i FROM s',
      ),
    );
    const schema = row({ id: int64 });
    const found = await read({
      file,
      query: 'SELECT id FROM n WHERE id > ? -- all',
      parameters: [1000],
      schema,
    });
    assert.equal(found.length, 2000);
    assert.deepEqual(
      await read({ file, query: 'SELECT id FROM n WHERE id > ?', parameters: [9999n], schema }),
      [],
    );
    const into = fileWith('CREATE TABLE n (id INT)');
    await runner.run((root: Root) => {
      root
        .apply(readFromSqlite({ file, table: 'n', schema }))
        .map(({ id }) => ({ id: id * 2 }))
        .apply(writeToSqlite({ file: into, table: 'n', schema }));
    });
    assert.deepEqual(rowsIn(into, 'SELECT count(*), sum(id) FROM n'), [[3000, 9003000]]);
  });

  test('of rows with one key the last counts, or the one that is there stays', async () => {
    const file = fileWith(
      'CREATE TABLE keyed (id INT, part TEXT, value INT, other INT DEFAULT 5, PRIMARY KEY (id, part))',
    );
    const schema = row({ id: int64, part: string, value: int64 });
    const options = { file, table: 'keyed', schema, key: ['id', 'part'] } as const;
    const one = (value: number) => ({ id: 1, part: 'a', value });
    await write([one(1), one(2)], options);
    assert.deepEqual(rowsIn(file, 'SELECT * FROM keyed'), [[1, 'a', 2, 5]]);
    await write([one(3), { id: 2, part: 'a', value: 4 }], { ...options, onConflict: 'ignore' });
    assert.deepEqual(rowsIn(file, 'SELECT * FROM keyed'), [
      [1, 'a', 2, 5],
      [2, 'a', 4, 5],
    ]);
  });

  test('a bundle that fails leaves none of its rows, and tells the one that was refused', async () => {
    const file = fileWith('CREATE TABLE few (id INTEGER PRIMARY KEY, text TEXT)');
    const schema = row({ id: int64, text: string });
    const two = [
      { id: 1, text: 'a' },
      { id: 1, text: 'b' },
    ];
    const error = await failed(write(two, { file, table: 'few', schema }));
    assert.equal(error.code, 'CONSTRAINT_VIOLATED', error.message);
    assert.match(
      error.shortMessage,
      /UNIQUE constraint failed: few\.id \(id: number 1, text: string "b"\)/,
    );
    assert.deepEqual(rowsIn(file, 'SELECT count(*) FROM few'), [[0]]);
    const keyless = await failed(write(two, { file, table: 'few', schema, key: 'text' }));
    assert.equal(keyless.code, 'INVALID_ARGUMENT', keyless.message);
  });

  test('what is not as declared is refused, with its column', async () => {
    const file = fileWith(
      "CREATE TABLE t (i, r, s, n); INSERT INTO t VALUES (9007199254740993, 0.1, '5', NULL)",
    );
    const cases: [RowType<never>, string, RegExp][] = [
      [
        row({ i: int64 }) as never,
        'INT64_OUT_OF_RANGE',
        /"t" of .*, row 1, column i: "9007199254740993"/,
      ],
      [row({ i: float64 }) as never, 'ROW_MISMATCH', /column i: 9007199254740993 is no float64/],
      [row({ r: int64 }) as never, 'ROW_MISMATCH', /column r: 0\.1 is no int64/],
      [row({ r: float32 }) as never, 'ROW_MISMATCH', /column r: 0\.1 is no float32/],
      [row({ s: int64 }) as never, 'ROW_MISMATCH', /column s: "5" is no int64/],
      [row({ s: array(int64) }) as never, 'ROW_MISMATCH', /column s: 5 is no array/],
      [row({ n: string }) as never, 'ROW_MISMATCH', /column n: it is NULL/],
      [row({ none: string }) as never, 'HEADER_MISMATCH', /no such column: q\.none/],
    ];
    for (const [schema, code, message] of cases) {
      const error = await failed(read({ file, table: 't', schema }));
      assert.equal(error.code, code, error.message);
      assert.match(error.shortMessage, message);
    }
    const schema = row({ i: int64 });
    assert.equal((await failed(read({ file, table: 'T2', schema }))).code, 'TABLE_NOT_FOUND');
    assert.equal(
      (await failed(read({ file: `${file}x`, table: 't', schema }))).code,
      'FILE_NOT_FOUND',
    );
    const none = path.join(folder, 'none.db');
    writeFileSync(none, 'this is no database at all, and longer than its header would be');
    assert.equal((await failed(read({ file: none, table: 't', schema }))).code, 'MALFORMED_DATA');
  });

  test('what a column would make another value of is refused', async () => {
    const file = fileWith('CREATE TABLE t (i INT, r REAL, s TEXT, n NUMERIC, b, g INT AS (i + 1))');
    const cases: [RowType<never>, unknown, string, RegExp][] = [
      [
        row({ n: decimal }) as never,
        Decimal.from('1.10'),
        'HEADER_MISMATCH',
        /column "n" of .* is NUMERIC/,
      ],
      [row({ s: int64 }) as never, 1, 'HEADER_MISMATCH', /column "s"/],
      [row({ r: int64 }) as never, 1, 'HEADER_MISMATCH', /column "r"/],
      [row({ g: int64 }) as never, 1, 'HEADER_MISMATCH', /"g" is computed/],
      [row({ x: int64 }) as never, 1, 'HEADER_MISMATCH', /"x" is no column/],
      [row({ i: string }) as never, '007', 'ROW_MISMATCH', /"007" would become a number/],
      [row({ i: string }) as never, '1\0abc', 'ROW_MISMATCH', /would become a number/],
      [row({ r: string }) as never, '1.5\0', 'ROW_MISMATCH', /would become a number/],
      [row({ r: float64 }) as never, Number.NaN, 'ROW_MISMATCH', /NaN/],
      [row({ i: int64 }) as never, 'x', 'ROW_MISMATCH', /./],
    ];
    for (const [schema, value, code, message] of cases) {
      const { name } = (schema as unknown as RowType<unknown>).fields[0]!;
      const error = await failed(
        write([{ [name]: value }] as never[], { file, table: 't', schema }),
      );
      assert.equal(error.code, code, error.message);
      assert.match(error.shortMessage, message);
    }
    assert.equal(
      (await failed(write([{ i: 1 }], { file, table: 'u', schema: row({ i: int64 }) }))).code,
      'TABLE_NOT_FOUND',
    );
    assert.deepEqual(rowsIn(file, 'SELECT count(*) FROM t'), [[0]]);
  });

  test('a text that is no UTF-8 is refused, and one with U+FFFD is read', async () => {
    const type = row({ id: int64, v: string });
    const create = 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)';
    const good = fileWith(`${create}; INSERT INTO t VALUES (1, 'a' || char(65533)), (2, 'ö')`);
    assert.deepEqual(await read({ file: good, table: 't', schema: type }), [
      { id: 1, v: 'a\ufffd' },
      { id: 2, v: 'ö' },
    ]);
    const wide = fileWith(
      `PRAGMA encoding = 'UTF-16le'; ${create}; INSERT INTO t VALUES (1, 'ö' || char(65533))`,
    );
    assert.deepEqual(await read({ file: wide, table: 't', schema: type }), [
      { id: 1, v: 'ö\ufffd' },
    ]);
    for (const bytes of ['4A6F73E9', 'F09F90', 'EFBFBDE9']) {
      const file = fileWith(`${create}; INSERT INTO t VALUES (1, CAST(x'${bytes}' AS TEXT))`);
      const error = await failed(read({ file, table: 't', schema: type }));
      assert.equal(error.code, 'ROW_MISMATCH', bytes);
      assert.match(error.shortMessage, /row 1, column v: .* is no UTF-8/);
    }
  });

  test('rows wait for their bundle in one transaction, which keeps nobody from the file', async () => {
    const file = fileWith('CREATE TABLE t (id INTEGER PRIMARY KEY)');
    const schema = row({ id: int64 });
    await runner.run((root: Root) => {
      (
        root.apply(create(Array.from({ length: 2000 }, (_, id) => ({ id })))) as PCollection<{
          id: number;
        }>
      )
        .map((one) => {
          // While others of the bundle wait.
          if (one.id === 1000) rowsIn(file, 'INSERT INTO t VALUES (5000) RETURNING id');
          return one;
        })
        .apply(writeToSqlite({ file, table: 't', schema }));
    });
    assert.deepEqual(rowsIn(file, 'SELECT count(*), max(id) FROM t'), [[2001, 5000]]);
  });
});
