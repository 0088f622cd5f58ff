// SPDX-License-Identifier: Apache-2.0
// Parts to shards: named when they are whole, and the same when that is repeated.

import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { setLogSink } from '../../../src/base/index.ts';
import { placeAll } from '../../../src/io/stores/local/place.ts';
import type { Move } from '../../../src/io/stores/store.ts';
import {
  checkWritable,
  completeOutput,
  makeTemporary,
  type OutputSpec,
  placeOutputs,
  removeMarked,
  removeTemporary,
  type WholeOutput,
} from '../../../src/io/text/output.ts';
import type { Part } from '../../../src/io/text/shard-format.ts';
import { checkShards, shardName, shardPattern } from '../../../src/io/text/shard-names.ts';
import { textFormat } from '../../../src/io/text/text-format.ts';
import { TextWriter } from '../../../src/io/text/text-writer.ts';
import { file, scratch } from './scratch.ts';

function spec(
  name: string,
  options: Partial<OutputSpec> & { header?: string; footer?: string; gzip?: boolean } = {},
): OutputSpec<string> {
  const { header = '', footer = '', gzip = false, ...rest } = options;
  return {
    prefix: join(scratch, name),
    suffix: '',
    template: '-SSSSS-of-NNNNN',
    shards: undefined,
    maxRecords: undefined,
    maxBytes: undefined,
    ...rest,
    format: textFormat({ header, footer }, gzip),
  };
}

async function part(folder: string, name: string, text: string, gzip = false): Promise<Part> {
  const writer = await TextWriter.create(join(folder, name), gzip);
  for (const line of text.split(/(?<=\n)/)) await writer.append(line);
  await writer.close();
  const records = text.split('\n').length - 1;
  return { path: writer.path, bytes: writer.size, shard: 0, records, textBytes: text.length };
}

/** As a run with one output does. */
async function finalize(output: OutputSpec, folder: string, parts: readonly Part[]) {
  const whole = await completeOutput(output, folder, parts);
  await placeOutputs([whole]);
  return whole.finals;
}

const read = (path: string) => readFileSync(path, 'utf8');

test('small parts become one shard, in the order in which they were begun', async () => {
  const output = spec('small/out');
  const folder = await makeTemporary(output);
  const parts = [await part(folder, 'p2', 'c\n'), await part(folder, 'p1', 'a\nb\n')];
  const paths = await finalize(output, folder, parts);
  assert.deepEqual(paths, [`${output.prefix}-00000-of-00001`]);
  assert.equal(read(paths[0]!), 'a\nb\nc\n');
  assert.deepEqual(readdirSync(join(scratch, 'small')), ['out-00000-of-00001']);
});

test('large parts stay shards of their own', async () => {
  const output = spec('large/out');
  const folder = await makeTemporary(output);
  const parts = [await part(folder, 'p1', 'a\n'), await part(folder, 'p2', 'b\n')];
  parts[0]!.bytes = 100 * 1024 * 1024;
  const paths = await finalize(output, folder, parts);
  assert.deepEqual(paths.map(read), ['a\n', 'b\n']);
  assert.match(paths[1]!, /-00001-of-00002$/);
});

test('no parts give one shard, empty but for header and footer', async () => {
  const plain = spec('none/plain');
  assert.deepEqual((await finalize(plain, await makeTemporary(plain), [])).map(read), ['']);
  const framed = spec('none/framed', { header: 'h\n', footer: 'f\n' });
  const paths = await finalize(framed, await makeTemporary(framed), []);
  assert.deepEqual(paths.map(read), ['h\nf\n']);
});

test('a number of shards that was asked for is kept, empty ones too', async () => {
  const output = spec('asked/out', { shards: 3, suffix: '.txt', header: 'h\n' });
  const folder = await makeTemporary(output);
  const parts = [
    { ...(await part(folder, 'p1', 'a\n')), shard: 2 },
    { ...(await part(folder, 'p2', 'b\n')), shard: 0 },
    { ...(await part(folder, 'p3', 'c\n')), shard: 2 },
  ];
  const paths = await finalize(output, folder, parts);
  assert.deepEqual(paths.map(read), ['h\nb\n', 'h\n', 'h\na\nc\n']);
  assert.match(paths[2]!, /-00002-of-00003\.txt$/);
});

