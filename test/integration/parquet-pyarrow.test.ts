// SPDX-License-Identifier: Apache-2.0
// Parquet files that pyarrow writes, read here: compressions, encodings, and nested columns. On both runners. Starts Node,
// and through it the managed Python.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readFromParquet } from '../../src/io/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  decimal,
  float32,
  float64,
  int64,
  map,
  microsInstant,
  millisInstant,
  nullable,
  row,
  string,
} from '../../src/schema/index.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';

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
