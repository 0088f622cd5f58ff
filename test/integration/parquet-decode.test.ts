// SPDX-License-Identifier: Apache-2.0
// Columns that are decoded here against the same columns as `hyparquet` reads them, and against what pyarrow, which wrote
// them, says is in them: random tables in all shapes, encodings, compressions and page versions. Starts the managed Python.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decompressors } from '../../src/io/parquet/codecs.ts';
import type { MatchedColumn } from '../../src/io/parquet/columns.ts';
import { shapeOf } from '../../src/io/parquet/decode/shape.ts';
import {
  type GroupOfRows,
  inParquetFile,
  type ParquetFile,
  type ParquetFormat,
} from '../../src/io/parquet/file.ts';
import { pageDecoders } from '../../src/io/parquet/package.ts';
import { columnOfPackage } from '../../src/io/parquet/package-column.ts';
import { decodedColumn } from '../../src/io/parquet/read-columns.ts';
import { readParquet } from '../../src/io/parquet/read-range.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  decimal,
  float32,
  float64,
  int16,
  int32,
  int64,
  MicrosInstant,
  microsInstant,
  nullable,
  type RowType,
  row,
  string,
  typedArray,
} from '../../src/schema/index.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';

let scratch: string;
let python: string;
before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-parquet-decode-'));
  ({ python } = await ensurePythonEnvironment());
});
after(() => rmSync(scratch, { recursive: true, force: true }));

