// SPDX-License-Identifier: Apache-2.0
// Text files in and out.

import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  readAllFromText,
  readFromText,
  readFromTextWithFilename,
  writeToText,
} from '../../../src/io/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import { create } from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-text-'));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));

function file(name: string, contents: string | Uint8Array): string {
  const path = join(scratch, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, contents);
  return path;
}

/** Files and folders, hidden ones too. */
function leftIn(folder: string): string[] {
  return existsSync(join(scratch, folder)) ? readdirSync(join(scratch, folder)) : [];
}

/** What files of a prefix hold, all lines sorted. */
function written(folder: string): { names: string[]; lines: string[] } {
  const names = readdirSync(join(scratch, folder)).sort();
  const lines = names.flatMap((name) =>
    readFileSync(join(scratch, folder, name), 'utf8')
      .split('\n')
      .slice(0, -1),
  );
  return { names, lines: lines.sort() };
}

const hundred = Array.from({ length: 100 }, (_, i) => `${i}`);

export const text: Cases = [
  {
    name: 'readFromText reads the lines of all files that match',
    build: (root) => {
      file('in/a.txt', 'one\ntwo\r\n');
      file('in/b.txt', 'three');
      file('in/c.txt.gz', gzipSync('four\nfünf\n'));
      file('in/empty.txt', '');
      root
        .apply(readFromText(join(scratch, 'in/*.txt*')))
        .apply(assertDeepEqual(['one', 'two', 'three', 'four', 'fünf']));
    },
  },
  {
    name: 'readFromText of gzip files with zeros between and after their members',
    build: (root) => {
      const zeros = Buffer.alloc(512);
      file('pad/a.gz', Buffer.concat([gzipSync('a\nb\n'), zeros, gzipSync('c\n'), zeros]));
      file('pad/empty.gz', '');
      root.apply(readFromText(join(scratch, 'pad/*.gz'))).apply(assertDeepEqual(['a', 'b', 'c']));
    },
  },
  {
    name: 'readFromText in parts gives each line once',
    build: (root) => {
      const lines = Array.from({ length: 500 }, (_, i) => `${'ä'.repeat(i % 7)}${i}`);
      root
        .apply(readFromText(file('parts.txt', lines.join('\n')), { splitBytes: 97 }))
        .apply(assertDeepEqual(lines));
    },
  },
  {
    name: 'readFromText of several patterns, without headers',
    build: (root) => {
      const one = file('head/1.csv', 'name\na\n');
      const two = file('head/2.csv', 'name\nb\n');
      root
        .apply(readFromText([one, two], { skipHeaderLines: 1 }))
        .apply(assertDeepEqual(['a', 'b']));
    },
  },
  {
    name: 'readFromText of what is not there fails the run',
    build: (root) => {
      root.apply(readFromText(join(scratch, 'nothing-*.txt')));
    },
    fails: { code: 'FILE_NOT_FOUND', message: /nothing-\*\.txt/ },
  },
  {
    name: 'readAllFromText reads the files of a PCollection',
    build: (root) => {
      root
        .apply(create([file('all/1.txt', 'x\n'), file('all/2.txt', 'y')]))
        .apply(readAllFromText())
        .apply(assertDeepEqual(['x', 'y']));
    },
  },
  {
    name: 'lines come with the files that they are of',
    build: (root) => {
      const one = file('names/a.txt', 'skipped\none\nsame');
      const other = file('names/b.txt.gz', gzipSync('skipped\nsame\n'));
      const expected = [
        { key: one, value: 'one' },
        { key: one, value: 'same' },
        { key: other, value: 'same' },
      ];
      const pattern = join(scratch, 'names/*');
      root
        .apply(readFromTextWithFilename(pattern, { skipHeaderLines: 1, splitBytes: 5 }))
        .apply(assertDeepEqual(expected));
      root
        .apply(create([pattern]))
        .apply(readAllFromText({ withFilename: true, skipHeaderLines: 1 }))
        .apply(assertDeepEqual(expected));
    },
  },
  {
    name: 'writeToText writes one file of little data',
    build: (root) => {
      const { filesWritten } = root
        .apply(create(['b', 'a']))
        .apply(writeToText(join(scratch, 'out1/part')));
      filesWritten.apply(assertDeepEqual([join(scratch, 'out1/part-00000-of-00001')]));
    },
    after: () =>
      assert.deepEqual(written('out1'), { names: ['part-00000-of-00001'], lines: ['a', 'b'] }),
  },
  {
    name: 'writeToText of nothing writes one file without lines',
    build: (root) => {
      root
        .apply(create<string>([]))
        .apply(writeToText(join(scratch, 'out2/part'), { header: 'h', footer: 'f' }));
    },
    after: () =>
      assert.deepEqual(written('out2'), { names: ['part-00000-of-00001'], lines: ['f', 'h'] }),
  },
  {
    name: 'writeToText writes as many files as asked for',
    build: (root) => {
      root
        .apply(create(Array.from({ length: 100 }, (_, i) => `${i}`)))
        .apply(writeToText(join(scratch, 'out3/n'), { numShards: 3, fileNameSuffix: '.txt' }));
    },
    after: () => {
      const { names, lines } = written('out3');
      assert.deepEqual(names, [
        'n-00000-of-00003.txt',
        'n-00001-of-00003.txt',
        'n-00002-of-00003.txt',
      ]);
      assert.equal(lines.length, 100);
    },
  },
  {
    name: 'writeToText bounds the elements of each file',
    build: (root) => {
      root
        .apply(create(hundred))
        .apply(writeToText(join(scratch, 'out6/n'), { maxRecordsPerShard: 7, header: 'h' }));
    },
    after: () => {
      const files = readdirSync(join(scratch, 'out6')).sort();
      const parts = files.map((name) => readFileSync(join(scratch, 'out6', name), 'utf8'));
      assert.match(files[0]!, /^n-00000-of-000\d\d$/);
      for (const part of parts) {
        const lines = part.split('\n').slice(0, -1);
        assert.equal(lines[0], 'h');
        assert.ok(lines.length > 1 && lines.length <= 8, part);
      }
      const lines = parts.flatMap((part) => part.split('\n').slice(1, -1));
      assert.deepEqual(lines.sort(), [...hundred].sort());
    },
  },
  {
    name: 'writeToText bounds the bytes of each file, before compression and with its header',
    build: (root) => {
      const options = { maxBytesPerShard: 50, header: 'ä', footer: 'f', fileNameSuffix: '.gz' };
      root
        .apply(create([...hundred, 'x'.repeat(200)]))
        .apply(writeToText(join(scratch, 'out7/n'), options));
    },
    after: () => {
      const parts = readdirSync(join(scratch, 'out7')).map((name) =>
        gunzipSync(readFileSync(join(scratch, 'out7', name))).toString(),
      );
      const large = parts.filter((part) => Buffer.byteLength(part) > 50);
      assert.deepEqual(large, [`ä\n${'x'.repeat(200)}\nf\n`]);
      const lines = parts.flatMap((part) => part.split('\n').slice(1, -2));
      assert.deepEqual(lines.sort(), [...hundred, 'x'.repeat(200)].sort());
    },
  },
  {
    name: 'writeToText of bounded files leaves none when the run fails',
    build: (root) => {
      root
        .apply(create(hundred))
        .map((line) => {
          if (line === '42') throw new Error('bad luck');
          return line;
        })
        .apply(writeToText(join(scratch, 'out8/n'), { maxRecordsPerShard: 2 }));
    },
    fails: { code: 'USER_CODE_FAILED', message: /bad luck/ },
    afterwards: () => assert.deepEqual(leftIn('out8'), []),
  },
  {
    name: 'a run that fails leaves no output',
    build: (root) => {
      root
        .apply(create([1, 2, 3]))
        .map((n) => {
          if (n === 3) throw new Error('bad luck');
          return `${n}`;
        })
        .apply(writeToText(join(scratch, 'out4/part')));
    },
    fails: { code: 'USER_CODE_FAILED', message: /bad luck/ },
    afterwards: () => assert.deepEqual(leftIn('out4'), []),
  },
  {
    name: 'an element that is no string fails the run, and leaves no output',
    build: (root) => {
      root.apply(create([1] as unknown as string[])).apply(writeToText(join(scratch, 'out5/part')));
    },
    fails: { code: 'CODER_MISMATCH', message: /number 1[\s\S]*map\(String\)/ },
    afterwards: () => assert.deepEqual(leftIn('out5'), []),
  },
];
