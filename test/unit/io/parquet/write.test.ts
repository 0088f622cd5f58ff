// SPDX-License-Identifier: Apache-2.0
// Rows to Parquet files, and back to the same rows, on the node runner in this process. What pyarrow reads of such files
// is in test/integration/parquet-pyarrow.test.ts.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parquetMetadata } from 'hyparquet';
import { decodeValue, encodeValue, JsCoder } from '../../../../src/coders/index.ts';
import { createRunner } from '../../../../src/index.ts';
import {
  readFromParquet,
  type WriteParquetOptions,
  writeToParquet,
} from '../../../../src/io/index.ts';
import { writtenCodec } from '../../../../src/io/parquet/codecs.ts';
import { parquetFormat } from '../../../../src/io/parquet/shards.ts';
import { parquetRows } from '../../../../src/io/parquet/write-type.ts';
import {
  completeOutput,
  makeTemporary,
  placeOutputs,
  removeTemporary,
} from '../../../../src/io/text/output.ts';
import type { Part } from '../../../../src/io/text/shard-format.ts';
import { WriteParts } from '../../../../src/io/text/write-parts.ts';
import {
  array,
  bigint64,
  boolean,
  byte,
  bytes,
  Decimal,
  decimal,
  enumeration,
  fixedBytes,
  float32,
  float64,
  int16,
  int32,
  int64,
  iterable,
  MicrosInstant,
  map,
  microsInstant,
  millisInstant,
  nullable,
  type RowType,
  row,
  type SchemaType,
  string,
  Tensor,
  tensor,
  typedArray,
  uint8,
} from '../../../../src/schema/index.ts';
import { create, withSchema } from '../../../../src/transforms/index.ts';
import {
  type FilesOfRows,
  filesOf,
  ownPrefix,
  readRows,
  refusalOf,
  writeRows,
} from '../../../helpers/row-files.ts';

function written<T>(
  rows: readonly T[],
  schema: RowType<T>,
  options: WriteParquetOptions<T> = {},
): Promise<FilesOfRows> {
  return writeRows(rows, schema, (prefix) => writeToParquet<T>(prefix, options));
}

const back = <T>(prefix: string, schema: RowType<T>) =>
  readRows<T>(readFromParquet(`${prefix}*`, { schema }));

