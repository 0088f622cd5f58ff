// SPDX-License-Identifier: Apache-2.0
// Keys of objects are matched as names of local files are.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isPattern,
  keyMatcher,
  literalPrefix,
  unescaped,
} from '../../../src/io/stores/objects/patterns.ts';

const keys = [
  'a.csv',
  'b.csv',
  'in/a.csv',
  'in/deep/a.csv',
  '.h.csv',
  'in/.h/a.csv',
  'a+b(1).csv',
  'x[1]',
  'aXcsv',
];

const cases: readonly [pattern: string, matches: readonly string[]][] = [
  ['*.csv', ['a.csv', 'b.csv', 'a+b(1).csv']],
  ['**/*.csv', ['a.csv', 'b.csv', 'in/a.csv', 'in/deep/a.csv', 'a+b(1).csv']],
  ['in/**', ['in/a.csv', 'in/deep/a.csv']],
  ['in/**/a.csv', ['in/a.csv', 'in/deep/a.csv']],
  ['?.csv', ['a.csv', 'b.csv']],
  ['[!a].csv', ['b.csv']],
  ['[a-b].csv', ['a.csv', 'b.csv']],
  ['{a,in/a}.csv', ['a.csv', 'in/a.csv']],
  ['{a,{b,in/*}}.csv', ['a.csv', 'b.csv', 'in/a.csv']],
  ['.*.csv', ['.h.csv']],
  ['x\\[1\\]', ['x[1]']],
  ['a+b(1).*', ['a+b(1).csv']],
  ['*[', []],
];

for (const [pattern, matches] of cases) {
  test(`${pattern} matches ${matches.join(', ') || 'nothing'}`, () => {
    assert.deepEqual(keys.filter(keyMatcher(pattern)), matches);
    for (const key of matches) assert.ok(key.startsWith(literalPrefix(pattern)));
  });
}

test('what has no syntax is a name, without the backslashes in front of what would be some', () => {
  assert.ok(!isPattern('a/b-(1).csv') && !isPattern('a\\*') && isPattern('a*'));
  assert.equal(unescaped('a\\*\\[b'), 'a*[b');
});
