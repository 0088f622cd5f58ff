// SPDX-License-Identifier: Apache-2.0
// Arrow files and streams that pyarrow writes, read here: compressions, nested columns, dictionaries, offsets of 64 bits and
// views. Starts the managed Python.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { PCollection, Root } from '../../src/index.ts';
import { readFromArrow, writeToArrow } from '../../src/io/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  array,
  bigint64,
  boolean,
  byte,
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
  row,
  string,
  tensor,
  typedArray,
} from '../../src/schema/index.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { create } from '../../src/transforms/index.ts';

let scratch: string;
let python: string;
before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-arrow-'));
  ({ python } = await ensurePythonEnvironment());
});
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Writes rows as a file, and as JSON what they are. */
const TABLE = `
import sys, json, random, datetime, decimal
import pyarrow as pa, pyarrow.ipc as ipc
path, form, codec, wide = sys.argv[1:]
rng = random.Random(3)
epoch = datetime.datetime(1970, 1, 1)
maybe = lambda value: None if rng.random() < 0.2 else value
texts = ['', 'a', '\\ufeffÄ€😀', 'long' * 20]
us = lambda t: str((t - epoch) // datetime.timedelta(microseconds=1))
rows = [{
    'id': i,
    'unused': {'x': i},
    'big': rng.randint(-2**63, 2**63 - 1),
    'whole': rng.randint(-2**53 + 1, 2**53 - 1),
    'huge': rng.randint(0, 2**63 - 1),
    'x': maybe(rng.uniform(-1e9, 1e9)),
    'half': rng.randint(-99, 99) / 8,
    'yes': maybe(rng.random() < 0.5),
    'text': maybe(rng.choice(texts)),
    'kind': maybe(rng.choice(texts)),
    'raw': bytes(rng.randrange(256) for _ in range(rng.randint(0, 20))),
    'four': bytes(rng.randrange(256) for _ in range(4)),
    'price': maybe(decimal.Decimal(rng.randint(-10**12, 10**12)).scaleb(-4)),
    'fine': epoch + datetime.timedelta(microseconds=rng.randint(-10**15, 10**15)),
    'coarse': epoch + datetime.timedelta(milliseconds=rng.randint(-10**12, 10**12)),
    'second': epoch + datetime.timedelta(seconds=rng.randint(-10**9, 10**9)),
    'day': maybe((epoch + datetime.timedelta(days=rng.randint(-9999, 9999))).date()),
    'three': [float(rng.randint(-9, 9)) for _ in range(3)],
    'deep': maybe([maybe({'n': maybe(rng.randint(-9, 9)), 'l': [rng.randint(0, 9) for _ in range(rng.randint(0, 3))], 'no': 1}) for _ in range(rng.randint(0, 3))]),
    'by': [(k, maybe(rng.randint(0, 9))) for k in rng.sample(['x', 'y', ''], rng.randint(0, 3))],
} for i in range(5000)]
text = {'large': pa.large_string(), 'view': pa.string_view()}.get(wide, pa.string())
types = {
    'id': pa.int32(), 'unused': pa.struct([('x', pa.int32())]), 'big': pa.int64(), 'whole': pa.int64(), 'huge': pa.uint64(), 'x': pa.float64(), 'half': pa.float16() if wide == 'half' else pa.float32(),
    'yes': pa.bool_(), 'text': text, 'kind': pa.dictionary(pa.int16(), pa.string()),
    'raw': {'large': pa.large_binary(), 'view': pa.binary_view()}.get(wide, pa.binary()), 'four': pa.binary(4), 'price': pa.decimal256(40, 4) if wide == 'large' else pa.decimal128(20, 4),
    'fine': pa.timestamp('us'), 'coarse': pa.timestamp('ms', tz='UTC'), 'second': pa.timestamp('s'), 'day': pa.date64() if wide == 'large' else pa.date32(),
    'three': pa.list_(pa.float32(), 3),
    'deep': (pa.large_list if wide == 'large' else pa.list_)(pa.struct([('n', pa.int8()), ('l', pa.list_(pa.uint16())), ('no', pa.int8())])),
    'by': pa.map_(pa.string(), pa.int64()),
}
table = pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))
options = ipc.IpcWriteOptions(compression=None if codec == 'none' else codec)
make = ipc.new_file if form == 'file' else ipc.new_stream
with make(path, table.schema, options=options) as writer:
    writer.write_table(table, max_chunksize=700)
for one in rows:
    del one['unused']
    one['big'], one['huge'] = str(one['big']), str(one['huge'])
    one['raw'], one['four'] = one['raw'].hex(), one['four'].hex()
    one['price'] = None if one['price'] is None else str(one['price'])
    for name in ['fine', 'coarse', 'second']: one[name] = us(one[name])
    one['day'] = None if one['day'] is None else us(datetime.datetime.combine(one['day'], datetime.time()))
    for d in one['deep'] or []:
        if d: del d['no']
json.dump(rows, sys.stdout)
`;