function footers({ prefix, files }: FilesOfRows) {
  return files.map((name) => {
    const { buffer, byteOffset, byteLength } = readFileSync(join(dirname(prefix), name));
    return parquetMetadata(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
  });
}

const item = row({ id: int64, note: nullable(string) });

const everything = row({
  tiny: byte,
  small: int16,
  whole: int32,
  id: int64,
  big: bigint64,
  price: decimal,
  x: array(float64),
  y: nullable(array(float32)),
  yes: boolean,
  kind: enumeration(['"', 'y']),
  at: millisInstant,
  fine: nullable(microsInstant),
  raw: bytes,
  'in.ner': row({
    vector: typedArray('float64'),
    list: array(nullable(string)),
    deep: nullable(row({ n: nullable(int64), l: array(array(int64)) })),
  }),
  many: iterable(int64),
  by: map(string, nullable(row({ n: int64 }))),
  codes: map(int64, array(string)),
});
type Everything = typeof everything extends RowType<infer T> ? T : never;

const EVERYTHING: Everything[] = [
  {
    tiny: -128,
    small: 32_767,
    whole: -(2 ** 31),
    id: 2 ** 53 - 1,
    big: 2n ** 63n - 1n,
    price: new Decimal(-125n * 10n ** 16n, 18),
    x: [0.1 + 0.2, NaN, -Infinity, -0, 5e-324, 1e21, 0],
    y: [Math.fround(0.1), 16777216, Infinity, -0, 0],
    yes: false,
    kind: '"',
    at: new Date(-8.64e15),
    fine: new MicrosInstant(-1n),
    raw: Uint8Array.of(1, 2, 255),
    'in.ner': {
      vector: Float64Array.of(1.5, NaN),
      list: [null, 'é', '\u2028', ''],
      deep: { n: null, l: [[], [1, 2], []] },
    },
    many: [1, 2],
    by: new Map<string, { n: number } | null>([
      ['', { n: 1 }],
      ['__proto__', null],
    ]),
    codes: new Map([
      [-1, []],
      [7, ['a', 'b']],
    ]),
  },
  {
    tiny: 127,
    small: 0,
    whole: 0,
    id: 0,
    big: -(2n ** 63n),
    price: new Decimal(10n ** 38n - 1n, 18),
    x: [],
    y: null,
    yes: true,
    kind: 'y',
    at: new Date(0),
    fine: null,
    raw: new Uint8Array(0),
    'in.ner': { vector: new Float64Array(0), list: [], deep: null },
    many: [],
    by: new Map(),
    codes: new Map(),
  },
];

test('every type is read back as it was written, by each compression', async () => {
  for (const compression of ['snappy', 'gzip', 'brotli', 'none'] as const) {
    const { prefix, files } = await written(EVERYTHING, everything, { compression });
    assert.deepEqual(files, ['out-00000-of-00001.parquet']);
    assert.deepEqual(await back(prefix, everything), EVERYTHING);
    const nulls = [
      { id: 1, note: null },
      { id: 2, note: null },
    ];
    const none = await written(nulls, item, { compression });
    assert.deepEqual(await back(none.prefix, item), nulls);
  }
});

test('zeros keep their sign, also where they are so many that a dictionary would do', async () => {
  const schema = row({ x: float64, y: row({ z: nullable(float32), s: string }) });
  const rows = Array.from({ length: 1000 }, (_, n) => ({
    x: n % 2 ? 0 : -0,
    y: { z: n % 3 ? -0 : n % 7 ? 0 : null, s: 'same' },
  }));
  const { prefix } = await written(rows, schema);
  assert.deepEqual(await back(prefix, schema), rows);
});

test('zstd is written where Node.js has it, and refused where not', async () => {
  const write = () => written(EVERYTHING, everything, { compression: 'zstd' });
  if ('zstdCompressSync' in (await import('node:zlib'))) {
    const { prefix } = await write();
    assert.deepEqual(await back(prefix, everything), EVERYTHING);
  } else {
    await assert.rejects(write(), { code: 'UNSUPPORTED', message: /cannot write zstd/ });
  }
});

/** A type, and values of it. */
type Sample = { type: SchemaType; value: fc.Arbitrary<unknown> };

const LEAVES: readonly Sample[] = [
  { type: boolean, value: fc.boolean() },
  { type: int32, value: fc.integer() },
  { type: int64, value: fc.maxSafeInteger() },
  { type: bigint64, value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
  { type: float64, value: fc.oneof(fc.double(), fc.constantFrom(0, -0, 1)) },
  { type: float32, value: fc.constantFrom(0, -0, 0.5, NaN, Infinity, Math.fround(0.1)) },
  { type: string, value: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('', 'a')) },
  { type: bytes, value: fc.uint8Array({ maxLength: 4 }) },
  {
    type: microsInstant,
    value: fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }).map((n) => new MicrosInstant(n)),
  },
  {
    type: decimal,
    value: fc
      .bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n })
      .map((n) => new Decimal(n, 18)),
  },
];

/** Types of every shape, as deep as three. */
const sample: fc.Arbitrary<Sample> = fc.letrec<{ any: Sample; plain: Sample }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    tie('plain'),
    tie('plain').map(({ type, value }) => ({ type: nullable(type), value: fc.option(value) })),
  ),
  plain: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(...LEAVES),
    tie('any').map(({ type, value }) => ({
      type: array(type),
      value: fc.array(value, { maxLength: 3 }),
    })),
    tie('any').map(({ type, value }) => ({
      type: map(string, type),
      value: fc
        .uniqueArray(fc.tuple(fc.string({ maxLength: 2 }), value), {
          maxLength: 3,
          selector: ([key]) => key,
        })
        .map((entries) => new Map(entries)),
    })),
    fc.tuple(tie('any'), tie('any')).map(([one, other]) => ({
      type: row({ a: one.type, 'b c': other.type }),
      value: fc.record({ a: one.value, 'b c': other.value }, { noNullPrototype: true }),
    })),
  ),
})).any;