test('gzip shards are gzip files, empty, framed and joined ones too', async () => {
  for (const [name, header, texts] of [
    ['empty', '', []],
    ['framed', 'h\n', []],
    ['joined', 'h\n', ['a\n', 'b\n']],
    ['alone', '', ['a\n']],
  ] as const) {
    const output = spec(`gzip/${name}`, { header, gzip: true, suffix: '.gz' });
    const folder = await makeTemporary(output);
    const parts = await Promise.all(texts.map((text, i) => part(folder, `p${i}`, text, true)));
    const [path] = await finalize(output, folder, parts);
    assert.equal(gunzipSync(readFileSync(path!)).toString(), header + texts.join(''));
  }
});

test('the last step may be repeated, after a part of it and after all of it', async () => {
  const output = spec('again/out');
  const folder = await makeTemporary(output);
  const large = (one: Part) => ({ ...one, bytes: 1e9 });
  const parts = [large(await part(folder, 'p1', 'a\n')), large(await part(folder, 'p2', 'b\n'))];
  // As after a crash between the two renames.
  mkdirSync(join(scratch, 'again', 'out-00001-of-00002'));
  await assert.rejects(finalize(output, folder, parts), { code: 'OUTPUT_NOT_WRITABLE' });
  assert.equal(existsSync(join(scratch, 'again', 'out-00000-of-00002')), false);
  rmSync(join(scratch, 'again', 'out-00001-of-00002'), { recursive: true });
  const first = await finalize(output, folder, parts);
  assert.deepEqual(await finalize(output, folder, parts), first);
  assert.deepEqual(first.map(read), ['a\n', 'b\n']);
});

test('shards of another number are left where they are, with a warning', async () => {
  file('stale/out-00003-of-00007', 'old\n');
  file('stale/other-00003-of-00007', 'of somebody else\n');
  const said: string[] = [];
  const restore = setLogSink(({ message }) => said.push(message));
  const output = spec('stale/out');
  await finalize(output, await makeTemporary(output), []);
  restore();
  assert.equal(said.length, 1);
  assert.match(said[0]!, /1 of an earlier run, such as out-00003-of-00007/);
  assert.equal(read(join(scratch, 'stale/out-00003-of-00007')), 'old\n');
});

test('missing folders are made, and a prefix may be a folder', async () => {
  const output = spec('deep/er/still/');
  const paths = await finalize(
    { ...output, prefix: `${join(scratch, 'deep/er/still')}/` },
    await makeTemporary({ prefix: `${join(scratch, 'deep/er/still')}/` }),
    [],
  );
  assert.deepEqual(paths, [join(scratch, 'deep/er/still/-00000-of-00001')]);
});

test('a path that leads through a file is found out early', () => {
  file('a-file', '');
  assert.throws(() => checkWritable({ prefix: join(scratch, 'a-file', 'out') }), {
    code: 'OUTPUT_NOT_WRITABLE',
  });
  assert.throws(() => checkWritable({ prefix: join(scratch, 'a-file', 'deep', 'out') }), {
    code: 'OUTPUT_NOT_WRITABLE',
  });
  checkWritable({ prefix: join(scratch, 'not', 'there', 'yet', 'out') });
});

const asRoot = process.getuid?.() === 0 && 'root may write everywhere';
test('a folder without permission is found out early', { skip: asRoot }, () => {
  const folder = join(scratch, 'locked');
  mkdirSync(folder);
  chmodSync(folder, 0o555);
  assert.throws(() => checkWritable({ prefix: join(folder, 'out') }), {
    code: 'OUTPUT_NOT_WRITABLE',
  });
});

test('a run that cannot rename one shard takes the others back, with what they replaced', async () => {
  const output = spec('back/out', { shards: 3 });
  const folder = await makeTemporary(output);
  const parts: Part[] = [];
  for (const shard of [0, 1, 2])
    parts.push({ ...(await part(folder, `p${shard}`, 'new\n')), shard });
  const names = [0, 1, 2].map((shard) => join(scratch, `back/out-0000${shard}-of-00003`));
  file('back/out-00000-of-00003', 'old\n');
  // Of what is whole, the last is gone: renaming it fails when the others have their names.
  const moves = names.map((to, index) => ({
    from: parts[index]!.path,
    to,
    temporary: folder,
  }));
  rmSync(moves[2]!.from);
  await assert.rejects(placeAll(moves), { code: 'OUTPUT_NOT_WRITABLE' });
  assert.equal(read(names[0]!), 'old\n');
  assert.deepEqual(names.map(existsSync), [true, false, false]);
  parts[2] = { ...(await part(folder, 'p2', 'new\n')), shard: 2 };
  assert.deepEqual((await finalize(output, folder, parts)).map(read), ['new\n', 'new\n', 'new\n']);
  assert.deepEqual(readdirSync(join(scratch, 'back')).length, 3);
});