const type = row({
  id: int64,
  big: bigint64,
  whole: int64,
  huge: bigint64,
  x: nullable(float64),
  half: float32,
  yes: nullable(boolean),
  text: nullable(string),
  kind: nullable(string),
  raw: bytes,
  four: bytes,
  price: nullable(decimal),
  fine: microsInstant,
  coarse: millisInstant,
  second: microsInstant,
  day: nullable(millisInstant),
  three: typedArray('float32'),
  deep: nullable(array(nullable(row({ n: nullable(int32), l: array(int64) })))),
  by: map(string, nullable(int64)),
});

async function valuesOf<T>(construct: (root: Root) => PCollection<T>): Promise<T[]> {
  const values: T[] = [];
  await createRunner({ runner: 'node' }).run((root) => {
    construct(root).map((value) => void values.push(value));
  });
  return values;
}

/** Values as the script tells them. */
function told(value: unknown): unknown {
  if (value instanceof Date) return `${value.getTime()}000`;
  if (typeof value === 'bigint') return `${value}`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (value instanceof Map) return [...value].map(([key, one]) => [key, told(one)]);
  if (ArrayBuffer.isView(value) || Array.isArray(value))
    return Array.from(value as unknown[], told);
  if (typeof value !== 'object' || value === null) return value;
  if ('micros' in value) return `${(value as MicrosInstant).micros}`;
  if ('unscaled' in value) return `${value as Decimal}`;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, told(one)]));
}

const byId = (a: { id: number }, b: { id: number }) => a.id - b.id;

function tableOf(path: string, ...how: string[]) {
  const options = { encoding: 'utf8', maxBuffer: 1 << 28 } as const;
  return JSON.parse(execFileSync(python, ['-c', TABLE, path, ...how], options)) as unknown[];
}

for (const [form, codec, wide] of [
  ['file', 'none', 'no'],
  ['file', 'lz4', 'large'],
  ['file', 'zstd', 'half'],
  ['file', 'lz4', 'view'],
  ['stream', 'none', 'no'],
  ['stream', 'zstd', 'large'],
] as const) {
  test(`a ${form} of pyarrow's with compression ${codec} (${wide}) is the same rows, in however many ranges`, async () => {
    const path = join(scratch, `${form}-${codec}-${wide}.arrow`);
    const expected = tableOf(path, form, codec, wide);
    for (const splitBytes of [20_000, 1 << 30]) {
      const rows = await valuesOf((root) =>
        root.apply(readFromArrow(path, { schema: type, splitBytes })),
      );
      assert.deepEqual(rows.sort(byId).map(told), expected);
    }
    const cut = join(scratch, 'cut.arrow');
    const bytes = readFileSync(path);
    for (const length of [bytes.length - 9, bytes.length >> 1, 100, 7]) {
      writeFileSync(cut, bytes.subarray(0, length));
      const read = valuesOf((root) => root.apply(readFromArrow(cut, { schema: type })));
      await assert.rejects(read, { code: 'MALFORMED_DATA' }, `${length} bytes`);
    }
  });
}