test('rows of whatever type are read back, from one file and from several parts of one', async () => {
  const rowsOfType = sample.chain(({ type, value }) =>
    fc.record({
      type: fc.constant(type),
      values: fc.array(value, { maxLength: 40 }),
      groups: fc.constantFrom(1, 7, 1000),
    }),
  );
  await fc.assert(
    fc.asyncProperty(rowsOfType, async ({ type, values, groups: rowGroupRows }) => {
      const schema = row({ n: int64, v: type }) as RowType<{ n: number; v: unknown }>;
      const rows = values.map((v, n) => ({ n, v }));
      const { prefix } = await written(rows, schema, { rowGroupRows });
      const found = await back(prefix, schema);
      assert.deepEqual(
        found.sort((a, b) => a.n - b.n),
        rows,
      );
    }),
    { numRuns: 60 },
  );
});

test('every shard is a whole file, however many parts and row groups it is made of', async () => {
  const rows = Array.from({ length: 2000 }, (_, id) => ({
    id,
    note: id % 3 ? `${id}`.repeat(id % 9) : null,
  }));
  for (const options of [
    { numShards: 3 },
    { numShards: 3, rowGroupRows: 100 },
    { maxRecordsPerShard: 700 },
    { rowGroupBytes: 3000 },
    {},
  ]) {
    const files = await written(rows, item, options);
    const found = await back(files.prefix, item);
    assert.deepEqual(
      found.sort((a, b) => a.id - b.id),
      rows,
    );
    const all = footers(files);
    assert.equal(
      all.reduce((sum, { num_rows }) => sum + num_rows, 0n),
      2000n,
    );
    const { rowGroupRows, numShards, maxRecordsPerShard } = options as WriteParquetOptions<unknown>;
    if (numShards) assert.equal(all.length, numShards);
    for (const { num_rows, row_groups } of all) {
      if (maxRecordsPerShard) assert.ok(num_rows <= 700n);
      for (const group of row_groups) if (rowGroupRows) assert.ok(group.num_rows <= 100n);
    }
    if ('rowGroupBytes' in options) assert.ok(all[0]!.row_groups.length > 10);
  }
});

test('files are bounded by what their values are before compression', async () => {
  const rows = Array.from({ length: 1000 }, (_, id) => ({ id, note: 'x'.repeat(36) }));
  // 8 bytes, and 4 and 36.
  const { files, prefix } = await written(rows, item, { maxBytesPerShard: 4800 });
  assert.equal(files.length, 10);
  assert.equal((await back(prefix, item)).length, 1000);
  for (const name of files) assert.ok(statSync(join(dirname(prefix), name)).size < 4800);
});

test('bounds of values in each row group are there, but for those that are long', async () => {
  const rows = [
    { id: 5, note: 'b' },
    { id: -3, note: 'y'.repeat(2000) },
    { id: 7, note: 'c' },
    { id: 9, note: null },
  ];
  const [footer] = footers(await written(rows, item, { rowGroupRows: 2 }));
  const statistics = footer!.row_groups.map(({ columns }) =>
    columns.map(({ meta_data }) => meta_data!.statistics),
  );
  assert.equal(statistics[0]![0]!.min_value, -3n);
  assert.equal(statistics[0]![0]!.max_value, 5n);
  assert.equal(statistics[0]![1]!.min_value, undefined);
  assert.equal(statistics[1]![1]!.min_value, 'c');
  assert.equal(statistics[1]![1]!.null_count, 1n);
});

test('without rows there is a file with the columns alone', async () => {
  const one = await written([], item);
  assert.deepEqual(one.files, ['out-00000-of-00001.parquet']);
  assert.deepEqual(await back(one.prefix, item), []);
  assert.deepEqual(
    footers(one)[0]!.schema.map(({ name }) => name),
    ['schema', 'id', 'note'],
  );
  const some = await written([{ id: 1, note: null }], item, { numShards: 3 });
  assert.equal(some.files.length, 3);
  assert.deepEqual(await back(some.prefix, item), [{ id: 1, note: null }]);
});

