// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getLogger, setLogSink } from '../../../src/base/index.ts';

test('sinks may be restored in any order, and twice', () => {
  const seen: string[] = [];
  const log = getLogger('test');
  const endLast = setLogSink(({ message }) => void seen.push(`last ${message}`));
  const endFirst = setLogSink(({ message }) => void seen.push(`first ${message}`));
  const endSecond = setLogSink((record, before) => {
    seen.push('second');
    before(record);
  });
  log.error('a');
  endFirst();
  endFirst();
  log.error('b');
  endSecond();
  log.error('c');
  endLast();
  assert.deepEqual(seen, ['second', 'first a', 'second', 'last b', 'last c']);
});
