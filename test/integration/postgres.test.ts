// SPDX-License-Identifier: Apache-2.0
// readFromPostgres and writeToPostgres with a real PostgreSQL, on the runner node. Skipped where there is none.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type BeamBridgeError, nap } from '../../src/base/index.ts';
import { create, createRunner, type PCollection, type Root } from '../../src/index.ts';
import {
  type ReadPostgresOptions,
  readFromPostgres,
  type WritePostgresOptions,
  writeToPostgres,
} from '../../src/io/index.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  Decimal,
  decimal,
  float32,
  float64,
  int32,
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
import { type Postgres, postgresSkip, startPostgres } from '../helpers/postgres.ts';

const runner = createRunner();
let database: Postgres;
let connection: { host: string; port: number; user: string; database: string };

async function rowsOf<T>(options: Omit<ReadPostgresOptions<T>, 'connection'>): Promise<T[]> {
  const rows: T[] = [];
  await runner.run((root: Root) => {
    root.apply(readFromPostgres<T>({ connection, ...options })).map((one) => {
      rows.push(one);
    });
  });
  return rows;
}

async function write<T>(
  rows: readonly T[],
  options: Omit<WritePostgresOptions<T>, 'connection'>,
): Promise<void> {
  await runner.run((root: Root) => {
    (root.apply(create(rows)) as PCollection<T>).apply(
      writeToPostgres<T>({ connection, ...options }),
    );
  });
}

/** What the run fails with. */
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
  big: bigint64,
  price: nullable(decimal),
  'odd "name"\\ö': string,
  bytes: nullable(bytes),
  at: microsInstant,
  local: millisInstant,
  ok: boolean,
  single: float32,
  double: float64,
  tags: array(nullable(string)),
  matrix: array(array(int32)),
  json: row({ a: array(int64), b: nullable(map(string, float64)) }),
  text: string,
  uuid: string,
  pixels: typedArray('float32'),
});

const ALL = `CREATE TABLE all_types (
  id int4 PRIMARY KEY, big int8, price numeric(30, 10), "odd ""name""\\ö" text, bytes bytea, at timestamptz,
  local timestamp, ok bool, single float4, double float8, tags text[], matrix int4[], json jsonb, text varchar(10), uuid uuid,
  pixels float4[])`;

const rows = [
  {
    id: 1,
    big: 9223372036854775807n,
    price: Decimal.from('12345678901234567890.0123456789'),
    'odd "name"\\ö': 'a\tb\\N\n"c"\r\u{1f426}',
    bytes: new Uint8Array([0, 255, 92, 10]),
    at: new MicrosInstant(1_700_000_000_123_456n),
    local: new Date('2026-02-28T23:59:59.999Z'),
    ok: true,
    single: Math.fround(0.1),
    double: 0.1,
    tags: ['', 'NULL', null, 'a,b', '{"x"}', '\\'],
    matrix: [
      [1, -2],
      [3, 4],
    ],
    json: { a: [1, 2], b: new Map([['x', 0.5]]) },
    text: '\u{1f426}'.repeat(10),
    uuid: '6f1c1f0e-6f39-4d7b-9d52-3f0d1b1d1c11',
    pixels: new Float32Array([0.25, Number.NaN, Infinity, -0]),
  },
  {
    id: 2,
    big: -9223372036854775808n,
    price: null,
    'odd "name"\\ö': '',
    bytes: null,
    at: new MicrosInstant(-62_000_000_000_000_001n),
    local: new Date('-000043-03-15T00:00:00.000Z'),
    ok: false,
    single: -Infinity,
    double: Number.MIN_VALUE,
    tags: [],
    matrix: [],
    json: { a: [], b: null },
    text: '\\N',
    uuid: '00000000-0000-0000-0000-000000000000',
    pixels: new Float32Array(0),
  },
];

