// SPDX-License-Identifier: Apache-2.0
// Parquet files that pyarrow writes, read here, and ours read there: compressions, encodings, and nested columns. On both
// runners. Starts Node, and through it the managed Python.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readFromParquet, writeToParquet } from '../../src/io/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  Decimal,
  decimal,
  float32,
  float64,
  int64,
  MicrosInstant,
  map,
  microsInstant,
  millisInstant,
  nullable,
  type RowType,
  row,
  string,
  Tensor,
  tensor,
} from '../../src/schema/index.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { create } from '../../src/transforms/index.ts';

let scratch: string;
let python: string;
before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-parquet-'));
  ({ python } = await ensurePythonEnvironment());
});
after(() => rmSync(scratch, { recursive: true, force: true }));

const TABLE = `
import sys, json, random, datetime, decimal
import pyarrow as pa, pyarrow.parquet as pq
path, codec, dictionary = sys.argv[1:]
rng = random.Random(3)
epoch = datetime.datetime(1970, 1, 1)
maybe = lambda value: None if rng.random() < 0.2 else value
texts = ['', 'a', '\\ufeffÄ€😀', 'long' * 20]
rows = [{
    'id': i,
    'unused': {'x': i},
    'big': rng.randint(-2**63, 2**63 - 1),
    'x': maybe(rng.uniform(-1e9, 1e9)),
    'half': rng.randint(-99, 99) / 8,
    'yes': maybe(rng.random() < 0.5),
    'text': maybe(rng.choice(texts)),
    'raw': bytes(rng.randrange(256) for _ in range(rng.randint(0, 5))),
    'price': maybe(decimal.Decimal(rng.randint(-10**12, 10**12)).scaleb(-4)),
    'fine': epoch + datetime.timedelta(microseconds=rng.randint(-10**15, 10**15)),
    'coarse': epoch + datetime.timedelta(milliseconds=rng.randint(-10**12, 10**12)),
    'day': maybe((epoch + datetime.timedelta(days=rng.randint(-9999, 9999))).date()),
    'deep': maybe([maybe({'n': maybe(rng.randint(-9, 9)), 'l': [rng.randint(-9, 9) for _ in range(rng.randint(0, 3))], 'no': 1}) for _ in range(rng.randint(0, 3))]),
    'by': [(k, maybe(rng.randint(0, 9))) for k in rng.sample(['x', 'y', ''], rng.randint(0, 3))],
} for i in range(1000)]
types = {
    'id': pa.int32(), 'unused': pa.struct([('x', pa.int32())]), 'big': pa.int64(), 'x': pa.float64(), 'half': pa.float32(),
    'yes': pa.bool_(), 'text': pa.string(), 'raw': pa.binary(), 'price': pa.decimal128(20, 4), 'fine': pa.timestamp('us'),
    'coarse': pa.timestamp('ms', tz='UTC'), 'day': pa.date32(),
    'deep': pa.list_(pa.struct([('n', pa.int8()), ('l', pa.list_(pa.uint16())), ('no', pa.int8())])),
    'by': pa.map_(pa.string(), pa.int64()),
}
for one in rows:
    for d in one['deep'] or []:
        if d: d['l'] = [abs(v) for v in d['l']]
pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(list(types.items()))), path, compression=codec,
    use_dictionary=dictionary == 'yes', row_group_size=300, data_page_size=500)
micros = lambda t: str((t - epoch) // datetime.timedelta(microseconds=1))
print(json.dumps([[
    r['id'], str(r['big']), r['x'], r['half'], r['yes'], r['text'], r['raw'].hex(),
    None if r['price'] is None else format(r['price'], 'f'), micros(r['fine']), micros(r['coarse']),
    None if r['day'] is None else r['day'].isoformat(),
    None if r['deep'] is None else [None if d is None else [d['n'], d['l']] for d in r['deep']], [list(p) for p in r['by']],
] for r in rows]))
`;

const schema = row({
  id: int64,
  big: bigint64,
  x: nullable(float64),
  half: float32,
  yes: nullable(boolean),
  text: nullable(string),
  raw: bytes,
  price: nullable(decimal),
  fine: microsInstant,
  coarse: millisInstant,
  day: nullable(millisInstant),
  deep: nullable(array(nullable(row({ n: nullable(int64), l: array(int64) })))),
  by: map(string, nullable(int64)),
});

