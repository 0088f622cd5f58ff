// SPDX-License-Identifier: Apache-2.0
// Patterns to paths: the documented syntax and nothing else.

import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { test } from 'node:test';
import { checkPattern, findFiles } from '../../../src/io/text/patterns.ts';
import { file, scratch } from './scratch.ts';

test('patterns match files, in order, and not hidden ones', async () => {
  for (const name of ['b.csv', 'a.csv', 'sub/c.csv', '.hidden.csv', 'd.txt'])
    file(`glob/${name}`, '');
  const find = (pattern: string) => findFiles(pattern, `${scratch}/glob`, false);
  const short = (paths: string[]) => paths.map((path) => path.slice(`${scratch}/glob/`.length));
  assert.deepEqual(short(await find('*.csv')), ['a.csv', 'b.csv']);
  assert.deepEqual(short(await find('**/*.csv')), ['a.csv', 'b.csv', 'sub/c.csv']);
  assert.deepEqual(short(await find('{a,d}.{csv,txt}')), ['a.csv', 'd.txt']);
  assert.deepEqual(short(await find('[ab].csv')), ['a.csv', 'b.csv']);
  assert.deepEqual(short(await find(`${scratch}/glob/?.txt`)), ['d.txt']);
  assert.deepEqual(short(await find('./sub/c.csv')), ['sub/c.csv']);
});

test('a path that looks like a pattern is read as it is when it is there', async () => {
  const path = file('odd/[1] {x} (y)*.txt', 'odd');
  assert.deepEqual(await findFiles(path, scratch, false), [path]);
});

test('a folder whose name looks like a pattern is no obstacle to relative patterns', async () => {
  const path = file('[dir]/a.txt', '');
  assert.deepEqual(await findFiles('*.txt', `${scratch}/[dir]`, false), [path]);
});

test('what matches nothing is FILE_NOT_FOUND, a folder too', async () => {
  await assert.rejects(findFiles('none-*', scratch, false), {
    code: 'FILE_NOT_FOUND',
    message: /no file matches none-\*/,
  });
  await assert.rejects(findFiles('glob/', scratch, false), {
    code: 'FILE_NOT_FOUND',
    hint: /'glob\/\*'/,
  });
  assert.deepEqual(await findFiles('none-*', scratch, true), []);
});

/** What a pattern finds below a folder of the scratch folder, by short names. */
async function found(folder: string, pattern: string): Promise<string[]> {
  const root = `${scratch}/${folder}`;
  return (await findFiles(pattern, root, true)).map((path) => path.slice(root.length + 1));
}

test('parentheses in names are no syntax, beside a folder that they would mean', async () => {
  file('e1/d(1)/a.csv', '');
  file('e1/d1/a.csv', '');
  file('e1/in (1)/b.csv', '');
  assert.deepEqual(await found('e1', 'd(1)/*.csv'), ['d(1)/a.csv']);
  assert.deepEqual(await found('e1', 'd1/*.csv'), ['d1/a.csv']);
  assert.deepEqual(await found('e1', 'in (1)/*.csv'), ['in (1)/b.csv']);
  assert.deepEqual(await found('e1', '{d(1),d1}/a.csv'), ['d(1)/a.csv', 'd1/a.csv']);
  assert.deepEqual(await found('e1', `${scratch}/e1/d(1)/?.csv`), ['d(1)/a.csv']);
});

test('every other character of a name means itself', async () => {
  const names = [
    '!a.txt',
    '+(b).txt',
    '@(c).txt',
    'd|e.txt',
    '"f".txt',
    'g$^.txt',
    '{1..3}.txt',
    "h'.txt",
  ];
  for (const name of names) file(`e1-odd/${name}`, '');
  for (const name of ['a.txt', 'b.txt', 'c.txt', 'd.txt', 'e.txt', 'f.txt', '1.txt', '2.txt']) {
    file(`e1-odd/${name}`, '');
  }
  for (const name of names) {
    assert.deepEqual(await found('e1-odd', name.replace('.txt', '.t*')), [name], name);
  }
});