/** What pyarrow reads, as JSON. */
const READ = `
import sys, json, decimal, datetime, pyarrow as pa, pyarrow.feather as feather, pyarrow.ipc as ipc
epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
def told(v):
    if isinstance(v, datetime.datetime): return str((v - epoch) // datetime.timedelta(microseconds=1))
    if isinstance(v, decimal.Decimal): return format(v.normalize(), 'f')
    if isinstance(v, bytes): return v.hex()
    if isinstance(v, dict): return {k: told(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)): return [told(x) for x in v]
    return v
rows = []
batches = []
for path in sys.argv[1:]:
    table = feather.read_table(path, memory_map=False)
    table.validate(full=True)
    rows += table.to_pylist()
    batches.append(ipc.open_file(path).num_record_batches)
for one in rows: one['big'] = str(one['big'])
json.dump({'rows': told(rows), 'types': {f.name: str(f.type) for f in table.schema}, 'batches': batches}, sys.stdout)
`;

test('what is written is read by pyarrow, and here, as the same rows', async () => {
  const written = row({
    id: int64,
    big: bigint64,
    small: byte,
    x: nullable(float64),
    half: float32,
    yes: nullable(boolean),
    text: nullable(string),
    raw: bytes,
    price: nullable(decimal),
    fine: microsInstant,
    coarse: nullable(millisInstant),
    deep: nullable(array(nullable(row({ n: nullable(int32), toString: array(int64) })))),
    by: map(string, nullable(int64)),
  });
  const rows = Array.from({ length: 1000 }, (_, i) => ({
    id: i,
    big: BigInt(i) * -9_007_199_254_740_993n,
    small: (i % 256) - 128,
    x: i % 5 === 0 ? null : [Number.MAX_VALUE, -0, 0.1, -Infinity, i][i % 5]!,
    half: i / 8,
    yes: i % 3 === 0 ? null : i % 2 === 0,
    text: i % 7 === 0 ? null : 'ä€😀'.repeat(i % 9),
    raw: new Uint8Array(i % 4).fill(i % 256),
    price: i % 6 === 0 ? null : Decimal.from(`${i - 500}.25`),
    fine: new MicrosInstant(BigInt(i) * -1_000_003n),
    coarse: i % 8 === 0 ? null : new Date(i * 1003),
    deep:
      i % 4 === 0
        ? null
        : Array.from({ length: i % 4 }, (_, n) =>
            n === 1 ? null : { n: n === 2 ? null : n, toString: Array(i % 3).fill(i) },
          ),
    by: new Map(
      i % 2 === 0
        ? []
        : ([
            ['a', i],
            ['b', null],
          ] as [string, number | null][]),
    ),
  }));
  const prefix = join(scratch, 'ours');
  const files: string[] = [];
  await createRunner({ runner: 'node' }).run((root) => {
    root
      .apply(create(rows, { schema: written as never }))
      .apply(
        writeToArrow(prefix, {
          schema: written as never,
          batchRows: 70,
          numShards: 2,
          decimals: { price: { precision: 10, scale: 2 } } as never,
        }),
      )
      .filesWritten.map((file) => void files.push(file));
  });
  const out = execFileSync(python, ['-c', READ, ...files], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  // JSON has no number for it.
  const read = JSON.parse(out.replaceAll('-Infinity', '"-Infinity"')) as {
    rows: { id: number }[];
    types: Record<string, string>;
    batches: number[];
  };
  const expected = rows.map((one) => {
    const value = told(one) as Record<string, unknown>;
    return {
      ...value,
      x: value.x === -Infinity ? '-Infinity' : value.x,
      by: [...one.by],
      price: one.price === null ? null : `${Number(`${one.price}`)}`,
    };
  });
  assert.deepEqual(read.rows.sort(byId), expected);
  assert.equal(read.types.fine, 'timestamp[us, tz=UTC]');
  assert.equal(read.types.price, 'decimal128(10, 2)');
  assert.ok(read.batches.every((count) => count > 1));
  const again = await valuesOf((root) =>
    root.apply(readFromArrow(`${prefix}-*`, { schema: written, splitBytes: 5000 })),
  );
  assert.deepEqual(again.sort(byId).map(told), rows.map(told));
});

test('an output without rows is a file of its columns, and rows that are none are told', async () => {
  const prefix = join(scratch, 'none');
  const schema = row({ n: nullable(int64) });
  const write = (elements: unknown[], of: unknown = schema) =>
    createRunner({ runner: 'node' }).run((root) => {
      root.apply(create(elements)).apply(writeToArrow(prefix, { schema: of as never }));
    });
  await write([]);
  const read = () => valuesOf((root) => root.apply(readFromArrow(`${prefix}-*`, { schema })));
  assert.deepEqual(await read(), []);
  await write([{}, { n: 3 }]);
  assert.deepEqual((await read()).map(({ n }) => n).sort(), [3, null]);
  await assert.rejects(write([{ n: 'x' }]), { code: 'ROW_MISMATCH' });
  await assert.rejects(write([{ n: 0.5 }]), { code: 'ROW_MISMATCH' });

  assert.throws(() => writeToArrow(prefix, { schema: row({ t: tensor(float32, [2]) }) }), {
    code: 'INVALID_SCHEMA',
    message: /Arrow files have no value for/,
  });
});

test('values that do not fit are told with their row, and times that are finer are errors', async () => {
  const path = join(scratch, 'misfits.feather');
  execFileSync(python, [
    '-c',
    `
import pyarrow as pa, pyarrow.feather as feather
table = pa.table({
    'n': pa.array([1, 2, None, 2**60] + [5] * 3000, pa.int64()),
    't': pa.array([1000, 1001, 1000, 1000] + [0] * 3000, pa.timestamp('ns')),
})
feather.write_feather(table, ${JSON.stringify(path)}, chunksize=1000)`,
  ]);
  const read = (schema: Parameters<typeof readFromArrow>[1]['schema'], options = {}) =>
    valuesOf((root) => root.apply(readFromArrow(path, { schema, ...options })));
  await assert.rejects(read(row({ n: int64 })), {
    code: 'ROW_MISMATCH',
    message: /row 3, column n: it is null/,
  });
  await assert.rejects(read(row({ n: nullable(int64) })), { code: 'INT64_OUT_OF_RANGE' });
  await assert.rejects(read(row({ t: microsInstant })), { code: 'ROW_MISMATCH', message: /row 2/ });
  await assert.rejects(read(row({ n: string })), { code: 'HEADER_MISMATCH', message: /Int64/ });
  await assert.rejects(read(row({ none: string })), { code: 'HEADER_MISMATCH', hint: /n, t/ });
  const renamed = await valuesOf((root) =>
    root
      .apply(
        readFromArrow(path, {
          schema: row({ count: nullable(bigint64) }),
          columns: { count: 'n' },
          splitBytes: 1000,
        }).withPosition(),
      )
      .map(({ key, value }) => [key.line, value.count]),
  );
  assert.deepEqual(renamed.slice(0, 4), [
    [1, 1n],
    [2, 2n],
    [3, null],
    [4, 2n ** 60n],
  ]);
  assert.deepEqual(renamed.at(-1), [3004, 5n]);
  const failed = await valuesOf((root) =>
    root
      .apply(readFromArrow(path, { schema: row({ n: int64 }), splitBytes: 1000 }).withBadRecords())
      .failed.map(({ line, column, errorType }) => [line, column, errorType]),
  );
  assert.deepEqual(failed, [
    [3, 'n', 'ROW_MISMATCH'],
    [4, 'n', 'INT64_OUT_OF_RANGE'],
  ]);
});

test('columns beside a union are read, and metadata of version 4 with one are refused', async () => {
  const write = (path: string, version: string) =>
    execFileSync(python, [
      '-c',
      `
import decimal, pyarrow as pa, pyarrow.ipc as ipc
kinds = pa.array([0, 1, 0], pa.int8())
union = pa.UnionArray.from_sparse(kinds, [pa.array([1, 2, 3]), pa.array(['a', 'b', 'c'])])
price = pa.array([decimal.Decimal('1200'), None, decimal.Decimal('-300')], pa.decimal128(10, -2))
table = pa.table({'union': union, 'yes': pa.array([True, None, False]), 'price': price})
options = ipc.IpcWriteOptions(metadata_version=ipc.MetadataVersion.${version}, compression='zstd')
with ipc.new_file(${JSON.stringify(path)}, table.schema, options=options) as writer: writer.write_table(table)`,
    ]);
  const schema = row({ yes: nullable(boolean), price: nullable(decimal) });
  const path = join(scratch, 'union.arrow');
  const read = () => valuesOf((root) => root.apply(readFromArrow(path, { schema })));
  write(path, 'V5');
  assert.deepEqual(
    (await read()).map(({ yes, price }) => [yes, price && `${price}`]),
    [
      [true, '1200'],
      [null, null],
      [false, '-300'],
    ],
  );
  write(path, 'V4');
  await assert.rejects(read(), { code: 'UNSUPPORTED', message: /V4, and a union in its column/ });
});

for (const codec of ['lz4', 'zstd'] as const) {
  test(`compressed buffers (${codec}) that are longer or shorter than they say are errors, where they are asked for`, async () => {
    const path = join(scratch, `lengths-${codec}.arrow`);
    execFileSync(python, [
      '-c',
      `
import pyarrow as pa, pyarrow.ipc as ipc
table = pa.table({'a': pa.array([7] * 5000, pa.int32()), 'b': pa.array([3] * 6000)[:5000]})
with ipc.new_file(${JSON.stringify(path)}, table.schema, options=ipc.IpcWriteOptions(compression='${codec}')) as writer: writer.write_table(table)`,
    ]);
    const whole = readFileSync(path);
    const [a, b] = [row({ a: int32 }), row({ b: int64 })];
    const read = (schema: typeof a | typeof b) =>
      valuesOf((root) => root.apply(readFromArrow(path, { schema: schema as typeof a })));
    assert.deepEqual(await read(a), Array(5000).fill({ a: 7 }));
    const length = Buffer.alloc(8);
    length.writeBigInt64LE(20_000n);
    const place = whole.indexOf(length);
    assert.ok(place > 0);
    for (const other of [20_004n, 19_996n, 2n ** 40n, -2n, 2n ** 62n]) {
      const bytes = Buffer.from(whole);
      bytes.writeBigInt64LE(other, place);
      writeFileSync(path, bytes);
      await assert.rejects(read(a), { code: 'MALFORMED_DATA' }, `${other}`);
      assert.equal((await read(b)).length, 5000);
    }
  });
}

test('bytes of a file that are others are an error or other values, and end', async () => {
  const path = join(scratch, 'fuzz.arrow');
  tableOf(path, 'file', 'lz4', 'no');
  const bytes = readFileSync(path);
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed % below;
  };
  for (let round = 0; round < 24; round++) {
    const other = Buffer.from(bytes);
    // Most of what is wrong is wrong in the metadata.
    const from = round % 2 === 0 ? other.length - 2500 : 0;
    for (let count = 0; count < 3; count++) other[from + random(other.length - from)] = random(256);
    writeFileSync(path, other);
    const schema = row({ x: nullable(float64), text: nullable(string), kind: nullable(string) });
    const error = await valuesOf((root) => root.apply(readFromArrow(path, { schema }))).then(
      () => undefined,
      (reason) => reason,
    );
    const known = ['MALFORMED_DATA', 'UNSUPPORTED', 'HEADER_MISMATCH', 'ROW_MISMATCH'];
    if (error) assert.ok(known.includes(error.code), `${error.code}: ${error.message}`);
  }
});