for (const runner of ['node', 'direct']) {
  const codecs = runner === 'node' ? ['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4'] : ['zstd'];
  for (const [at, codec] of codecs.entries()) {
    const dictionary = at % 3 ? 'yes' : 'no';
    test(`what pyarrow writes with ${codec}, dictionaries: ${dictionary}, on ${runner}`, async () => {
      const path = join(scratch, `${runner}-${codec}.parquet`);
      const written = execFileSync(python, ['-W', 'ignore', '-c', TABLE, path, codec, dictionary], {
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
      });
      const seen: [number, ...unknown[]][] = [];
      await createRunner({ runner }).run((root) => {
        root.apply(readFromParquet(path, { schema, splitBytes: 4000 })).map((r) => {
          seen.push([
            r.id,
            `${r.big}`,
            r.x,
            r.half,
            r.yes,
            r.text,
            Buffer.from(r.raw).toString('hex'),
            r.price && `${r.price}`,
            `${r.fine.micros}`,
            `${r.coarse.getTime()}000`.replace(/^0+$/, '0'),
            r.day?.toISOString().slice(0, 10) ?? null,
            r.deep?.map((d) => d && [d.n, d.l]) ?? null,
            [...r.by],
          ]);
        });
      });
      seen.sort(([a], [b]) => a - b);
      assert.deepEqual(seen, JSON.parse(written));
    });
  }
}

const MISCOUNTED = `
import sys
import pyarrow as pa, pyarrow.parquet as pq
rows = [{'id': i, 'deep': [None, {'n': 1}][i % 3:] or None} for i in range(100)]
schema = pa.schema([('id', pa.int64()), ('deep', pa.list_(pa.struct([('n', pa.int8())])))])
pq.write_table(pa.Table.from_pylist(rows, schema=schema), sys.argv[1], data_page_version='2.0', use_dictionary=False)
`;

test('a nested column whose nulls the file miscounts is refused with what to do, and the others are read', async () => {
  const path = join(scratch, 'version-2.parquet');
  execFileSync(python, ['-W', 'ignore', '-c', MISCOUNTED, path]);
  const read = async (schema: RowType<{ id: number }>) => {
    const ids: number[] = [];
    await createRunner().run((root) => {
      root.apply(readFromParquet(path, { schema })).map(({ id }) => void ids.push(id));
    });
    return ids;
  };
  const deep = nullable(array(nullable(row({ n: nullable(int64) }))));
  await assert.rejects(read(row({ id: int64, deep })), {
    code: 'MALFORMED_DATA',
    message: /version-2\.parquet, column deep, .*cannot be read/,
    hint: /data_page_version/,
  });
  assert.equal((await read(row({ id: int64 }))).length, 100);
});

const OF_NULLS = `
import sys, datetime
import pyarrow as pa, pyarrow.parquet as pq
path, codec, version = sys.argv[1:]
times = [datetime.datetime(1955, 5, 6, 7, 8, 9), datetime.datetime(1969, 12, 31, 23, 59, 59, 1), None]
pq.write_table(pa.table({'id': [0, 1, 2], 'note': pa.nulls(3), 'l': pa.array([[], [None], None], pa.list_(pa.null())),
    'at': pa.array(times, pa.timestamp('us'))}), path,
    compression=codec, data_page_version=version, use_deprecated_int96_timestamps=True)
`;

test('columns of nulls alone, and times of 96 bits, as pyarrow writes them', async () => {
  for (const [codec, version] of [
    ['none', '1.0'],
    ['snappy', '1.0'],
    ['zstd', '1.0'],
    ['snappy', '2.0'],
  ] as const) {
    const path = join(scratch, `nulls-${codec}-${version}.parquet`);
    execFileSync(python, ['-W', 'ignore', '-c', OF_NULLS, path, codec, version]);
    const seen: unknown[] = [];
    const schema = row({
      id: int64,
      note: nullable(string),
      l: nullable(array(nullable(row({ n: int64 })))),
      at: nullable(microsInstant),
    });
    await createRunner().run((root) => {
      root
        .apply(readFromParquet(path, { schema }))
        .map(({ id, note, l, at }) => void seen.push([id, note, l, at?.micros]));
    });
    assert.deepEqual(seen, [
      [0, null, [], BigInt(Date.UTC(1955, 4, 6, 7, 8, 9)) * 1000n],
      [1, null, [null], -999_999n],
      [2, null, null, undefined],
    ]);
  }
});

const LOOK = `
import sys, json, glob, datetime, decimal
import pyarrow as pa, pyarrow.parquet as pq
files = sorted(glob.glob(sys.argv[1] + '*.parquet'))
tables = [pq.read_table(file) for file in files]
whole = pa.concat_tables(tables)
whole.validate(full=True)
epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
micros = lambda t: None if t is None else str((t - epoch) // datetime.timedelta(microseconds=1))
rows = sorted(whole.to_pylist(), key=lambda r: r['id'])
# What bounds of row groups leave out must not be there.
kept = lambda **by: pq.read_table(files, filters=[(k, '==', v) for k, v in by.items()]).num_rows
last = rows[-1] if rows else None
print(json.dumps({
    'types': [str(field.type).replace(" ('by')", '') + ('' if field.nullable else ' not null') for field in whole.schema],
    'groups': sum(pq.ParquetFile(file).metadata.num_row_groups for file in files),
    'found': [] if last is None else [kept(id=last['id']), kept(text=last['text']), kept(price=last['price']), kept(raw=last['raw'])],
    'rows': [[r['id'], str(r['big']), repr(r['x']), r['half'], r['text'], r['raw'].hex(), format(r['price'], 'f'),
        micros(r['fine']), micros(r['coarse']), r['deep'], sorted(list(p) for p in r['by']), r['image']] for r in rows],
}))
`;

