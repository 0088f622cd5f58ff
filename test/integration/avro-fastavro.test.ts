// SPDX-License-Identifier: Apache-2.0
// Avro files that fastavro writes, read here, and the other way round: compressions, logical types, nested records. On
// both runners. Starts Node, and through it the managed Python.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readFromAvro, writeToAvro } from '../../src/io/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  decimal,
  enumeration,
  float32,
  float64,
  type Infer,
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
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-avro-'));
  ({ python } = await ensurePythonEnvironment());
});
after(() => rmSync(scratch, { recursive: true, force: true }));

/** What both sides say of a record, as lists of plain values. */
const TOLD = `
import sys, json, random, datetime, decimal, uuid, fastavro
utc = datetime.timezone.utc
epoch = datetime.datetime(1970, 1, 1, tzinfo=utc)
micros = lambda t: str((t - epoch) // datetime.timedelta(microseconds=1))
told = lambda r: [
    r['id'], str(r['big']), r['x'], r['half'], r['yes'], r['text'], r['raw'].hex(), None if r['price'] is None else format(r['price'], 'f'),
    micros(r['fine']), micros(r['coarse']), r['kind'],
    None if r['deep'] is None else [None if d is None else [d['n'], d['l']] for d in r['deep']], sorted(r['by'].items()),
]
`;

const WRITE = `${TOLD}
path, codec = sys.argv[1:]
rng = random.Random(3)
maybe = lambda value: None if rng.random() < 0.2 else value
long = lambda logical: {'type': 'long', 'logicalType': logical}
part = {'type': 'record', 'name': 'Part', 'fields': [{'name': 'no', 'type': 'string'}, {'name': 'n', 'type': ['int', 'null']},
    {'name': 'l', 'type': {'type': 'array', 'items': 'long'}}]}
schema = fastavro.parse_schema({'type': 'record', 'name': 'Row', 'namespace': 'a.b', 'fields': [{'name': name, 'type': of} for name, of in {
    'id': 'int', 'unused': {'type': 'map', 'values': ['null', 'string']}, 'big': 'long', 'x': ['null', 'double'], 'half': 'float',
    'yes': ['boolean', 'null'], 'text': ['null', 'string'], 'raw': 'bytes',
    'price': ['null', {'type': 'bytes', 'logicalType': 'decimal', 'precision': 20, 'scale': 4}],
    'fine': long('timestamp-micros'), 'coarse': long('timestamp-millis'), 'kind': {'type': 'enum', 'name': 'Kind', 'symbols': ['A', 'B']},
    'deep': ['null', {'type': 'array', 'items': ['null', part]}], 'by': {'type': 'map', 'values': ['null', 'long']},
}.items()]})
texts = ['', 'a', '\\ufeffÄ€😀', 'long' * 20]
rows = [{
    'id': i, 'unused': {'x': maybe('y')}, 'big': rng.randint(-2**63, 2**63 - 1), 'x': maybe(rng.uniform(-1e9, 1e9)), 'half': rng.randint(-99, 99) / 8,
    'yes': maybe(rng.random() < 0.5), 'text': maybe(rng.choice(texts)), 'raw': bytes(rng.randrange(256) for _ in range(rng.randint(0, 5))),
    'price': maybe(decimal.Decimal(rng.randint(-10**12, 10**12)).scaleb(-4)),
    'fine': epoch + datetime.timedelta(microseconds=rng.randint(-10**15, 10**15)),
    'coarse': epoch + datetime.timedelta(milliseconds=rng.randint(-10**12, 10**12)), 'kind': rng.choice('AB'),
    'deep': maybe([maybe({'no': 'x', 'n': maybe(rng.randint(-9, 9)), 'l': [rng.randint(-2**53 + 1, 2**53 - 1) for _ in range(rng.randint(0, 3))]}) for _ in range(rng.randint(0, 3))]),
    'by': {k: maybe(rng.randint(0, 9)) for k in rng.sample(['x', 'y', ''], rng.randint(0, 3))},
} for i in range(1000)]
with open(path, 'wb') as out: fastavro.writer(out, schema, rows, codec=codec, sync_interval=2000)
print(json.dumps([told(r) for r in rows]))
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
  kind: enumeration(['A', 'B']),
  deep: nullable(array(nullable(row({ n: nullable(int64), l: array(int64) })))),
  by: map(string, nullable(int64)),
});

function told(r: Infer<typeof schema>): [number, ...unknown[]] {
  return [
    r.id,
    `${r.big}`,
    r.x,
    r.half,
    r.yes,
    r.text,
    Buffer.from(r.raw).toString('hex'),
    r.price && `${r.price}`,
    `${r.fine.micros}`,
    `${r.coarse.getTime() * 1000}`,
    r.kind,
    r.deep === null ? null : r.deep.map((d) => d && [d.n, d.l]),
    [...r.by].sort(([a], [b]) => (a < b ? -1 : 1)),
  ];
}

const run = (script: string, ...args: string[]) =>
  JSON.parse(
    execFileSync(python, ['-W', 'ignore', '-c', script, ...args], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    }),
  );

const READ = `${TOLD}
import glob
rows = []
for path in sorted(glob.glob(sys.argv[1])):
    with open(path, 'rb') as file: rows += list(fastavro.reader(file))