test('a backslash takes the meaning from what follows it', async () => {
  for (const name of ['star*.txt', 'stars.txt', 'q?.txt', 'qq.txt', '[x]1.txt', 'x1.txt']) {
    file(`e1-escaped/${name}`, '');
  }
  assert.deepEqual(await found('e1-escaped', 'star\\*.txt'), ['star*.txt']);
  assert.deepEqual(await found('e1-escaped', 'q\\?.*'), ['q?.txt']);
  assert.deepEqual(await found('e1-escaped', '\\[x\\]?.txt'), ['[x]1.txt']);
});

test('hidden files are matched only by a pattern that begins with a dot', async () => {
  for (const name of ['.s.txt', 'a.txt', '.d/a.txt', 'd/.h.txt']) file(`e1-hidden/${name}`, '');
  assert.deepEqual(await found('e1-hidden', '*.txt'), ['a.txt']);
  assert.deepEqual(await found('e1-hidden', '[!s]*.txt'), ['a.txt']);
  assert.deepEqual(await found('e1-hidden', '?[!x]*'), ['a.txt']);
  assert.deepEqual(await found('e1-hidden', './[!s]*.txt'), ['a.txt']);
  assert.deepEqual(await found('e1-hidden', '.*.txt'), ['.s.txt']);
  assert.deepEqual(await found('e1-hidden', '.d/*.txt'), ['.d/a.txt']);
  assert.deepEqual(await findFiles('../[!s]*.txt', `${scratch}/e1-hidden/.d`, true), [
    `${scratch}/e1-hidden/a.txt`,
  ]);
});

test('a URL of a local file is its path', () => {
  assert.equal(checkPattern('file:///in%20here/*.csv'), '/in here/*.csv');
  assert.throws(() => checkPattern('file://host/in'), { code: 'INVALID_ARGUMENT' });
  assert.throws(() => checkPattern('hdfs://bucket/*'), {
    code: 'UNSUPPORTED',
    hint: /ReadFromText/,
  });
});

/** Links, by the name of each, to what it leads to. */
function link(folder: string, links: Record<string, string>): void {
  for (const [name, to] of Object.entries(links)) symlinkSync(to, `${scratch}/${folder}/${name}`);
}

test('** enters no linked folder, so that no file comes twice and a circle ends', async () => {
  for (const name of ['in/d/a.csv', 'in/d/e/b.csv', 'out/c.csv']) file(`links/${name}`, '');
  link('links/in', { again: 'd', outside: '../out' });
  link('links/in/d', { up: '..', 'e/up': '../..' });
  assert.deepEqual(await found('links', 'in/**'), ['in/d/a.csv', 'in/d/e/b.csv']);
  assert.deepEqual(await found('links', '**/*.csv'), ['in/d/a.csv', 'in/d/e/b.csv', 'out/c.csv']);
});

test('a pattern that begins above the folder finds what is in the folder too', async () => {
  file('above/in/d/b.csv', '');
  assert.deepEqual(await found('above/in', '../**/b.csv'), ['d/b.csv']);
  assert.deepEqual(await found('above/in', './..//in/./*/b.csv'), ['d/b.csv']);
});

test('a linked folder in front of ** is followed', async () => {
  assert.deepEqual(await found('links', 'in/outside/**'), ['in/outside/c.csv']);
  assert.deepEqual(await found('links', 'in/outside/*'), ['in/outside/c.csv']);
  assert.deepEqual(await found('links', 'i?/outs*/**'), ['in/outside/c.csv']);
  assert.deepEqual(await found('links', 'in/d/up/d/e/*'), ['in/d/up/d/e/b.csv']);
});

test('a file that a pattern reaches by several names is found once, by the one without links', async () => {
  file('links/twice/2024.csv', '');
  link('links/twice', { 'latest.csv': '2024.csv', '1.csv': '2024.csv', 'nowhere.csv': 'gone.csv' });
  assert.deepEqual(await found('links', 'twice/*.csv'), ['twice/2024.csv']);
  assert.deepEqual(await found('links', 'twice/{1,latest}.csv'), ['twice/1.csv']);
  assert.deepEqual(await found('links', 'twice/latest.csv'), ['twice/latest.csv']);
  assert.deepEqual(await found('links', 'in/*/a.csv'), ['in/d/a.csv']);
});