test('runs that end at the same time leave the output whole of one of them', async () => {
  const output = spec('both/out', { shards: 40 });
  const wholes: WholeOutput[] = [];
  for (const text of ['1\n', '2\n']) {
    const folder = await makeTemporary(output);
    const parts: Part[] = [];
    for (let shard = 0; shard < 40; shard++) {
      parts.push({ ...(await part(folder, `p${shard}`, text)), shard });
    }
    wholes.push(await completeOutput(output, folder, parts));
  }
  await Promise.all(wholes.map((whole) => placeOutputs([whole])));
  assert.equal(new Set(wholes[0]!.finals.map(read)).size, 1);
});

test('files that another program replaces meanwhile are told, and those that it takes away are not', async (t) => {
  const folder = await makeTemporary(spec('meanwhile/out'));
  const to = join(scratch, 'meanwhile/out');
  const written: string[] = [];
  t.mock.method(process.stderr, 'write', (text: string) => written.push(text) > 0);
  const moves: Move[] = [];
  for (const name of ['ours', 'theirs']) {
    moves.push({ from: (await part(folder, name, `${name}\n`)).path, to, temporary: folder });
  }
  await placeAll(moves);
  assert.match(written.join(''), /meanwhile\/out was replaced by another program/);
  written.length = 0;
  const from = (await part(folder, 'taken', 'taken\n')).path;
  const taken = { from, to: join(scratch, 'meanwhile/taken'), temporary: folder };
  const taking = setInterval(() => rmSync(taken.to, { force: true }), 0);
  await placeAll([taken]);
  clearInterval(taking);
  assert.deepEqual(written, []);
});

test('a whole shard that is lost is told, whatever has its name since an earlier run', async () => {
  const output = spec('lost/out', { shards: 2 });
  const folder = await makeTemporary(output);
  const parts: Part[] = [];
  for (const shard of [0, 1]) parts.push({ ...(await part(folder, `p${shard}`, 'new\n')), shard });
  const names = [0, 1].map((shard) => join(scratch, `lost/out-0000${shard}-of-00002`));
  for (const shard of [0, 1]) file(`lost/out-0000${shard}-of-00002`, 'old\n');
  rmSync(parts[1]!.path);
  await assert.rejects(finalize(output, folder, parts), { code: 'OUTPUT_NOT_WRITABLE' });
  assert.deepEqual(names.map(read), ['old\n', 'old\n']);
  // So is all of them, with the folder that they were in.
  rmSync(folder, { recursive: true });
  await assert.rejects(finalize(output, folder, parts), { code: 'OUTPUT_NOT_WRITABLE' });
  assert.deepEqual(names.map(read), ['old\n', 'old\n']);
});

for (const before of ['old\n', undefined]) {
  test(`names are given once, however often it is asked (before: ${before})`, async () => {
    const name = before ? 'again/old' : 'again/new';
    const output = spec(name);
    const folder = await makeTemporary(output);
    const whole = { ...(await part(folder, 'p', 'new\n')), shard: 0 };
    const to = join(scratch, `${name}-00000-of-00001`);
    if (before) file(`${name}-00000-of-00001`, before);
    const moves = [{ from: whole.path, to, temporary: folder }];
    await placeAll(moves);
    await placeAll(moves);
    assert.equal(read(to), 'new\n');
    const paths = await finalize(output, folder, [whole]);
    assert.deepEqual(await finalize(output, folder, [whole]), paths);
    assert.equal(read(to), 'new\n');
  });
}

