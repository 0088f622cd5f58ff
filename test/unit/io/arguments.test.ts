// SPDX-License-Identifier: Apache-2.0
// Wrong arguments of sources and sinks.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readAllFromText, readFromText, writeToText } from '../../../src/io/index.ts';
import { create } from '../../../src/transforms/index.ts';
import { build } from '../transforms/graph.ts';
import { file, scratch } from './scratch.ts';

const path = join(scratch, 'out');
const cases: Record<string, [string, () => unknown]> = {
  'no patterns': ['INVALID_ARGUMENT', () => readFromText([])],
  'an empty path': ['INVALID_ARGUMENT', () => readFromText('')],
  'a path that is no text': ['INVALID_ARGUMENT', () => readFromText(7 as never)],
  'a path elsewhere': ['UNSUPPORTED', () => readFromText('gs://bucket/*.txt')],
  'a negative number of header lines': [
    'INVALID_ARGUMENT',
    () => readFromText('a', { skipHeaderLines: -1 }),
  ],
  'parts of no bytes': ['INVALID_ARGUMENT', () => readAllFromText({ splitBytes: 0 })],
  'an unknown encoding': [
    'INVALID_ARGUMENT',
    () => readFromText('a', { encoding: 'ebcdic' as never }),
  ],
  'an unknown compression': [
    'INVALID_ARGUMENT',
    () => readFromText('a', { compression: 'best' as never }),
  ],
  'no prefix': ['INVALID_ARGUMENT', () => writeToText('')],
  'a negative number of shards': ['INVALID_ARGUMENT', () => writeToText(path, { numShards: -1 })],
  'two shards of one name': [
    'INVALID_ARGUMENT',
    () => writeToText(path, { numShards: 2, shardNameTemplate: '' }),
  ],
  'a suffix of another compression': [
    'UNSUPPORTED',
    () => writeToText(path, { fileNameSuffix: '.zst' }),
  ],
  'a folder that is a file': [
    'OUTPUT_NOT_WRITABLE',
    () => writeToText(join(file('a-file', ''), 'out')),
  ],
  'an unbounded PCollection': [
    'UNSUPPORTED',
    () =>
      build((root) => {
        const input = root.apply(create(['a']));
        input.node.bounded = false;
        input.apply(writeToText(path));
      }),
  ],
};

for (const [name, [code, construct]] of Object.entries(cases)) {
  test(`${name}: ${code}`, () => {
    assert.throws(construct, { name: 'BeamBridgeError', code });
  });
}

test('lines that are read have a coder that every language knows', () => {
  const { find, coderUrn } = build((root) => root.apply(readFromText('a.txt')));
  const [output] = Object.values(find('readFromText').outputs);
  assert.deepEqual(coderUrn(output!), ['beam:coder:string_utf8']);
});