print(json.dumps([told(r) for r in sorted(rows, key=lambda r: r['id'])]))
`;

const DECIMAL = { type: 'bytes', logicalType: 'decimal', precision: 20, scale: 4 };
const long = (logicalType: string) => ({ type: 'long', logicalType });
const PART = {
  type: 'record',
  name: 'Part',
  fields: [
    { name: 'n', type: ['null', 'long'] },
    { name: 'l', type: { type: 'array', items: 'long' } },
  ],
};
const avroSchema = {
  type: 'record',
  name: 'Row',
  fields: Object.entries({
    by: { type: 'map', values: ['null', 'long'] },
    id: 'int',
    big: 'long',
    x: ['double', 'null'],
    half: 'float',
    yes: ['null', 'boolean'],
    text: ['null', 'string'],
    raw: 'bytes',
    price: ['null', DECIMAL],
    fine: long('timestamp-micros'),
    coarse: long('timestamp-millis'),
    kind: { type: 'enum', name: 'Kind', symbols: ['B', 'A'] },
    deep: ['null', { type: 'array', items: ['null', PART] }],
  }).map(([name, type]) => ({ name, type })),
};

for (const runner of ['node', 'direct']) {
  for (const codec of runner === 'node' ? ['null', 'deflate', 'bzip2', 'xz'] : ['deflate']) {
    test(`what fastavro writes with ${codec}, on ${runner}`, async () => {
      const path = join(scratch, `${runner}-${codec}.avro`);
      const written = run(WRITE, path, codec);
      const seen: [number, ...unknown[]][] = [];
      await createRunner({ runner, progress: false }).run((root) => {
        root
          .apply(readFromAvro(path, { schema, splitBytes: 4000 }))
          .map((one) => void seen.push(told(one)));
      });
      assert.deepEqual(
        seen.sort(([a], [b]) => a - b),
        written,
      );
    });

    if (codec === 'null' || codec === 'deflate')
      test(`fastavro reads what is written with ${codec}, on ${runner}`, async () => {
        const path = join(scratch, `${runner}-${codec}-again.avro`);
        const written = run(WRITE, path, codec);
        const out = join(scratch, `${runner}-${codec}-out`);
        await createRunner({ runner, progress: false }).run((root) => {
          root
            .apply(readFromAvro(path, { schema, splitBytes: 4000 }))
            .apply(writeToAvro(`${out}/part`, { schema, avroSchema, codec, numShards: 2 }));
        });
        assert.deepEqual(run(READ, `${out}/*.avro`), written);
      });
  }
}