const ours = row({
  id: int64,
  big: bigint64,
  x: float64,
  half: nullable(float32),
  text: string,
  raw: bytes,
  price: decimal,
  fine: nullable(microsInstant),
  coarse: millisInstant,
  deep: nullable(array(nullable(row({ n: nullable(int64), l: array(int64) })))),
  by: map(string, nullable(int64)),
  image: tensor(float32, [2, 2]),
});
type Ours = typeof ours extends RowType<infer T> ? T : never;

const XS = [0.1, -0, 5e-324, 1e308, 0];
const TEXTS = ['', 'a', '\ufeffÄ€😀', 'long'.repeat(20), '\uffff', '😀'.repeat(9)];

function ourRow(id: number): Ours {
  const deep = id % 4 === 0 ? null : [null, { n: id % 2 ? id : null, l: [id, 1] }].slice(id % 3);
  return {
    id,
    big: BigInt(id) * -(2n ** 53n),
    x: XS[id % XS.length]!,
    half: id % 5 ? id / 8 : null,
    text: TEXTS[id % TEXTS.length]!,
    raw: Uint8Array.of(id % 256, 255).subarray(id % 2),
    price: new Decimal(BigInt(id) - 400n, id % 3),
    fine: id % 7 ? new MicrosInstant(BigInt(id) * 10n ** 12n - 1n) : null,
    coarse: new Date(-id * 86_400_001),
    deep,
    by: new Map(['x', '', 'y'].slice(0, id % 4).map((key, at) => [key, at ? id : null])),
    image: Tensor.from('float32', [
      [id, -1],
      [0, 0.5],
    ]),
  };
}

const float = (x: number) => (x === 0 ? '0.0' : `${x}`);

function asSeen(one: Ours): unknown[] {
  const price = one.price.unscaled * 10n ** BigInt(4 - one.price.scale);
  return [
    one.id,
    `${one.big}`,
    Object.is(one.x, -0) ? '-0.0' : float(one.x),
    one.half,
    one.text,
    Buffer.from(one.raw).toString('hex'),
    `${new Decimal(price, 4)}`,
    one.fine && `${one.fine.micros}`,
    `${BigInt(one.coarse.getTime()) * 1000n}`,
    one.deep,
    [...one.by].sort(([a], [b]) => (a < b ? -1 : 1)),
    [
      [one.id, -1],
      [0, 0.5],
    ],
  ];
}

for (const runner of ['node', 'direct']) {
  const codecs =
    runner === 'node' ? (['snappy', 'gzip', 'brotli', 'none'] as const) : (['snappy'] as const);
  for (const compression of codecs) {
    test(`pyarrow reads what is written with ${compression} on ${runner}`, async () => {
      const rows = Array.from({ length: 700 }, (_, id) => ourRow(id));
      const prefix = join(scratch, `ours-${runner}-${compression}`);
      const empty = join(scratch, `none-${runner}-${compression}`);
      const decimals = { price: { precision: 20, scale: 4 } };
      await createRunner({ runner }).run((root) => {
        const options = { schema: ours, compression, decimals, rowGroupRows: 100 };
        root.apply(create(rows)).apply(writeToParquet(prefix, { ...options, numShards: 2 }));
        root.apply(create<Ours>([])).apply(writeToParquet(empty, options));
      });
      const look = (at: string) =>
        JSON.parse(
          execFileSync(python, ['-W', 'ignore', '-c', LOOK, at], {
            encoding: 'utf8',
            maxBuffer: 64 * 1024 * 1024,
          }),
        );
      const seen = look(prefix);
      assert.deepEqual(
        seen.rows,
        rows.map((one) => asSeen(one)),
      );
      assert.ok(seen.groups >= 8);
      const last = rows.at(-1)!;
      const alike = (same: (one: Ours) => boolean) => rows.filter(same).length;
      assert.deepEqual(seen.found, [
        1,
        alike(({ text }) => text === last.text),
        alike(({ price }) => price.toNumber() === last.price.toNumber()),
        alike(({ raw }) => Buffer.compare(raw, last.raw) === 0),
      ]);
      const none = look(empty);
      assert.deepEqual(none, { types: seen.types, groups: 0, found: [], rows: [] });
      assert.deepEqual(seen.types, [
        'int64 not null',
        'int64 not null',
        'double not null',
        'float',
        'string not null',
        'binary not null',
        'decimal128(20, 4) not null',
        'timestamp[us, tz=UTC]',
        'timestamp[ms, tz=UTC] not null',
        'list<element: struct<n: int64, l: list<element: int64 not null> not null>>',
        'map<string, int64> not null',
        'list<element: list<element: float not null> not null> not null',
      ]);
    });
  }
}
