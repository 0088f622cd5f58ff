// SPDX-License-Identifier: Apache-2.0
// Avro files that no one here wrote, against what fastavro reads in them (test/fixtures/avro).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRunner } from '../../../../src/index.ts';
import { FileBytes, headerOf } from '../../../../src/io/avro/container.ts';
import { declaredRow } from '../../../../src/io/avro/infer.ts';
import { readFromAvro } from '../../../../src/io/index.ts';
import { openFile } from '../../../../src/io/stores/store-of.ts';
import { type RowType, row, string } from '../../../../src/schema/index.ts';

const folder = new URL('../../../fixtures/avro/', import.meta.url).pathname;
const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));

/** All that can be declared of a file's fields. */
async function declared(path: string): Promise<RowType<unknown> | undefined> {
  await using opened = await openFile({ path });
  const { schema } = await headerOf(new FileBytes(opened, path, (await opened.look()).size));
  const found = schema.type === 'record' ? declaredRow(schema, '') : undefined;
  return found?.type as RowType<unknown> | undefined;
}

async function rowsOf(path: string, schema: RowType<unknown>): Promise<unknown[]> {
  const rows: unknown[] = [];
  await createRunner({ progress: false }).run((root) => {
    root.apply(readFromAvro(path, { schema })).map((one) => void rows.push(one));
  });
  return rows;
}

/** As the JSON has them: bytes in base64, whole numbers as numbers. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Map) return Object.fromEntries([...value].map(([k, v]) => [k, plain(v)]));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
}

/** What of a value there is in another, whose fields are fewer. */
function sameFields(value: unknown, as: unknown): unknown {
  if (Array.isArray(as)) return as.map((one, at) => sameFields((value as unknown[])[at], one));
  if (typeof as !== 'object' || as === null) return value;
  return Object.fromEntries(
    Object.keys(as).map((key) => {
      const [field, of] = [value, as].map((one) => (one as Record<string, unknown>)[key]);
      return [key, sameFields(field, of)];
    }),
  );
}

const RECORDS = [
  'apache/avro-1279-codec',
  'apache/avro-1279-no-codec',
  'apache/echo-foo-request',
  'apache/person-10',
  'apache/weather',
  'apache/weather-deflate',
  'apache/weather-sorted',
  'fastavro/a_triple_pair',
  'fastavro/double_float',
  'fastavro/error-type',
  'fastavro/java-generated-uuid',
  'fastavro/lines',
  'fastavro/m',
  'fastavro/part-00000',
  'fastavro/recursive',
  'fastavro/test',
  'fastavro/test-deflate-6-B',
  'fastavro/test-null-B',
];

for (const name of RECORDS) {
  test(`${name}.avro is read as fastavro reads it`, async () => {
    const path = join(folder, `${name}.avro`);
    const rows = (await rowsOf(path, (await declared(path))!)).map(plain);
    const values = expected[`${name}.avro`] as unknown[];
    assert.equal(rows.length, values.length);
    assert.deepEqual(
      rows,
      values.map((value, at) => sameFields(value, rows[at])),
    );
  });
}

for (const codec of ['snappy', 'zstd']) {
  test(`weather-${codec}.avro has what weather.avro has`, async () => {
    const path = join(folder, `apache/weather-${codec}.avro`);
    const rows = await rowsOf(path, (await declared(path))!);
    assert.deepEqual(rows.map(plain), expected['apache/weather.avro']);
  });
}

test('a file whose marker is in its header too is read once', async () => {
  const path = join(folder, 'apache/syncInMeta.avro');
  const schema = (await declared(path))!;
  const all = await rowsOf(path, schema);
  const parts: unknown[] = [];
  await createRunner({ progress: false }).run((root) => {
    root.apply(readFromAvro(path, { schema, splitBytes: 500 })).map((one) => void parts.push(one));
  });
  assert.ok(all.length > 0);
  const sorted = (rows: unknown[]) => rows.map((one) => JSON.stringify(plain(one))).sort();
  assert.deepEqual(sorted(parts), sorted(all));
});

for (const name of [
  'apache/avro-1237-good',
  'fastavro/bool',
  'fastavro/snappy',
  'fastavro/no-fields',
]) {
  test(`${name}.avro has no rows with a field`, async () => {
    await assert.rejects(rowsOf(join(folder, `${name}.avro`), row({ any: string })), {
      code: 'HEADER_MISMATCH',
    });
  });
}

test('a file with a byte behind its last block is no whole one', async () => {
  const path = join(folder, 'apache/person-10.no-codec.avro');
  await assert.rejects(rowsOf(path, (await declared(path))!), { code: 'MALFORMED_DATA' });
});
