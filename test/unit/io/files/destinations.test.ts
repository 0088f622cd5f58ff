// SPDX-License-Identifier: Apache-2.0
// Files by destination: which names they have, what is in them, and what is refused.

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setLogSink } from '../../../../src/base/index.ts';
import { create, createRunner, type Root } from '../../../../src/index.ts';
import { writeToCsv, writeToText } from '../../../../src/io/index.ts';
import { int64, row, string } from '../../../../src/schema/index.ts';
import { scratch } from '../scratch.ts';
import { linesIn, namesIn } from './read-tree.ts';

const run = (construct: (root: Root) => void) => createRunner({ runner: 'node' }).run(construct);
const bird = row({ country: string, id: int64 });

test('each destination has files of its own, in folders that are made', async () => {
  const paths: string[] = [];
  await run((root) => {
    const { filesWritten } = root.apply(create(['de 1', 'fr 2', 'de 3'])).apply(
      writeToText(`${join(scratch, 'plain')}/`, {
        destination: (line) => `country=${line.slice(0, 2)}/part`,
        fileNameSuffix: '.txt',
      }),
    );
    filesWritten.map((path) => void paths.push(path));
  });
  const names = ['country=de/part-00000-of-00001.txt', 'country=fr/part-00000-of-00001.txt'];
  assert.deepEqual(linesIn('plain'), { [names[0]!]: ['de 1', 'de 3'], [names[1]!]: ['fr 2'] });
  assert.deepEqual(
    paths.sort(),
    names.map((name) => join(scratch, 'plain', name)),
  );
});

test('the element of a destination has the type of the rows', async () => {
  await run((root) => {
    const birds = root.apply(create([{ country: 'de', id: 1 }], { schema: bird }));
    birds.apply(
      writeToCsv(join(scratch, 'typed/of-'), {
        schema: bird,
        destination: ({ country }) => country.toUpperCase(),
      }),
    );
    birds.apply(
      writeToCsv(join(scratch, 'typed/without-'), {
        // @ts-expect-error: such a row has no name
        destination: ({ name }) => String(name),
        schema: bird,
      }),
    );
  });
  assert.deepEqual(linesIn('typed'), {
    'of-DE-00000-of-00001.csv': ['country,id', 'de,1'],
    'without-undefined-00000-of-00001.csv': ['country,id', 'de,1'],
  });
});

test('a PCollection of a declared type needs no schema', async () => {
  await run((root) => {
    root.apply(create([{ country: 'de', id: 1 }], { schema: bird })).apply(
      writeToCsv(`${join(scratch, 'inferred')}/`, {
        destination: ({ id }: { country: string; id: number }) => `${id + 1}`,
      }),
    );
  });
  assert.deepEqual(namesIn('inferred'), ['2-00000-of-00001.csv']);
});

test('a number of shards and bounds hold for each destination', async () => {
  const lines = Array.from({ length: 30 }, (_, i) => `${i % 3} ${i}`);
  const destination = (line: string) => line.slice(0, 1);
  await run((root) => {
    const all = root.apply(create(lines));
    all.apply(writeToText(join(scratch, 'shards/n-'), { destination, numShards: 2 }));
    all.apply(writeToText(join(scratch, 'shards/b-'), { destination, maxRecordsPerShard: 4 }));
    all.apply(writeToText(join(scratch, 'shards/y-'), { destination, maxBytesPerShard: 12 }));
  });
  const files = linesIn('shards');
  const names = Object.keys(files);
  const of = (begin: string) => names.filter((name) => name.startsWith(begin));
  assert.deepEqual(of('n-0'), ['n-0-00000-of-00002', 'n-0-00001-of-00002']);
  for (const name of of('b-')) assert.ok(files[name]!.length <= 4, name);
  for (const name of of('y-')) assert.ok(files[name]!.join('\n').length < 12, name);
  for (const kind of ['n', 'b', 'y']) {
    for (const digit of ['0', '1', '2']) {
      const found = of(`${kind}-${digit}-`).flatMap((name) => files[name]!);
      const own = lines.filter((line) => destination(line) === digit);
      assert.deepEqual(found.sort(), own.sort(), `${kind}-${digit}`);
    }
  }
});

test('without elements there is no destination, and no file', async () => {
  const paths: string[] = [];
  await run((root) => {
    const { filesWritten } = root
      .apply(create<string>([]))
      .apply(writeToText(join(scratch, 'empty/out'), { destination: (line) => line }));
    filesWritten.map((path) => void paths.push(path));
  });
  assert.deepEqual([paths, namesIn('empty')], [[], []]);
});

test('letters of all kinds stay as they are', async () => {
  const odd = [
    '',
    'a b',
    'ü/ñ',
    "it's",
    '100%/#?&',
    'x\ny',
    '*',
    '[a]',
    '\\',
    '🐦',
    'a..b',
    '...',
    'e/',
  ];
  await run((root) => {
    root
      .apply(create(odd))
      .map((name) => ({ name }))
      .apply(
        writeToCsv(join(scratch, 'odd/_'), {
          schema: row({ name: string }),
          header: false,
          shardNameTemplate: '=S',
          fileNameSuffix: '',
          destination: ({ name }) => name,
        }),
      );
  });
  assert.deepEqual(namesIn('odd'), odd.map((name) => `_${name}=0`).sort());
});

