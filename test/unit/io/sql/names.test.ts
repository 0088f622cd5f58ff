// SPDX-License-Identifier: Apache-2.0
// Names and keys of tables, whatever letters they have.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkColumns,
  checkKey,
  checkKeyFields,
  checkTable,
  quoteName,
  quoteTable,
  quoteText,
} from '../../../../src/io/sql/names.ts';

const REFUSED = { code: 'INVALID_ARGUMENT' };

test('names are quoted whatever letters they have', () => {
  assert.equal(quoteName('Beak Length (mm)'), '"Beak Length (mm)"');
  assert.equal(quoteName('a"; DROP TABLE b; --'), '"a""; DROP TABLE b; --"');
  assert.equal(quoteName("\\'\n\u{1f426}"), '"\\\'\n\u{1f426}"');
  assert.equal(quoteTable(['my.schema', 'x"']), '"my.schema"."x"""');
});

test('texts are quoted, and a backslash is a letter', () => {
  assert.equal(quoteText("it's"), "'it''s'");
  assert.equal(quoteText("\\' OR 1"), " E'\\\\'' OR 1'");
});

test('a table is a name, or that of its schema too', () => {
  assert.deepEqual(checkTable('x', 'a.b'), ['a.b']);
  assert.deepEqual(checkTable('x', ['a', 'b']), ['a', 'b']);
  for (const table of [undefined, '', 'a\0', '\ud800', [], ['a', 'b', 'c'], ['a', 1], {}])
    assert.throws(() => checkTable('x', table), REFUSED);
});

test('columns are those of fields, each once', () => {
  const fields = [{ name: 'a' }, { name: 'b' }];
  assert.deepEqual(checkColumns('x', fields, { a: 'A' }), [
    { field: 'a', column: 'A' },
    { field: 'b', column: 'b' },
  ]);
  for (const columns of [{ c: 'x' }, { a: '' }, { a: 'b' }, { a: 1 }, 'a'])
    assert.throws(() => checkColumns('x', fields, columns), REFUSED);
  assert.throws(() => checkColumns('x', [{ name: 'a\0' }], undefined), REFUSED);
});

test('a key is of fields that may not be null', () => {
  const fields = [
    { name: 'a', type: { kind: 'int64' } },
    { name: 'b', type: { kind: 'nullable' } },
  ];
  const key = checkKey('x', ['a'], undefined);
  assert.deepEqual(key, { fields: new Set(['a']), onConflict: 'update' });
  checkKeyFields('x', key, fields);
  checkKeyFields('x', undefined, fields);
  for (const name of ['b', 'c'])
    assert.throws(() => checkKeyFields('x', checkKey('x', name, 'ignore'), fields), REFUSED);
  for (const [names, conflict] of [[[]], [[1]], ['a', 'replace'], [undefined, 'ignore']] as const)
    assert.throws(() => checkKey('x', names, conflict), REFUSED);
});