describe('PostgreSQL on node', { skip: postgresSkip(), timeout: 600_000 }, () => {
  before(async () => {
    database = await startPostgres();
    connection = { host: '127.0.0.1', port: database.port, user: 'postgres', database: 'postgres' };
    database.query(ALL);
    database.query(
      'CREATE TABLE numbers AS SELECT i::int8 AS id, i % 7 AS rest FROM generate_series(1, 20000) AS i',
    );
  });
  after(() => database?.[Symbol.asyncDispose]());

  test('values of all types are read as they were written, added or by their key', async () => {
    await write(rows, { table: 'all_types', schema: all });
    const byId = (a: { id: number }, b: { id: number }) => a.id - b.id;
    assert.deepEqual((await rowsOf({ table: 'all_types', schema: all })).sort(byId), rows);
    database.query('TRUNCATE all_types');
    await write(rows, { table: ['public', 'all_types'], schema: all, key: 'id' });
    await write(rows, { table: 'all_types', schema: all, key: 'id' });
    assert.deepEqual((await rowsOf({ table: 'all_types', schema: all })).sort(byId), rows);
  });

  const number = row({ id: int64 });
  const cuts: Omit<ReadPostgresOptions<{ id: number }>, 'connection' | 'schema'>[] = [
    { table: 'numbers', ranges: 5 },
    { table: 'numbers', partitionBy: 'id', ranges: 7 },
    {
      query: 'SELECT id, NULLIF(rest, 3)::float8 AS rest FROM numbers',
      partitionBy: 'rest',
      ranges: 3,
    },
    {
      query:
        "SELECT id, '2026-01-01'::timestamptz + id * '1 s'::interval AS at FROM numbers -- all",
      partitionBy: 'at',
    },
    {
      query:
        "SELECT id, CASE id WHEN 1 THEN 'infinity' ELSE '2026-01-01'::date + rest END::date AS at FROM numbers",
      partitionBy: 'at',
    },
    {
      query: 'SELECT id, id::numeric / 3 AS third FROM numbers',
      partitionBy: 'third',
      snapshot: false,
    },
    { table: 'numbers', snapshot: false },
  ];
  for (const cut of cuts) {
    test(`each row is read once: ${JSON.stringify(cut)}`, async () => {
      const ids = (await rowsOf({ ...cut, schema: number })).map(({ id }) => id);
      assert.deepEqual(
        ids.sort((a, b) => a - b),
        Array.from({ length: 20_000 }, (_, at) => at + 1),
      );
    });
  }

  test('a query has parameters, and may give nothing', async () => {
    const query = 'SELECT id FROM numbers WHERE id = $1 OR id = $2';
    const found = await rowsOf({ query, parameters: [5, '7'], partitionBy: 'id', schema: number });
    assert.deepEqual(found.map(({ id }) => id).sort(), [5, 7]);
    assert.deepEqual(await rowsOf({ query, parameters: [-1, null], schema: number }), []);
  });

  test('all ranges are of one moment, whatever is written meanwhile', async () => {
    database.query(
      'CREATE TABLE moving AS SELECT i AS id, 0 AS version FROM generate_series(1, 5000) AS i',
    );
    const seen: { id: number; version: number }[] = [];
    const type = row({ id: int64, version: int64 });
    await runner.run((root: Root) => {
      root
        .apply(readFromPostgres({ connection, table: 'moving', schema: type, ranges: 4 }))
        .map((one) => {
          if (seen.length === 0)
            database.query('UPDATE moving SET version = 1; DELETE FROM moving WHERE id > 4000');
          seen.push(one);
        });
    });
    assert.equal(seen.length, 5000);
    assert.deepEqual(new Set(seen.map(({ version }) => version)), new Set([0]));
  });

  test('a name that is no column is none, though there is a function of rows that has it', async () => {
    for (const name of ['count', 'concat', 'to_json', 'num_nulls']) {
      const declared = name === 'concat' || name === 'to_json' ? string : int64;
      const error = await failed(
        rowsOf({ table: 'numbers', schema: row({ [name]: declared }) as RowType<unknown> }),
      );
      assert.equal(error.code, 'HEADER_MISMATCH', name);
      assert.equal(error.hint, 'There are "id", "rest".');
      const cut = await failed(rowsOf({ table: 'numbers', schema: number, partitionBy: name }));
      assert.equal(cut.code, 'HEADER_MISMATCH', name);
    }
  });

  test('floats that lie near one another are read once', async () => {
    const [least, greatest] = [98.51105228706103, 98.51105228706108];
    const near: number[] = [];
    for (let value = least; value <= greatest; value += 2 ** -46) near.push(value);
    database.query(`CREATE TABLE near AS SELECT unnest('{${near.join(',')}}'::float8[]) AS x`);
    const found = await rowsOf({ table: 'near', schema: row({ x: float64 }), partitionBy: 'x' });
    assert.deepEqual(
      found.map(({ x }) => x).sort((a, b) => a - b),
      near,
    );
  });

  test('a query that gives numbers to rows gives each the same in every range', async () => {
    // So large that scans which are under way at the same time would begin where the others are.
    database.query(`SET max_parallel_workers_per_gather = 0; CREATE TABLE large AS
      SELECT i AS id, repeat('x', 200) AS text FROM generate_series(1, 300000) AS i`);
    const query = 'SELECT id, row_number() OVER () AS place FROM large';
    const found = await rowsOf({ query, schema: number, partitionBy: 'place', ranges: 4 });
    assert.equal(found.length, 300_000);
    assert.equal(new Set(found.map(({ id }) => id)).size, 300_000);
    database.query('DROP TABLE large');
  });

  test('who waits to alter a table that is read ends neither in a hang nor in fewer rows', async () => {
    database.query(
      "CREATE TABLE altered AS SELECT i AS id, repeat('x', 1000) AS text FROM generate_series(1, 20000) AS i",
    );
    const waiting = new AbortController();
    let count = 0;
    const read = failed(
      runner.run((root: Root) => {
        root
          .apply(readFromPostgres({ connection, table: 'altered', schema: number, ranges: 16 }))
          .map(async () => {
            count += 1;
            if (count > 1) return;
            const args = ['-h', '127.0.0.1', '-p', String(database.port), '-U', 'postgres'];
            spawn('psql', [...args, '-qc', 'TRUNCATE altered'], {
              stdio: 'ignore',
              signal: waiting.signal,
            }).on('error', () => {});
            const waits = `SELECT count(*) FROM pg_locks WHERE relation = 'altered'::regclass AND NOT granted`;
            while (database.query(waits) === '0') await nap(50);
          });
      }),
    );
    const error = await read;
    waiting.abort();
    assert.equal(error.code, 'TIMEOUT', error.message);
    assert.match(
      error.shortMessage,
      /"altered" cannot be read: canceling statement due to lock timeout/,
    );
    assert.match(error.hint!, /ALTER TABLE, TRUNCATE/);
  });

  test('what a database has set changes no value', async () => {
    database.query('CREATE DATABASE odd');
    for (const setting of [
      'IntervalStyle TO sql_standard',
      'array_nulls TO off',
      'DateStyle TO German',
    ])
      database.query(`ALTER DATABASE odd SET ${setting}`);
    const odd = { ...connection, database: 'odd' };
    const type = row({ id: int64, length: string, text: nullable(string) });
    const create = 'CREATE TABLE lengths (id int PRIMARY KEY, length interval, text text)';
    const inOdd = (sql: string) => database.query(sql, 'odd');
    inOdd(create);
    inOdd("INSERT INTO lengths VALUES (1, interval '-1 day' - interval '2:03:04', NULL)");
    database.query(create);
    const copy = (from: object, to: object, key?: 'id') =>
      runner.run((root: Root) => {
        const rows = root.apply(
          readFromPostgres({ connection: from, table: 'lengths', schema: type }),
        ) as PCollection<{ id: number; length: string; text: string | null }>;
        rows.apply(
          writeToPostgres({ connection: to, table: 'lengths', schema: type, ...(key && { key }) }),
        );
      });
    const stored = 'SELECT id, extract(epoch FROM length)::int, text IS NULL FROM lengths';
    await copy(odd, connection);
    assert.equal(database.query(stored), '1|-93784|t');
    for (const key of [undefined, 'id'] as const) {
      inOdd('TRUNCATE lengths');
      await copy(connection, odd, key);
      assert.equal(inOdd(stored), '1|-93784|t');
    }
  });

  test('a table is copied on direct, added and by its key', async () => {
    database.query('CREATE TABLE copied (id int PRIMARY KEY)');
    const direct = createRunner({ runner: 'direct', progress: false });
    for (const key of [undefined, 'id'] as const) {
      await direct.run((root: Root) => {
        root
          .apply(readFromPostgres({ connection, table: 'numbers', schema: number, ranges: 5 }))
          .map(({ id }) => ({ id: id * 2 }))
          .apply(
            writeToPostgres({ connection, table: 'copied', schema: number, ...(key && { key }) }),
          );
      });
      assert.equal(database.query('SELECT count(*), sum(id) FROM copied'), '20000|400020000');
    }
  });

  test('of rows with one key the last counts, or the one that is there stays', async () => {
    database.query(
      'CREATE TABLE keyed ("Key" int, part text, value int, other int DEFAULT 5, PRIMARY KEY ("Key", part))',
    );
    const type = row({ id: int64, part: string, value: int64 });
    const options = {
      table: 'keyed',
      schema: type,
      columns: { id: 'Key' },
      key: ['id', 'part'],
    } as const;
    const one = (value: number) => ({ id: 1, part: 'a', value });
    await write([one(1), one(2), { id: 2, part: 'a', value: 7 }], options);
    assert.equal(database.query('SELECT * FROM keyed ORDER BY 1'), '1|a|2|5\n2|a|7|5');
    await write([one(3), one(4), { id: 3, part: 'b', value: 8 }], {
      ...options,
      onConflict: 'ignore',
    });
    assert.equal(database.query('SELECT * FROM keyed ORDER BY 1'), '1|a|2|5\n2|a|7|5\n3|b|8|5');
  });

  test('a bundle that fails leaves none of its rows', async () => {
    database.query('CREATE TABLE few (id int PRIMARY KEY, text text)');
    const type = row({ id: int64, text: string });
    const error = await failed(
      write(
        [
          { id: 1, text: 'a' },
          { id: 2, text: 'b' },
          { id: 1, text: 'c' },
        ],
        { table: 'few', schema: type },
      ),
    );
    assert.equal(error.code, 'CONSTRAINT_VIOLATED');
    assert.match(
      error.shortMessage,
      /rows cannot be added to "few".*Key \(id\)=\(1\) already exists/,
    );
    assert.equal(database.query('SELECT count(*) FROM few'), '0');
  });

  test('what is not as declared is refused, with its column', async () => {
    const cases: [RowType<never>, string, RegExp][] = [
      [
        row({ id: int64, price: float64 }) as never,
        'HEADER_MISMATCH',
        /column "price" of "all_types" is numeric, and the field price is declared float64/,
      ],
      [
        row({ id: int64, none: string }) as never,
        'HEADER_MISMATCH',
        /column "none" does not exist/,
      ],
      [
        row({ big: int64 }) as never,
        'INT64_OUT_OF_RANGE',
        /"all_types", row \d+, column big: "9223372036854775807"/,
      ],
      [
        row({ price: decimal }) as never,
        'ROW_MISMATCH',
        /"all_types", row \d+, column price: it is NULL/,
      ],
      [
        row({ matrix: array(int64) }) as never,
        'ROW_MISMATCH',
        /column matrix, \[0\]: it has more dimensions/,
      ],
      [
        row({ at: millisInstant }) as never,
        'ROW_MISMATCH',
        /column at: .* has more than 3 digits behind the second/,
      ],
      [row({ json: row({ a: array(string) }) }) as never, 'ROW_MISMATCH', /column json, /],
    ];
    for (const [schema, code, message] of cases) {
      const error = await failed(rowsOf({ table: 'all_types', schema }));
      assert.equal(error.code, code, error.message);
      assert.match(error.shortMessage, message);
      assert.match(String(error.transform), /^readFromPostgres/);
    }
  });

  test('what a column does not hold exactly is refused', async () => {
    database.query(
      'CREATE TABLE narrow (n numeric(5, 2), t timestamptz(0), s varchar(3), i int2, x text, m int[], v int NOT NULL DEFAULT 1)',
    );
    const cases: [RowType<never>, unknown, string, RegExp][] = [
      [
        row({ n: decimal }) as never,
        Decimal.from('1.005'),
        'ROW_MISMATCH',
        /column "n" of "narrow": 1\.005 has more digits/,
      ],
      [
        row({ n: decimal }) as never,
        Decimal.from('1234.5'),
        'ROW_MISMATCH',
        /numeric field overflow/,
      ],
      [
        row({ t: microsInstant }) as never,
        new MicrosInstant(1n),
        'ROW_MISMATCH',
        /finer than the column/,
      ],
      [row({ s: string }) as never, 'a   ', 'ROW_MISMATCH', /4 letters, and the column 3/],
      [row({ i: int64 }) as never, 32_768, 'ROW_MISMATCH', /outside of smallint/],
      [row({ x: string }) as never, 'a\0', 'ROW_MISMATCH', /NUL/],
      [row({ m: array(array(int64)) }) as never, [[1], [2, 3]], 'ROW_MISMATCH', /several lengths/],
      [
        row({ v: nullable(int64) }) as never,
        null,
        'CONSTRAINT_VIOLATED',
        /null value in column "v"/,
      ],
      [row({ i: float64 }) as never, 1, 'HEADER_MISMATCH', /column "i" of "narrow" is smallint/],
      [row({ zz: float64 }) as never, 1, 'HEADER_MISMATCH', /"zz" is no column/],
      [row({ i: int64 }) as never, 'x', 'ROW_MISMATCH', /./],
    ];
    for (const [schema, value, code, message] of cases) {
      const { name } = (schema as unknown as RowType<unknown>).fields[0]!;
      for (const key of [undefined, name]) {
        if (key && schema && (code === 'CONSTRAINT_VIOLATED' || name === 'm')) continue;
        const options = { table: 'narrow', schema, ...(key && { key }) } as never;
        const error = await failed(write([{ [name]: value }] as never[], options));
        // A key wants a unique index, which is told first by the server.
        if (key && error.code === 'INVALID_ARGUMENT') assert.match(error.hint!, /unique index/);
        else assert.equal(error.code, code, error.message);
        if (!key) assert.match(error.shortMessage, message);
      }
    }
    assert.equal(database.query('SELECT count(*) FROM narrow'), '0');
  });

  test('a table that there is not, a user who may not, a wrong password and no server are told apart', async () => {
    database.query("CREATE ROLE poor LOGIN PASSWORD 'a secret'; CREATE TABLE closed (id int)");
    const poor = { ...connection, user: 'poor' };
    const schema = row({ id: int64 });
    const read = (options: object) =>
      failed(
        runner.run(
          (root: Root) =>
            root.apply(readFromPostgres({ schema, table: 'closed', ...options } as never)) as never,
        ),
      );
    assert.equal((await read({ connection, table: 'Closed' })).code, 'TABLE_NOT_FOUND');
    assert.equal((await read({ connection: poor })).code, 'CREDENTIALS_REFUSED');
    assert.equal(
      (await read({ connection: { ...poor, database: 'none' } })).code,
      'TABLE_NOT_FOUND',
    );
    assert.equal(
      (await read({ connection, query: 'SELECT 1 / 0 AS id', table: undefined })).code,
      'ENDPOINT_REFUSED',
    );
    assert.equal(
      (await read({ connection, query: 'SELEC', table: undefined })).code,
      'ENDPOINT_REFUSED',
    );
    const write = await failed(
      runner.run((root: Root) =>
        root
          .apply(create([{ id: 1 }]))
          .apply(writeToPostgres({ connection: poor, table: 'closed', schema })),
      ),
    );
    assert.equal(write.code, 'CREDENTIALS_REFUSED');
    // From here on the server asks for passwords.
    database.requirePassword('poor');
    const wrong = await read({
      connectionString: `postgres://poor:not%20it@127.0.0.1:${database.port}/postgres`,
    });
    assert.equal(wrong.code, 'CREDENTIALS_REFUSED');
    assert.doesNotMatch(`${wrong.message} ${wrong.stack}`, /not it|not%20it/);
    assert.equal((await read({ connection: poor })).code, 'CREDENTIALS_MISSING');
    const away = await read({ connection: { ...poor, port: 1, password: 'a secret' } });
    assert.equal(away.code, 'ENDPOINT_UNAVAILABLE');
    assert.doesNotMatch(`${away.message} ${away.stack}`, /a secret/);
  });

  test('a server that goes half-way ends the run, or is waited for where rows have keys', async () => {
    const schema = row({ id: int64 });
    const end =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'beambridge'";
    let count = 0;
    const lost = await failed(
      runner.run((root: Root) => {
        root
          .apply(readFromPostgres({ connection, table: 'numbers', schema, ranges: 1 }))
          .map(() => {
            count += 1;
            if (count === 1) database.query(end);
          });
      }),
    );
    assert.equal(lost.code, 'IO_FAILED');
    database.query('CREATE TABLE again (id int PRIMARY KEY)');
    const written = (key?: 'id') =>
      runner.run((root: Root) => {
        root
          .apply(create(Array.from({ length: 12_000 }, (_, id) => ({ id }))))
          .map((one) => {
            if (one.id === 11_000) database.query(end);
            return one;
          })
          .apply(writeToPostgres({ connection, table: 'again', schema, ...(key && { key }) }));
      });
    assert.equal((await failed(written())).code, 'IO_FAILED');
    assert.equal(database.query('SELECT count(*) FROM again'), '0');
    await written('id');
    assert.equal(database.query('SELECT count(*) FROM again'), '12000');
  });

  test('texts that a column would cut, round or guess are refused, added and by their key', async () => {
    const texts: [string, string][] = [
      ['date', '2020-01-02T23:59:59Z'],
      ['time(0)', '12:00:00.6'],
      ['time', '12:00:00+05'],
      ['timetz(0)', '12:00:00.6+01'],
      ['interval(0)', '1.6 seconds'],
      ['interval day', '1 day 05:00:00'],
      ['interval hour to second(2)', '00:00:00.125'],
      ['money', '1.005'],
      ['name', 'x'.repeat(70)],
      ['"char"', 'abc'],
    ];
    const type = row({ id: int64, v: string });
    for (const [column, v] of texts) {
      database.query(
        `DROP TABLE IF EXISTS forms; CREATE TABLE forms (id int PRIMARY KEY, v ${column})`,
      );
      for (const key of [undefined, 'id'] as const) {
        const options = { table: 'forms', schema: type, ...(key && { key }) };
        assert.equal((await failed(write([{ id: 1, v }], options))).code, 'ROW_MISMATCH', column);
      }
    }
  });

  test('a server that is away for longer than connecting takes is waited for where rows have keys', async () => {
    const sockets = new Set<Socket>();
    const proxy = createServer((client) => {
      const server = connect(database.port, '127.0.0.1');
      for (const socket of [client, server]) {
        sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
      }
      client.pipe(server).pipe(client);
    });
    const listen = (port = 0) =>
      new Promise<void>((resolve) => proxy.listen(port, '127.0.0.1', resolve));
    await listen();
    const { port } = proxy.address() as AddressInfo;
    database.query('CREATE TABLE patient (id int PRIMARY KEY)');
    let back: NodeJS.Timeout | undefined;
    try {
      await runner.run((root: Root) => {
        (
          root.apply(create(Array.from({ length: 12_000 }, (_, id) => ({ id })))) as PCollection<{
            id: number;
          }>
        )
          .map((one) => {
            if (one.id === 11_000) {
              proxy.close();
              for (const socket of sockets) socket.destroy();
              back = setTimeout(() => listen(port), 13_000);
            }
            return one;
          })
          .apply(
            writeToPostgres({
              connection: { ...connection, port },
              table: 'patient',
              schema: number,
              key: 'id',
            }),
          );
      });
      assert.equal(database.query('SELECT count(*) FROM patient'), '12000');
    } finally {
      clearTimeout(back);
      for (const socket of sockets) socket.destroy();
      proxy.close();
    }
  });
});
