// SPDX-License-Identifier: Apache-2.0
// Texts that PostgreSQL would cut, round or guess are refused for each of its types, and others are not.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { textCheck } from '../../../../src/io/postgres/text-forms.ts';
import type { PgType } from '../../../../src/io/postgres/types.ts';
import { valueWriter } from '../../../../src/io/postgres/write-values.ts';
import { Misfit } from '../../../../src/io/records/misfit.ts';
import { array, string } from '../../../../src/schema/index.ts';

function column(base: string, modifier = -1): PgType {
  return { base, family: 'text', name: base, modifier };
}

const units = (bits: number, digits = 0xffff) => (bits << 16) | digits;
const DAY = units(1 << 3);
const HOUR = units((1 << 3) | (1 << 10));
const MONTH = units((1 << 2) | (1 << 1));
const YEAR = units(1 << 2);
const SECOND = units((1 << 3) | (1 << 10) | (1 << 11) | (1 << 12), 2);

const cases: [type: PgType, kept: string[], refused: string[]][] = [
  [
    column('date'),
    ['2020-01-02', '0044-03-15 BC', '10000-01-01', '-infinity'],
    ['2020-01-02T23:59:59Z', '01/02/03', 'today', '20-01-02', ''],
  ],
  [
    column('time'),
    ['12:00', '24:00:00', '12:00:00.123456', '12:00:00.1234560'],
    ['12:00:00+05', '12:00:00.1234567', '12 PM', 'now', '23:59:60'],
  ],
  [column('time', 0), ['12:00:00', '12:00:00.0'], ['12:00:00.6']],
  [column('timetz', 0), ['12:00:00+01', '12:00:00-05:30', '12:00Z'], ['12:00:00', '12:00:00.6+01']],
  [
    column('interval'),
    ['1.6 seconds', '-1 days -02:03:04', 'P1DT2H', '1 year 2 mons'],
    ['0.1234567 s'],
  ],
  [column('interval', units(0x7fff, 0)), ['1 second', '00:00:01.0'], ['1.6 seconds']],
  [column('interval', SECOND), ['1 day 02:03:04.25'], ['00:00:01.256']],
  [
    column('interval', DAY),
    ['1 day', '-3 days', '1 mon 2 days 00:00:00'],
    ['1 day 05:00:00', '1 day 5 hours', ''],
  ],
  [column('interval', HOUR), ['1 day 05:00:00'], ['05:30:00', '00:00:01', '00:00:00.5']],
  [column('interval', MONTH), ['1 year 2 mons', '-2 mons'], ['2 mons 1 day', '1 day', '01:00:00']],
  [column('interval', YEAR), ['3 years'], ['3 years 1 mon', '1 day']],
  [column('money'), [], ['$1.005', '1']],
  [column('name'), ['x'.repeat(63)], ['x'.repeat(64), 'ö'.repeat(32)]],
  [column('char'), ['a', ''], ['abc', 'ö']],
];

describe('texts for columns of many forms', () => {
  for (const [type, kept, refused] of cases) {
    test(`${type.base}, ${type.modifier}`, () => {
      for (const text of kept) assert.doesNotThrow(() => textCheck(type)!(text), text);
      for (const text of refused) assert.throws(() => textCheck(type)!(text), Misfit, text);
      const list: PgType = { ...column(`_${type.base}`), family: 'array', element: type };
      for (const text of refused)
        assert.throws(() => valueWriter(array(string), list, 'x')!([text]), Misfit, text);
    });
  }

  test('all others are taken as they are', () => {
    for (const base of ['text', 'uuid', 'inet', 'citext', 'bpchar'])
      assert.equal(textCheck(column(base)), undefined);
  });
});
