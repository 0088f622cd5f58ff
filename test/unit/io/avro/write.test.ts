// SPDX-License-Identifier: Apache-2.0
// Typed rows to Avro files and back, and to avsc's decoder, on the node runner in this process.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import avsc from 'avsc';
import { create, createRunner, withSchema } from '../../../../src/index.ts';
import { readFromAvro, type WriteAvroOptions, writeToAvro } from '../../../../src/io/index.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  Decimal,
  decimal,
  enumeration,
  float32,
  float64,
  int16,
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
  tensor,
  typedArray,
} from '../../../../src/schema/index.ts';
import { scratch } from '../scratch.ts';

async function write<T>(name: string, rows: T[], options: WriteAvroOptions<T>): Promise<string[]> {
  const paths: string[] = [];
  await createRunner({ progress: false }).run((root) => {
    const { filesWritten } = root
      .apply(create(rows))
      .apply(writeToAvro(join(scratch, name, 'part'), options));
    filesWritten.map((path) => void paths.push(path));
  });
  return paths.sort();
}

async function read<T>(name: string, schema: RowType<T>): Promise<T[]> {
  const rows: T[] = [];
  await createRunner({ progress: false }).run((root) => {
    root
      .apply(readFromAvro(join(scratch, name, '*.avro'), { schema }))
      .map((one) => void rows.push(one));
  });
  return rows;
}

/** What avsc makes of a file, and the schema in it. */
async function byAvsc(path: string): Promise<{ values: unknown[]; schema: unknown }> {
  const values: unknown[] = [];
  let schema: unknown;
  await new Promise<void>((resolve, reject) => {
    avsc
      .createFileDecoder(path)
      .on('metadata', (type) => {
        schema = (type as avsc.Type).schema();
      })
      .on('data', (value) => values.push(JSON.parse(JSON.stringify(value))))
      .on('end', resolve)
      .on('error', reject);
  });
  return { values, schema };
}

const all = row({
  yes: boolean,
  small: int16,
  n: int32,
  id: int64,
  big: bigint64,
  half: float32,
  x: nullable(float64),
  text: string,
  kind: enumeration(['A', 'B']),
  free: enumeration(['a b', 'c']),
  raw: bytes,
  at: millisInstant,
  fine: microsInstant,
  list: array(nullable(row({ n: nullable(int64) }))),
  floats: typedArray('float32'),
  by: map(string, array(string)),
});
const one = {
  yes: true,
  small: -300,
  n: 2 ** 31 - 1,
  id: -(2 ** 53 - 1),
  big: -(2n ** 63n),
  half: 0.1,
  x: null,
  text: 'ä😀\ufeff',
  kind: 'B' as const,
  free: 'a b' as const,
  raw: new Uint8Array([0, 255]),
  at: new Date(-1),
  fine: new MicrosInstant(1_767_225_600_123_456n),
  list: [null, { n: null }, { n: 5 }],
  floats: new Float32Array([0.5, -2]),
  by: new Map([
    ['', ['a']],
    ['k', []],
  ]),
};
const same = { ...one, half: Math.fround(0.1) };

for (const codec of ['null', 'deflate', 'snappy'] as const) {
  test(`rows are read as they were written, with ${codec}`, async () => {
    const rows = [one, { ...one, x: -0, big: 2n ** 63n - 1n }, { ...one, x: Number.NaN }];
    await write(`all-${codec}`, rows, { schema: all, codec });
    assert.deepEqual(await read(`all-${codec}`, all), [
      same,
      { ...same, x: -0, big: 2n ** 63n - 1n },
      { ...same, x: Number.NaN },
    ]);
  });
}

test('the schema says what the declared type does, and avsc reads the records', async () => {
  const type = row({ id: int64, note: nullable(string), part: row({ kind: enumeration(['A']) }) });
  const rows = [{ id: 1, note: null, part: { kind: 'A' as const } }];
  const [path] = await write('schema', rows, { schema: type });
  const { values, schema } = await byAvsc(path!);
  assert.deepEqual(schema, {
    type: 'record',
    name: 'Row',
    fields: [
      { name: 'id', type: 'long' },
      { name: 'note', type: ['null', 'string'] },
      {
        name: 'part',
        type: {
          type: 'record',
          name: 'Row_part',
          fields: [{ name: 'kind', type: { type: 'enum', name: 'Row_part_kind', symbols: ['A'] } }],
        },
      },
    ],
  });
  assert.deepEqual(values, rows);
});

test('many blocks, parts and shards have all rows, once', async () => {
  const type = row({ id: int32, text: string });
  const rows = Array.from({ length: 5000 }, (_, id) => ({ id, text: 'x'.repeat(50) }));
  for (const [name, options] of [
    ['one', {}],
    ['three', { numShards: 3 }],
    ['bounded', { maxRecordsPerShard: 700 }],
    ['bytes', { maxBytesPerShard: 50_000, codec: 'null' as const }],
  ] as const) {
    const paths = await write(`many-${name}`, rows, { schema: type, ...options });
    if (name === 'three') assert.equal(paths.length, 3);
    if (name === 'bounded') assert.ok(paths.length >= 8);
    const ids: number[] = [];
    for (const path of paths) {
      const { values } = await byAvsc(path);
      if (name === 'bounded') assert.ok(values.length <= 700);
      ids.push(...values.map((value) => (value as { id: number }).id));
      if (name === 'bytes') assert.ok(readFileSync(path).length < 51_000);
    }
    assert.deepEqual(
      ids.sort((a, b) => a - b),
      rows.map(({ id }) => id),
    );
  }
});

