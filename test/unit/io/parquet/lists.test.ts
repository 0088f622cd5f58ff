// SPDX-License-Identifier: Apache-2.0
// Lists in the forms of other writers: a field that is repeated, and a list whose repeated field is the element.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchColumn } from '../../../../src/io/parquet/columns.ts';
import { treeOf } from '../../../../src/io/parquet/file-schema.ts';
import { array, int32, nullable, row } from '../../../../src/schema/index.ts';

const root = { name: 'root', num_children: 1 };
const leaf = (name: string, repetition_type: string) => ({ name, repetition_type, type: 'INT32' });

test('a repeated field without values is an empty list', () => {
  const tree = treeOf([root, leaf('v', 'REPEATED')]);
  for (const type of [array(int32), nullable(array(int32))]) {
    const { read, elements } = matchColumn('v', 'v', type, tree);
    assert.equal(elements[0]!.repetition_type, 'REPEATED');
    // The package gives null there.
    assert.deepEqual([read([1, 2]), read(null)], [[1, 2], []]);
    assert.throws(() => read(undefined));
  }
});

test('a list of two levels is empty, or null, or has elements', () => {
  const list = { name: 'v', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' };
  const tree = treeOf([root, list, leaf('array', 'REPEATED')]);
  const { read } = matchColumn('v', 'v', nullable(array(int32)), tree);
  assert.deepEqual([read([1]), read(null), read(undefined)], [[1], [], null]);
  const { read: strictly } = matchColumn('v', 'v', array(int32), tree);
  assert.deepEqual(strictly(null), []);
  assert.throws(() => strictly(undefined));
});

test('a group named array is the element, and so is one of several fields', () => {
  const list = { name: 'v', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' };
  const group = { name: 'array', repetition_type: 'REPEATED', num_children: 1 };
  const tree = treeOf([root, list, group, leaf('a', 'REQUIRED')]);
  const { read, elements } = matchColumn('v', 'v', array(row({ a: int32 })), tree);
  assert.equal(elements[0]!.converted_type, undefined);
  assert.deepEqual(read({ array: [{ a: 1 }] }), [{ a: 1 }]);
  assert.deepEqual(read({ array: [] }), []);
});
