// SPDX-License-Identifier: Apache-2.0
// Wrong arguments of sources and sinks.

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import {
  readAllFromText,
  readFromText,
  readFromTextWithFilename,
  writeToText,
} from '../../../src/io/index.ts';
import { create } from '../../../src/transforms/index.ts';
import { build } from '../transforms/graph.ts';
import { file, scratch } from './scratch.ts';

const path = join(scratch, 'out');
const cases: Record<string, [string, () => unknown]> = {
  'no patterns': ['INVALID_ARGUMENT', () => readFromText([])],
  'an empty path': ['INVALID_ARGUMENT', () => readFromText('')],
  'a path that is no text': ['INVALID_ARGUMENT', () => readFromText(7 as never)],
  'a path elsewhere': ['UNSUPPORTED', () => readFromText('hdfs://bucket/*.txt')],
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
  'a prefix elsewhere': ['UNSUPPORTED', () => writeToText('hdfs://bucket/out')],
  'a URL that is no local file': ['INVALID_ARGUMENT', () => writeToText('file://host/out')],
  'a negative number of shards': ['INVALID_ARGUMENT', () => writeToText(path, { numShards: -1 })],
  'two shards of one name': [
    'INVALID_ARGUMENT',
    () => writeToText(path, { numShards: 2, shardNameTemplate: '' }),
  ],
  'a bound of no elements': [
    'INVALID_ARGUMENT',
    () => writeToText(path, { maxRecordsPerShard: 0 }),
  ],
  'a bound of half a byte': [
    'INVALID_ARGUMENT',
    () => writeToText(path, { maxBytesPerShard: 0.5 }),
  ],
  'a bound that header and footer fill': [
    'INVALID_ARGUMENT',
    () => writeToText(path, { maxBytesPerShard: 4, header: 'h', footer: 'f' }),
  ],
  'a bound of files whose number is given': [
    'INVALID_ARGUMENT',
    () => writeToText(path, { maxRecordsPerShard: 5, numShards: 2 }),
  ],
  'a bound of the one file of a name': [
    'INVALID_ARGUMENT',
    () => writeToText(path, { maxBytesPerShard: 5, shardNameTemplate: '' }),
  ],
  'file names of another type': [
    'INVALID_ARGUMENT',
    () => readAllFromText({ withFilename: 'yes' as never }),
  ],
  'no patterns with file names': ['INVALID_ARGUMENT', () => readFromTextWithFilename([])],
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

/** Applies two outputs in one pipeline. */
function both(one: ReturnType<typeof writeToText>, other: ReturnType<typeof writeToText>): void {
  build((root) => {
    root.apply(create(['a'])).apply(one);
    root.apply(create(['b'])).apply(other);
  });
}

test('two outputs with files of the same names are refused', () => {
  mkdirSync(join(scratch, 'real'));
  symlinkSync(join(scratch, 'real'), join(scratch, 'link'));
  const csv = { fileNameSuffix: '.csv' };
  const pairs: [ReturnType<typeof writeToText>, ReturnType<typeof writeToText>][] = [
    [writeToText(path), writeToText(path)],
    [writeToText(path), writeToText(join(scratch, 'x', '..', 'out'), { numShards: 3 })],
    [writeToText(path), writeToText(pathToFileURL(path).href)],
    [writeToText(path, csv), writeToText(path, csv)],
    [writeToText(path), writeToText(`${path}-00000-of-00001`, { shardNameTemplate: '' })],
    [writeToText(join(scratch, 'real/a')), writeToText(join(scratch, 'link/a'))],
    [writeToText(join(scratch, 'real/new/a')), writeToText(join(scratch, 'link/new/a'))],
  ];
  for (const [one, other] of pairs) {
    assert.throws(() => both(one, other), {
      code: 'INVALID_ARGUMENT',
      message: /two outputs of this pipeline/,
    });
    assert.throws(() => both(other, one), { code: 'INVALID_ARGUMENT' });
  }
  both(writeToText(path), writeToText(path, csv));
  both(writeToText(path), writeToText(`${path}-more`));
  both(writeToText(path), writeToText(join(scratch, 'other', 'out')));
  const twice = writeToText(path);
  both(writeToText(`${path}2`), twice);
  both(writeToText(`${path}2`), twice);
});

test('numbers and text that may be missing do not compile, and are mapped to text', () => {
  build((root) => {
    const numbers = root.apply(create([1, 2]));
    const some = root.apply(create<string | null>(['a', null]));
    // @ts-expect-error: numbers are no lines
    numbers.apply(writeToText(`${path}-1`));
    // @ts-expect-error: null is no line
    some.apply(writeToText(`${path}-2`));
    numbers.map(String).apply(writeToText(`${path}-3`));
    some.map((line) => line ?? '').apply(writeToText(`${path}-4`));
  });
});
