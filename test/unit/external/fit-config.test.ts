// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import { encodeValue } from '../../../src/coders/index.ts';
import { schemaPayload } from '../../../src/external/discovery.ts';
import { fitConfig } from '../../../src/external/fit-config.ts';
import {
  array,
  int32,
  int64,
  map,
  nullable,
  row,
  rowCoder,
  string,
} from '../../../src/schema/index.ts';

const type = row({
  jdbc_url: string,
  fetch_size: nullable(int32),
  maxRows: nullable(int64),
  rate: nullable(row({ elements: int64, per_seconds: nullable(int64) })),
  columns: nullable(array(row({ column_name: string }))),
  properties: nullable(map(string, string)),
});

const refused = (given: Record<string, unknown>, message: RegExp) =>
  assert.throws(
    () => fitConfig('jdbc_read', given, type),
    (error: unknown) => {
      assert.ok(error instanceof BeamBridgeError);
      assert.equal(error.code, 'INVALID_ARGUMENT');
      assert.match(error.message, message);
      return true;
    },
  );

describe('a configuration', () => {
  test('has its fields by either spelling, and null for what is left out', () => {
    assert.deepEqual(fitConfig('jdbc_read', { jdbcUrl: 'u', max_rows: 3 }, type), {
      jdbc_url: 'u',
      fetch_size: null,
      maxRows: 3,
      rate: null,
      columns: null,
      properties: null,
    });
  });

  test('is fitted inside of rows, lists and maps, too', () => {
    const { rate, columns, properties } = fitConfig(
      'jdbc_read',
      {
        jdbc_url: 'u',
        rate: { elements: 2, perSeconds: 1 },
        columns: [{ columnName: 'a' }],
        properties: { ssl: 'true' },
      },
      type,
    );
    assert.deepEqual(rate, { elements: 2, per_seconds: 1 });
    assert.deepEqual(columns, [{ column_name: 'a' }]);
    assert.deepEqual(properties, new Map([['ssl', 'true']]));
  });

  test('with a field that there is not names the nearest', () => {
    refused(
      { jdbcUlr: 'u' },
      /jdbc_read: there is no option jdbcUlr[\s\S]*Did you mean jdbc_url\?/,
    );
    refused(
      { jdbcUrl: 'u', rate: { element: 1 } },
      /jdbc_read\.rate[\s\S]*Did you mean elements\?/,
    );
  });

  test('without what it needs says what that is', () => {
    refused({}, /jdbc_read needs jdbc_url: string/);
    refused({ jdbcUrl: 'u', columns: [{}] }, /columns\[0\] needs column_name: string/);
  });

  test('with one field under both spellings is refused', () => {
    refused({ jdbcUrl: 'u', jdbc_url: 'v' }, /jdbc_url is given twice/);
  });
});

test('a field of another type is told by its types alone: it may be a password', () => {
  const config = row({ password: string, ports: array(int32) });
  for (const [given, message] of [
    [{ password: 12345678, ports: [] }, 'field password is declared string but holds a number'],
    [{ password: '', ports: ['12345678'] }, 'field ports[0] is declared int32 but holds a string'],
    [{ password: '', ports: [12345678.5] }, 'field ports[0] is declared int32 but holds a number'],
  ] as const) {
    assert.throws(
      () => schemaPayload('jdbc_read', given, config),
      (error: unknown) => {
        assert.ok(error instanceof BeamBridgeError);
        assert.equal(error.code, 'ROW_MISMATCH');
        assert.equal(error.shortMessage, message);
        assert.ok(!error.message.includes('12345678'), error.message);
        return true;
      },
    );
  }
  assert.throws(
    () => encodeValue(rowCoder(config), { password: 1 as never, ports: [] }),
    /number 1/,
  );
});