test('tensors are lists in lists', async () => {
  const schema = row({
    image: tensor(float32, [2, null]),
    pixels: tensor(uint8, [2]),
    ids: nullable(tensor(bigint64, [null])),
    mask: tensor(boolean, [1]),
  });
  const rows = [
    {
      image: Tensor.from('float32', [
        [1, -0, 3],
        [4, 5, 6],
      ]),
      pixels: Tensor.from('uint8', [0, 255]),
      ids: Tensor.from('bigint64', [2n ** 60n]),
      mask: Tensor.from('boolean', [true]),
    },
    {
      image: Tensor.from('float32', [[7], [8]]),
      pixels: Tensor.from('uint8', [1, 2]),
      ids: null,
      mask: Tensor.from('boolean', [false]),
    },
  ];
  const { prefix } = await written(rows, schema as RowType<(typeof rows)[number]>);
  const lists = row({
    image: array(array(float32)),
    pixels: array(int64),
    ids: nullable(array(bigint64)),
    mask: array(boolean),
  });
  assert.deepEqual(await back(prefix, lists), [
    {
      image: [
        [1, -0, 3],
        [4, 5, 6],
      ],
      pixels: [0, 255],
      ids: [2n ** 60n],
      mask: [true],
    },
    { image: [[7], [8]], pixels: [1, 2], ids: null, mask: [false] },
  ]);
});

test('decimals have the digits that are asked for, and more are refused, never rounded', async () => {
  const schema = row({ price: nullable(decimal) });
  const prices = ['12.5', '-0.01', '99999999.99', '1e2'].map((text) => ({
    price: Decimal.from(text),
  }));
  const options = { decimals: { price: { precision: 10, scale: 2 } } };
  const { prefix } = await written([...prices, { price: null }], schema, options);
  assert.deepEqual(
    (await back(prefix, schema)).map(({ price }) => price?.toString()),
    ['12.50', '-0.01', '99999999.99', '100.00', undefined],
  );
  for (const text of ['0.001', '100000000', '-100000000.01']) {
    await assert.rejects(written([{ price: Decimal.from(text) }], schema, options), {
      code: 'ROW_MISMATCH',
      message: /field price: .* is no decimal of 10 digits with 2 behind the point/,
    });
  }
});

test('bytes are those that were given, also where the program uses them again', async () => {
  const schema = row({ raw: bytes });
  const prefix = ownPrefix();
  const shared = new Uint8Array(1);
  await createRunner().run((root) => {
    root
      .apply(create([1, 2, 3]))
      .map((n) => {
        shared[0] = n;
        return { raw: shared };
      })
      .apply(writeToParquet(prefix, { schema }));
  });
  const seen = (await back(prefix, schema)).map(({ raw }) => raw[0]);
  assert.deepEqual(seen.sort(), [1, 2, 3]);
});

test('an iterable that can be read once is checked and written all the same', async () => {
  const schema = row({ many: iterable(int64) });
  const prefix = ownPrefix();
  await createRunner().run((root) => {
    root
      .apply(create([1]))
      .map((one) => ({ many: [one, 2].values() as Iterable<number> }))
      .apply(writeToParquet(prefix, { schema }));
  });
  assert.deepEqual(await back(prefix, schema), [{ many: [1, 2] }]);
});

test('a row that is none of the type fails the run, and leaves nothing', async () => {
  for (const late of [true, false]) {
    const prefix = ownPrefix();
    await assert.rejects(
      createRunner().run((root) => {
        const rows = root.apply(create([{ id: 1 }, { id: 2 ** 53 }]));
        if (late) rows.apply(writeToParquet(prefix, { schema: row({ id: int64 }) }));
        else rows.apply(withSchema(row({ id: int64 }))).apply(writeToParquet(prefix));
      }),
      { code: 'INT64_OUT_OF_RANGE' },
    );
    assert.deepEqual(filesOf(prefix), []);
  }
  const prefix = ownPrefix();
  await assert.rejects(
    createRunner().run((root) => {
      root
        .apply(create([{ id: '1' as never }]))
        .apply(writeToParquet(prefix, { schema: row({ id: int64 }) }));
    }),
    { code: 'ROW_MISMATCH' },
  );
  assert.deepEqual(readdirSync(dirname(prefix)), []);
});