const WRITER = `
import sys, json, random, datetime, decimal, struct
import pyarrow as pa, pyarrow.parquet as pq
folder, seed, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
epoch = datetime.datetime(1970, 1, 1)
f32 = lambda v: struct.unpack('<f', struct.pack('<f', v))[0]
words = ['', 'a', 'Ä€😀', 'long' * 20, 'b']
values = {
    'b': (pa.bool_(), lambda: rng.random() < 0.7),
    'i2': (pa.int16(), lambda: rng.randint(-2**15, 2**15 - 1)),
    'i4': (pa.int32(), lambda: rng.choice([rng.randint(-2**31, 2**31 - 1), 7, 8])),
    'u4': (pa.uint32(), lambda: rng.choice([rng.randint(0, 2**32 - 1), 7])),
    'i8': (pa.int64(), lambda: rng.choice([rng.randint(-2**53 + 1, 2**53 - 1), -1, 0])),
    'I8': (pa.int64(), lambda: rng.choice([rng.randint(-2**63, 2**63 - 1), 5, -2**63])),
    'U8': (pa.uint64(), lambda: rng.choice([rng.randint(0, 2**53 - 1), 5])),
    'f2': (pa.float16(), lambda: rng.randint(-99, 99) / 8),
    'f4': (pa.float32(), lambda: rng.choice([f32(rng.uniform(-1e9, 1e9)), 0.5, -0.0, float('nan'), float('inf'), 3.0])),
    'f8': (pa.float64(), lambda: rng.choice([rng.uniform(-1e300, 1e300), -0.0, float('nan'), 1.0])),
    's': (pa.string(), lambda: rng.choice(words + [str(rng.random())])),
    'y': (pa.binary(), lambda: bytes(rng.randrange(256) for _ in range(rng.randint(0, 5)))),
    'd': (pa.decimal128(20, 4), lambda: decimal.Decimal(rng.randint(-10**12, 10**12)).scaleb(-4)),
    't': (pa.timestamp('us'), lambda: epoch + datetime.timedelta(microseconds=rng.randint(-10**15, 10**15))),
}
def told(v):
    if v is None or isinstance(v, (bool, str)): return v
    if isinstance(v, float): return 'nan' if v != v else struct.pack('>d', v).hex()
    if isinstance(v, int): return str(v)
    if isinstance(v, bytes): return v.hex()
    if isinstance(v, datetime.datetime): return str((v - epoch) // datetime.timedelta(microseconds=1))
    if isinstance(v, list): return [told(x) for x in v]
    if isinstance(v, decimal.Decimal): return format(v, 'f')
    return told(float(v))
NUMBERS = ['i2', 'i4', 'u4', 'i8', 'I8', 'U8']
for at in range(files):
    count = rng.choice([1, 7, 200, 500])
    nulls = rng.choice([0, 0, 0.05, 0.5, 1])
    holes = rng.choice([0, 0.1, 0.6])
    none = lambda p, make: None if rng.random() < p else make()
    few = rng.random() < 0.4
    pool = {k: [make() for _ in range(5)] for k, (_, make) in values.items()}
    one = lambda k: rng.choice(pool[k]) if few else values[k][1]()
    fixed = rng.choice([None, 3, 64])
    listed = lambda k, p: [none(p, lambda: one(k)) for _ in range(rng.choice([0, 0, 1, 2, 5, 70]) if fixed is None else fixed)]
    fields, columns = [], {}
    for k in rng.sample(list(values), 5):
        type = values[k][0]
        shapes = {
            'req_' + k: (type, False, lambda: one(k)),
            'opt_' + k: (type, True, lambda: none(nulls, lambda: one(k))),
            'list_' + k: (pa.list_(pa.field('item', type, nullable=False)), False, lambda: listed(k, 0)),
            'listopt_' + k: (pa.list_(type), True, lambda: none(holes, lambda: listed(k, nulls))),
            'optlist_' + k: (pa.list_(pa.field('item', type, nullable=False)), True, lambda: none(holes, lambda: listed(k, 0))),
        }
        for name, (declared, nullable, make) in shapes.items():
            fields.append(pa.field(name, declared, nullable=nullable))
            columns[name] = [make() for _ in range(count)]
    table = pa.table(columns, schema=pa.schema(fields))
    names = [c for c in columns]
    v2 = rng.random() < 0.5
    options = dict(
        compression=rng.choice(['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4']),
        row_group_size=rng.choice([50, 150, 10**6]), data_page_size=rng.choice([64, 1000, 10**6]),
        write_batch_size=rng.choice([10, 1024]), data_page_version='2.0' if v2 else '1.0',
        use_deprecated_int96_timestamps=rng.random() < 0.3,
    )
    if rng.random() < 0.6:
        options.update(use_dictionary=True, dictionary_pagesize_limit=rng.choice([50, 10**6]))
    else:
        leaf = lambda name: name if name.split('_')[0] in ('req', 'opt') else name + '.list.element'
        encoding = {}
        for name in names:
            k = name.split('_')[1]
            if k in NUMBERS: choices = ['PLAIN', 'DELTA_BINARY_PACKED', 'BYTE_STREAM_SPLIT']
            elif k in ('f4', 'f8', 'f2'): choices = ['PLAIN', 'BYTE_STREAM_SPLIT']
            elif k == 'd': choices = ['PLAIN', 'BYTE_STREAM_SPLIT', 'DELTA_BYTE_ARRAY']
            elif k in ('s', 'y'): choices = ['PLAIN', 'DELTA_LENGTH_BYTE_ARRAY', 'DELTA_BYTE_ARRAY']
            elif k == 'b': choices = ['PLAIN', 'RLE']
            else: choices = ['PLAIN'] if options['use_deprecated_int96_timestamps'] else ['PLAIN', 'DELTA_BINARY_PACKED']
            encoding[leaf(name)] = rng.choice(choices)
        options.update(use_dictionary=False, column_encoding=encoding)
    pq.write_table(table, f'{folder}/{seed}-{at}.parquet', **options)
    with open(f'{folder}/{seed}-{at}.json', 'w') as out:
        json.dump({'options': str(options), 'rows': count, 'columns': {n: told(table.column(n).to_pylist()) for n in names}}, out)
`;

const VALUES = {
  b: boolean,
  i2: int16,
  i4: int32,
  u4: int64,
  i8: int64,
  I8: bigint64,
  U8: int64,
  f2: float32,
  f4: float32,
  f8: float64,
  s: string,
  y: bytes,
  d: decimal,
  t: microsInstant,
};

/** What typed arrays hold. */
const TYPED = { i2: 'int16', i4: 'int32', I8: 'bigint64', f4: 'float32', f8: 'float64' } as const;

/** A type for the columns of some kinds of values, where `isTyped` lists of numbers as typed arrays. */
function typeOf(kinds: ReadonlySet<string>, isTyped: boolean): RowType<unknown> {
  const fields: Record<string, unknown> = {};
  for (const [k, type] of Object.entries(VALUES)) {
    if (!kinds.has(k)) continue;
    const typed = isTyped ? TYPED[k as keyof typeof TYPED] : undefined;
    const list = typed ? typedArray(typed) : array(type as never);
    fields[`req_${k}`] = type;
    fields[`opt_${k}`] = nullable(type as never);
    fields[`list_${k}`] = list;
    fields[`listopt_${k}`] = nullable(array(nullable(type as never)));
    fields[`optlist_${k}`] = nullable(list as never);
  }
  return row(fields as never) as RowType<unknown>;
}

