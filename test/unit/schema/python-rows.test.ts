// SPDX-License-Identifier: Apache-2.0
// Rows byte for byte as Python's RowCoder writes them (test/fixtures/python-rows.py made the fixture).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { decodeValue, encodeValue } from '../../../src/coders/index.ts';
import { fromBinary, pb } from '../../../src/proto/index.ts';
import { Decimal, MicrosInstant, rowCoder, schemaFromProto } from '../../../src/schema/index.ts';

interface GoldenCase {
  name: string;
  schema: string;
  rows: { hex: string; value: Record<string, unknown> }[];
}

const file = new URL('../../fixtures/python-rows.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: GoldenCase[] };

for (const { name, schema, rows } of cases) {
  describe(name, () => {
    const type = schemaFromProto(fromBinary(pb.SchemaSchema, Buffer.from(schema, 'base64')));
    const coder = rowCoder(type);
    for (const { hex, value } of rows) {
      test(JSON.stringify(value).slice(0, 70), () => {
        const expected = revive(value) as Record<string, unknown>;
        assert.deepEqual(decodeValue(coder, Buffer.from(hex, 'hex')), expected);
        assert.equal(Buffer.from(encodeValue(coder, expected)).toString('hex'), hex);
      });
    }
  });
}

/** Values that JSON lacks stand as `{"$kind": text}`. */
function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [kind, content] = entries[0] ?? ['', undefined];
  switch (kind) {
    case '$bytes':
      return new Uint8Array(Buffer.from(content as string, 'hex'));
    case '$map':
      return new Map(revive(content) as [unknown, unknown][]);
    case '$date':
      return new Date(content as number);
    case '$micros':
      return new MicrosInstant(BigInt(content as string));
    case '$callable':
      return { expr: content };
    case '$decimal':
      return Decimal.from(content as string);
    default:
      return Object.fromEntries(entries.map(([name, item]) => [name, revive(item)]));
  }
}