describe('destinations that are refused', () => {
  const refused: [unknown, RegExp][] = [
    ['../up', /leads to another folder/],
    ['a/../../b', /leads to another folder/],
    ['a/./b', /leads to another folder/],
    ['..', /leads to another folder/],
    ['/etc/passwd', /begins with a slash/],
    ['a//b', /empty name/],
    ['a\0b', /NUL/],
    ['a\ud800', /surrogate/],
    [7, /gave number 7/],
    [undefined, /gave undefined/],
    [Promise.resolve('a'), /gave .*async/s],
  ];
  for (const [destination, message] of refused) {
    test(`${JSON.stringify(destination) ?? 'undefined'}`, async () => {
      await assert.rejects(
        run((root) => {
          root.apply(create(['x'])).apply(
            writeToText(`${join(scratch, 'refused/in')}/`, {
              destination: () => destination as string,
            }),
          );
        }),
        { code: 'INVALID_ARGUMENT', message },
      );
      assert.deepEqual(namesIn('refused'), []);
    });
  }

  test('what is no function', () => {
    assert.throws(() => writeToText('out', { destination: 'a' as never }), {
      code: 'INVALID_ARGUMENT',
      message: /destination is string "a"/,
    });
  });
});

describe('names that meet', () => {
  test('two destinations, where the number is right behind them', async () => {
    // Shard 0 of 'a1' and shard 10 of 'a' are called alike.
    const lines = ['a1', ...Array.from({ length: 11 }, () => 'a')];
    await assert.rejects(
      run((root) => {
        root.apply(create(lines)).apply(
          writeToText(join(scratch, 'meet/x'), {
            destination: (line) => line,
            shardNameTemplate: 'S',
            maxRecordsPerShard: 1,
          }),
        );
      }),
      { code: 'INVALID_ARGUMENT', message: /two files of one output are called .*xa10/ },
    );
    assert.deepEqual(namesIn('meet'), []);
  });

  test('a destination that looks like a shard is a name like others', async () => {
    await run((root) => {
      root
        .apply(create(['a', 'a-00000-of-00001']))
        .apply(writeToText(join(scratch, 'looks/'), { destination: (line) => line }));
    });
    assert.equal(namesIn('looks').length, 2);
  });

  test('a destination, and another output of the pipeline', async () => {
    const both = (name: string) => (root: Root) => {
      root
        .apply(create(['a', 'b']))
        .apply(writeToText(`${join(scratch, 'outputs')}/`, { destination: (line) => line }));
      root.apply(create(['c'])).apply(writeToText(join(scratch, 'outputs', name)));
    };
    await assert.rejects(run(both('b')), {
      code: 'INVALID_ARGUMENT',
      message: /two outputs of this pipeline have a file .*outputs\/b-00000-of-00001/,
    });
    assert.deepEqual(namesIn('outputs'), []);
    await run(both('c'));
    assert.equal(namesIn('outputs').length, 3);
  });

  test('a file that is the folder of another', async () => {
    await assert.rejects(
      run((root) => {
        root.apply(create(['a', 'a-00000-of-00001/b'])).apply(
          writeToText(`${join(scratch, 'folder')}/`, {
            destination: (line) => line,
          }),
        );
      }),
      { code: 'OUTPUT_NOT_WRITABLE' },
    );
    assert.deepEqual(readdirSync(join(scratch, 'folder')), []);
  });
});

test('a run that cannot name one file leaves none, and no folder that it made', async () => {
  mkdirSync(join(scratch, 'blocked/b'), { recursive: true });
  writeFileSync(join(scratch, 'blocked/b/x'), 'mine');
  await assert.rejects(
    run((root) => {
      root
        .apply(create(['a', 'b/x/y']))
        .apply(writeToText(`${join(scratch, 'blocked')}/`, { destination: (line) => `${line}/z` }));
    }),
    { code: 'OUTPUT_NOT_WRITABLE' },
  );
  assert.deepEqual(readdirSync(join(scratch, 'blocked'), { recursive: true }).sort(), ['b', 'b/x']);
});

test('shards of an earlier run are told of in the folders that were written, and other destinations not', async () => {
  const write = (lines: string[], options: { numShards?: number }) =>
    run((root) => {
      root.apply(create(lines)).apply(
        writeToText(`${join(scratch, 'stale')}/`, {
          destination: (line) => `${line}/part`,
          ...options,
        }),
      );
    });
  await write(['a', 'b'], { numShards: 3 });
  const said: string[] = [];
  const restore = setLogSink(({ message }) => said.push(message));
  await write(['c'], {});
  assert.deepEqual(said, []);
  await write(['a'], {});
  restore();
  assert.equal(said.length, 1);
  assert.match(said[0]!, /3 of an earlier run, such as part-0000\d-of-00003/);
});

test('more destinations than files that may be open, in one bundle, have all their elements', async () => {
  const lines = Array.from({ length: 20_000 }, (_, i) => `${(i * 7919) % 1000} ${i}`);
  await run((root) => {
    root
      .apply(create(lines))
      .apply(
        writeToText(`${join(scratch, 'many')}/`, { destination: (line) => line.split(' ')[0]! }),
      );
  });
  const files = linesIn('many');
  assert.equal(Object.keys(files).length, 1000);
  for (const [name, found] of Object.entries(files)) {
    const [key] = name.split('-');
    assert.deepEqual(found, lines.filter((line) => line.split(' ')[0] === key).sort());
  }
});