test('what cannot be is refused when the pipeline is built', async () => {
  const refused = refusalOf(writeToParquet as never);
  await refused('INVALID_ARGUMENT', /nothing says what the rows are/, undefined);
  await refused('INVALID_SCHEMA', /field p .*Parquet has no value/, row({ p: fixedBytes(2) }));
  await refused('INVALID_SCHEMA', /field m .*no value/, row({ m: map(float64, string) }));
  await refused('INVALID_ARGUMENT', /compression is string "auto"/, item, { compression: 'auto' });
  await refused('INVALID_ARGUMENT', /rowGroupRows is number 0/, item, { rowGroupRows: 0 });
  await refused('INVALID_ARGUMENT', /rowGroupBytes is number 1.5/, item, { rowGroupBytes: 1.5 });
  await refused('INVALID_ARGUMENT', /fileNameSuffix is/, item, { fileNameSuffix: '.parquet.gz' });
  await refused('INVALID_ARGUMENT', /decimals is null/, item, { decimals: null });
  for (const digits of [{ precision: 39, scale: 0 }, { precision: 5, scale: 6 }, {}, null])
    await refused('INVALID_ARGUMENT', /decimals.id is/, item, { decimals: { id: digits } });
  const price = { precision: 5, scale: 2 };
  await refused('INVALID_ARGUMENT', /decimals.price is/, item, { decimals: { price } });
});

test('a bundle that fails and runs again has its rows once', async () => {
  const { elements, row: toRaw } = parquetRows(item as RowType<unknown>, {});
  const layout = { elements, ...writtenCodec('snappy'), rowGroupRows: 2, rowGroupBytes: 1000 };
  const prefix = ownPrefix();
  const spec = {
    prefix,
    suffix: '.parquet',
    template: '-SSSSS-of-NNNNN',
    shards: 2,
    maxRecords: undefined,
    maxBytes: undefined,
    format: parquetFormat(layout),
  };
  const folder = await makeTemporary({ prefix });
  const context = { folder: { lookup: () => folder } } as never;
  const rows = [1, 2, 3, 4, 5].map((id) => ({ id, note: 'n' }));
  const bundle = new WriteParts(spec, toRaw);
  const parts: Part[] = [];
  for (const isWhole of [false, true, false, true]) {
    bundle.startBundle();
    for (const one of rows) await bundle.process(one, context);
    if (isWhole) parts.push(...(await bundle.finishBundle()).map(({ value }) => value));
  }
  // As what is sent between workers.
  const coder = new JsCoder();
  const sent = parts.map((part) => decodeValue(coder, encodeValue(coder, part)) as Part);
  await placeOutputs([await completeOutput(spec, folder, sent)]);
  const found = (await back(prefix, item)).map(({ id }) => id);
  assert.deepEqual(found.sort(), [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
});

test('a part that is cut is told, and makes no shard', async () => {
  const { elements, row: toRaw } = parquetRows(item as RowType<unknown>, {});
  const layout = { elements, ...writtenCodec('none'), rowGroupRows: 2, rowGroupBytes: 1000 };
  const format = parquetFormat(layout);
  const prefix = ownPrefix();
  const folder = await makeTemporary({ prefix });
  const parts: Part[] = [];
  for (const name of ['a', 'b']) {
    const writer = await format.begin(join(folder, name), 1);
    await writer.append(toRaw({ id: 1, note: 'n' }));
    const end = await writer.close();
    parts.push({ path: writer.path, records: 1, textBytes: 0, shard: 0, ...end });
  }
  truncateSync(parts[0]!.path, 20);
  await assert.rejects(
    async () => {
      for await (const _ of format.join(parts));
    },
    { code: 'IO_FAILED', message: /is shorter than what was written/ },
  );
  await removeTemporary({ prefix }, folder);
});