const view = new DataView(new ArrayBuffer(8));

/** A value as the writer tells it. */
function told(value: unknown, isFraction: boolean): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (value instanceof Uint8Array && !isFraction) return Buffer.from(value).toString('hex');
  if (value instanceof MicrosInstant) return `${value.micros}`;
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return Array.from(value as ArrayLike<unknown>, (one) => told(one, isFraction));
  if (typeof value !== 'number' || !isFraction) return `${value}`;
  if (Number.isNaN(value)) return 'nan';
  view.setFloat64(0, value);
  return Buffer.from(view.buffer).toString('hex');
}

const isFraction = (name: string) => /_f\d$/.test(name);
const FILES = 10;

/** A column's values, by what reads it; nothing where that cannot. */
async function read(
  column: MatchedColumn,
  group: GroupOfRows,
  file: ParquetFile,
  path: string,
): Promise<{ here: unknown[] | undefined; there: unknown[] | string }> {
  const chunk = group.chunks[column.leaves[0]!.index]!;
  const compressors = await decompressors([chunk.codec]);
  const decoders = (await pageDecoders())!;
  const content = new Uint8Array(await file.bytes.slice(chunk.start, chunk.end));
  const raw = decodedColumn(
    { ...chunk, bytes: content },
    shapeOf(column.elements)!,
    column,
    group.rows,
    compressors,
    decoders,
  );
  const values = (at: (row: number) => unknown) =>
    Array.from({ length: group.rows }, (_, row) => column.read(at(row)));
  const here = raw && values((row) => ('offsets' in raw ? raw.at(row) : raw[row]));
  try {
    const theirs = await columnOfPackage(path, file, group, column, compressors);
    return { here, there: values((row) => theirs[row]) };
  } catch (error) {
    return { here, there: String(error) };
  }
}

for (const seed of [1, 2, 3]) {
  test(`columns that pyarrow wrote are what the package reads, and what pyarrow says, of random tables from seed ${seed}`, async () => {
    execFileSync(python, ['-W', 'ignore', '-c', WRITER, scratch, `${seed}`, `${FILES}`]);
    for (let at = 0; at < FILES; at++) {
      const path = join(scratch, `${seed}-${at}.parquet`);
      const written = JSON.parse(readFileSync(join(scratch, `${seed}-${at}.json`), 'utf8')) as {
        options: string;
        columns: Record<string, unknown[]>;
      };
      const kinds = new Set(Object.keys(written.columns).map((name) => name.split('_')[1]!));
      const format: ParquetFormat = { schema: typeOf(kinds, at % 2 === 0), names: {} };
      const seen: Record<string, unknown[]> = {};
      const compared = inParquetFile<void>(path, undefined, format, async function* (file) {
        for (const group of file.groups) {
          for (const { columns } of file.fields) {
            const [column] = columns;
            const { name } = column!;
            const { here, there } = await read(column!, group, file, path);
            const what = `${name} of file ${at}, ${written.options}`;
            assert.ok(
              here,
              `${what}: it is not decoded here, and there ${String(there).slice(0, 200)}`,
            );
            assert.deepEqual(here, there, what);
            const own = here.map((one) => told(one, isFraction(name)));
            seen[name] = [...(seen[name] ?? []), ...own];
          }
        }
        yield;
      });
      for await (const _ of compared);
      for (const [name, values] of Object.entries(written.columns))
        assert.deepEqual(seen[name], values, `${name} of file ${at}, ${written.options}`);
      // And as rows, many at once.
      const rows: Record<string, unknown>[] = [];
      const range = { path, version: undefined, start: 0, end: Infinity };
      const options = { withLines: false, withFailed: false };
      for await (const { records } of readParquet(range as never, format, options))
        rows.push(...(records as Record<string, unknown>[]));
      for (const [name, values] of Object.entries(written.columns)) {
        const own = rows.map((one) => told(one[name], isFraction(name)));
        assert.deepEqual(own, values, `rows: ${name} of file ${at}, ${written.options}`);
      }
    }
  });
}