test('without rows there is a file without records', async () => {
  const [path] = await write('none', [] as { id: number }[], { schema: row({ id: int64 }) });
  assert.equal(readdirSync(join(scratch, 'none')).length, 1);
  assert.deepEqual((await byAvsc(path!)).values, []);
  assert.deepEqual(await read('none', row({ id: int64 })), []);
});

test('a schema of the program has decimals, names and defaults', async () => {
  const avroSchema = {
    type: 'record',
    name: 'shop.Order',
    fields: [
      { name: 'source', type: 'string', default: 'beam' },
      { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 5, scale: 2 } },
      { name: 'tags', type: { type: 'map', values: 'int' }, default: { a: 1 } },
      { name: 'id', type: ['int', 'long'] },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
    ],
  };
  const type = row({ id: int64, price: decimal, at: millisInstant });
  const rows = [
    { id: 7, price: Decimal.from('-12.5'), at: new Date(5) },
    { id: 2 ** 40, price: Decimal.from('999.99'), at: new Date(6) },
  ];
  for (const given of [avroSchema, JSON.stringify(avroSchema)])
    await write('given', rows, { schema: type, avroSchema: given });
  assert.deepEqual(
    await read(
      'given',
      row({
        id: int64,
        price: decimal,
        source: string,
        tags: map(string, int32),
        at: millisInstant,
      }),
    ),
    [
      {
        id: 7,
        price: new Decimal(-1250n, 2),
        source: 'beam',
        tags: new Map([['a', 1]]),
        at: new Date(5),
      },
      {
        id: 2 ** 40,
        price: new Decimal(99999n, 2),
        source: 'beam',
        tags: new Map([['a', 1]]),
        at: new Date(6),
      },
    ],
  );
  for (const price of ['0.001', '1000', '-1000.00'])
    await assert.rejects(
      write('wide', [{ ...rows[0]!, price: Decimal.from(price) }], { schema: type, avroSchema }),
      {
        code: 'ROW_MISMATCH',
        message: /writeToAvro: field price: .* is no decimal\(5, 2\)/,
      },
    );
});

test('rows that are none of the type, or that the schema does not hold, leave no file', async () => {
  const type = row({ id: int64, note: nullable(string) });
  await assert.rejects(write('bad', [{ id: 1.5, note: null }], { schema: type }), {
    code: 'ROW_MISMATCH',
    message: /id/,
  });
  const narrow = {
    type: 'record',
    name: 'N',
    fields: [
      { name: 'id', type: 'int' },
      { name: 'note', type: 'string' },
    ],
  };
  await assert.rejects(
    write('bad', [{ id: 2 ** 40, note: 'a' }], { schema: type, avroSchema: narrow }),
    {
      code: 'ROW_MISMATCH',
      message: /writeToAvro: field id: 1099511627776 is no int/,
    },
  );
  await assert.rejects(
    write('bad', [{ id: 1, note: null }], { schema: type, avroSchema: narrow }),
    {
      code: 'ROW_MISMATCH',
      message: /field note: it is null/,
    },
  );
  assert.deepEqual(readdirSync(join(scratch, 'bad')), []);
});

test('a missing nullable field is null, and a declared PCollection needs no schema', async () => {
  await createRunner({ progress: false }).run((root) => {
    root
      .apply(create([{ id: 1 } as { id: number; note: string | null }]))
      .apply(withSchema(row({ id: int64, note: nullable(string) })))
      .apply(writeToAvro(join(scratch, 'declared', 'part')));
  });
  assert.deepEqual(await read('declared', row({ note: nullable(string), id: int64 })), [
    { id: 1, note: null },
  ]);
});

test('what cannot be written is told when the pipeline is built', () => {
  const of =
    (schema: unknown, more: object = {}) =>
    () =>
      writeToAvro(join(scratch, 'x'), { schema, ...more } as never);
  const noType = { code: 'INVALID_SCHEMA' };
  assert.throws(of(row({ t: tensor(float32, [2]) })), noType);
  assert.throws(of({ fields: [] }), { ...noType, message: /writeToAvro: schema is Object/ });
  assert.throws(of(row({ 'a b': string })), { ...noType, message: /field a b is no name in Avro/ });
  assert.throws(of(row({ p: decimal })), { ...noType, message: /field p is a decimal/ });
  const record = (...fields: object[]) => ({ avroSchema: { type: 'record', name: 'R', fields } });
  const id = row({ id: int64 });
  assert.throws(of(id, { avroSchema: '{' }), noType);
  assert.throws(of(id, { avroSchema: 'string' }), {
    ...noType,
    message: /it is string, and declared a row/,
  });
  assert.throws(of(id, record()), { ...noType, message: /has no field id/ });
  assert.throws(of(id, record({ name: 'id', type: 'string' })), {
    ...noType,
    message: /its field id is string/,
  });
  assert.throws(of(id, record({ name: 'id', type: 'long' }, { name: 'more', type: 'int' })), {
    ...noType,
    message: /its field more has no default/,
  });
  assert.throws(
    of(id, record({ name: 'id', type: 'long' }, { name: 'more', type: 'int', default: 'x' })),
    {
      ...noType,
      message: /the default of its field more/,
    },
  );
  assert.throws(of(id, { codec: 'lzo' }), { code: 'INVALID_ARGUMENT', message: /codec/ });
  assert.throws(of(id, { compression: 'gzip' }), { code: 'INVALID_ARGUMENT' });
});

test('zstandard is written where Node knows it, and refused early where not', async () => {
  const schema = row({ id: int64 });
  const hasIt = 'zstdCompressSync' in (await import('node:zlib'));
  const written = write('zstd', [{ id: 1 }], { schema, codec: 'zstandard' });
  if (!hasIt) return assert.rejects(written, { code: 'UNSUPPORTED', message: /zstandard/ });
  await written;
  assert.deepEqual(await read('zstd', schema), [{ id: 1 }]);
});
