// SPDX-License-Identifier: Apache-2.0
// Records to files of JSON, and back to the same records, on the node runner in this process.

import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRunner } from '../../../../src/index.ts';
import { readFromJson, type WriteJsonOptions, writeToJson } from '../../../../src/io/index.ts';
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
  int64,
  iterable,
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
  options: WriteJsonOptions<T> = {},
): Promise<FilesOfRows & { texts: string[] }> {
  const found = await writeRows(rows, schema, (prefix) => writeToJson<T>(prefix, options));
  return { ...found, texts: textsOf(found) };
}

const back = <T>(prefix: string, schema: RowType<T>, lines: boolean) =>
  readRows<T>(readFromJson(`${prefix}*`, { schema, lines }));

const item = row({ id: int64, note: nullable(string) });
const ITEMS = [
  { id: 1, note: 'a\n"b"' },
  { id: 2, note: null },
  { id: 3, note: '' },
];

test('each record is a line, or all of them are one array', async () => {
  const lines = await written(ITEMS, item);
  assert.deepEqual(lines.files, ['out-00000-of-00001.jsonl']);
  assert.deepEqual(lines.texts, [
    '{"id":1,"note":"a\\n\\"b\\""}\n{"id":2,"note":null}\n{"id":3,"note":""}\n',
  ]);
  assert.deepEqual(await back(lines.prefix, item, true), ITEMS);
  const all = await written(ITEMS, item, { lines: false });
  assert.deepEqual(all.files, ['out-00000-of-00001.json']);
  assert.deepEqual(JSON.parse(all.texts[0]!), ITEMS);
  assert.equal(all.texts[0]!.split('\n').length, 4);
  assert.deepEqual(await back(all.prefix, item, false), ITEMS);
});

test('without records there is an empty file, or an empty array', async () => {
  assert.deepEqual((await written([], item)).texts, ['']);
  assert.deepEqual((await written([], item, { lines: false })).texts, ['[]\n']);
  const many = await written([], item, { lines: false, numShards: 2 });
  assert.deepEqual(many.texts, ['[]\n', '[]\n']);
});

test('every shard is whole, however many parts and compressed pieces it is made of', async () => {
  const rows = Array.from({ length: 2000 }, (_, id) => ({ id, note: 'x'.repeat(id % 50) }));
  for (const options of [
    { numShards: 3 },
    { maxRecordsPerShard: 700 },
    { maxBytesPerShard: 20_000 },
    { fileNameSuffix: '.json.gz', numShards: 2 },
    {},
  ]) {
    const { prefix, files, texts } = await written(rows, item, { lines: false, ...options });
    const found = texts.flatMap((text) => JSON.parse(text) as { id: number }[]);
    assert.deepEqual(
      found.sort((a, b) => a.id - b.id),
      rows,
    );
    const { maxBytesPerShard } = options as { maxBytesPerShard?: number };
    for (const name of maxBytesPerShard ? files : []) {
      assert.ok(statSync(join(dirname(prefix), name)).size <= maxBytesPerShard!);
    }
  }
});

test('every type is read back as it was written', async () => {
  const schema = row({
    big: bigint64,
    price: decimal,
    x: array(float64),
    y: array(float32),
    yes: boolean,
    kind: enumeration(['"', 'y']),
    at: millisInstant,
    fine: microsInstant,
    raw: bytes,
    inner: row({ vector: typedArray('float64'), list: array(nullable(string)) }),
    many: iterable(int64),
    by: map(string, nullable(row({ n: int64 }))),
  });
  const rows = [
    {
      big: 2n ** 63n - 1n,
      price: Decimal.from('12.50'),
      x: [0.1 + 0.2, NaN, -Infinity, -0, 5e-324, 1e21],
      y: [Math.fround(0.1), 16777216, Infinity],
      yes: false,
      kind: '"' as const,
      at: new Date(-8.64e15),
      fine: new MicrosInstant(-1n),
      raw: Uint8Array.of(1, 2, 255),
      inner: { vector: Float64Array.of(1.5, NaN), list: [null, 'é', '\u2028'] },
      many: [1, 2],
      by: new Map<string, { n: number } | null>([
        ['', { n: 1 }],
        ['__proto__', null],
      ]),
    },
  ];
  for (const lines of [true, false]) {
    const { prefix, texts } = await written(rows, schema, { lines });
    assert.match(texts[0]!, /"big":9223372036854775807,"price":"12\.50",.*"y":\[0\.1,/);
    assert.deepEqual(await back(prefix, schema, lines), rows);
  }
});

test('whatever records hold, they are read back', async () => {
  const schema = row({
    s: string,
    t: nullable(string),
    x: float64,
    list: array(string),
    'a"b': int64,
  });
  const record = fc.record(
    {
      s: fc.string({ unit: 'grapheme' }),
      t: fc.option(fc.string()),
      x: fc.double(),
      list: fc.array(fc.string({ unit: fc.constantFrom('"', '\\', '\n', '{', ']', '1') })),
      'a"b': fc.maxSafeInteger(),
    },
    { noNullPrototype: true },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(record, { maxLength: 6 }), fc.boolean(), async (rows, lines) => {
      const { prefix } = await written(rows, schema, { lines });
      assert.deepEqual(await back(prefix, schema, lines), rows);
    }),
    { numRuns: 40 },
  );
});

test('an iterable that can be read once is checked and written all the same', async () => {
  const schema = row({ many: iterable(int64) });
  for (const [last, fails] of [
    [3, false],
    ['x', true],
  ] as const) {
    const prefix = ownPrefix();
    const run = createRunner().run((root) => {
      root
        .apply(create([1]))
        .map((one) => ({ many: [one, 2, last as number].values() as Iterable<number> }))
        .apply(writeToJson(prefix, { schema }));
    });
    if (fails) await assert.rejects(run, { code: 'ROW_MISMATCH' });
    else await run;
    if (!fails) assert.deepEqual(await back(prefix, schema, true), [{ many: [1, 2, 3] }]);
  }
});

test('what nothing says the type of, and types without values, are refused when the pipeline is built', async () => {
  const refused = refusalOf(writeToJson as never);
  await refused('INVALID_ARGUMENT', /nothing says what the rows are/, undefined);
  await refused('INVALID_SCHEMA', /field t .*JSON has no value/, row({ t: tensor(float32, [2]) }));
  await refused('INVALID_SCHEMA', /field m .*JSON has no value/, row({ m: map(int64, string) }));
  await refused('INVALID_ARGUMENT', /lines is null/, item, { lines: null });
});

test('a row that is none of the type fails the run, and leaves nothing', async () => {
  for (const late of [true, false]) {
    const prefix = ownPrefix();
    await assert.rejects(
      createRunner().run((root) => {
        const rows = root.apply(create([{ id: 1 }, { id: '2' as never }]));
        if (late) rows.apply(writeToJson(prefix, { schema: row({ id: int64 }) }));
        else rows.apply(withSchema(row({ id: int64 }))).apply(writeToJson(prefix));
      }),
      { code: 'ROW_MISMATCH' },
    );
    assert.deepEqual(readdirSync(dirname(prefix)), []);
  }
});