test('half a surrogate pair is no text, and a part that was removed is not begun anew', async () => {
  const folder = await makeTemporary({ prefix: join(scratch, 'half/out') });
  const writer = await TextWriter.create(join(folder, 'p'), false);
  await writer.append('good\na\ud800b\n');
  await assert.rejects(writer.close(), {
    code: 'CODER_MISMATCH',
    message: /half a surrogate pair/,
  });
  const gone = await TextWriter.create(join(folder, 'q'), false, 10);
  await gone.append('more than ten');
  rmSync(gone.path);
  await assert.rejects(async () => gone.append('more than ten'), { code: 'OUTPUT_NOT_WRITABLE' });
});

test('a full disk is OUTPUT_NOT_WRITABLE with a hint', {
  skip: !existsSync('/dev/full'),
}, async () => {
  const writer = Reflect.construct(TextWriter, ['/dev/full', false, 1000]) as TextWriter;
  await assert.rejects(async () => writer.append('x'.repeat(300_000)), {
    code: 'OUTPUT_NOT_WRITABLE',
    hint: /disk is full/,
  });
});

test('a temporary folder below a file cannot be made', async () => {
  const path = file('b-file', '');
  await assert.rejects(makeTemporary({ prefix: join(path, 'x', 'out') }), {
    code: 'OUTPUT_NOT_WRITABLE',
  });
});

test('names of shards follow their template', () => {
  assert.equal(shardName('-SSSSS-of-NNNNN', 2, 30), '-00002-of-00030');
  assert.equal(shardName('_SS.NN', 123, 4), '_123.04');
  assert.equal(shardName('', 0, 1), '');
  const pattern = shardPattern('a.b', '-SSS-of-NNN', '.csv');
  assert.ok(pattern.test('a.b-001-of-1000.csv'));
  assert.ok(!pattern.test('a.b-01-of-100.csv'));
  assert.ok(!pattern.test('aXb-001-of-100.csv'));
});

test('a template without a number is for one shard', () => {
  assert.equal(checkShards('', undefined), 1);
  assert.equal(checkShards('-SS', undefined), undefined);
  assert.equal(checkShards('-SS', 0), undefined);
  assert.throws(() => checkShards('', 2), { code: 'INVALID_ARGUMENT' });
  assert.throws(() => checkShards('-SS', 1.5), { code: 'INVALID_ARGUMENT' });
});

test('what was to be replaced is there again when its name cannot be given, also without second names', async () => {
  const temporary = join(scratch, 'no-links');
  const to = join(scratch, 'no-links-out');
  // As a file system without second names has it, between the two renames.
  file('no-links/replaced-0', 'of yesterday\n');
  const moves = [{ from: join(temporary, 'gone'), to, temporary }];
  await assert.rejects(placeAll(moves));
  assert.equal(readFileSync(to, 'utf8'), 'of yesterday\n');
  rmSync(temporary, { recursive: true });
  rmSync(to);
});

test('a run that ends while shards get their names leaves all of them, and no temporary folder', async () => {
  const output = spec('ending/out', { shards: 30 });
  const folder = await makeTemporary(output);
  const parts = await Promise.all(
    Array.from({ length: 30 }, async (_, shard) => ({
      ...(await part(folder, `p${shard}`, `${shard}\n`)),
      shard,
    })),
  );
  const whole = await completeOutput(output, folder, parts);
  const [placed] = await Promise.allSettled([
    placeOutputs([whole]),
    removeTemporary(output, folder),
  ]);
  assert.equal(placed.status, 'fulfilled');
  const names = readdirSync(join(scratch, 'ending'));
  assert.equal(names.length, 30);
  assert.ok(names.every((name) => name.startsWith('out-')));
});

test('what workers of a run made elsewhere is found by its mark, and left where it is being named', async () => {
  const prefix = join(scratch, 'marked/out');
  const made = await makeTemporary({ prefix }, false, 'aa');
  const other = await makeTemporary({ prefix }, false, 'bb');
  const named = await makeTemporary({ prefix }, false, 'aa');
  writeFileSync(join(made, 'part'), 'x');
  writeFileSync(join(named, 'replaced-0'), 'x');
  await removeMarked({ prefix }, 'aa');
  assert.deepEqual(
    readdirSync(join(scratch, 'marked')).sort(),
    [other, named].map((path) => basename(path)).sort(),
  );
  await removeMarked({ prefix: join(scratch, 'not/there') }, 'aa');
});
