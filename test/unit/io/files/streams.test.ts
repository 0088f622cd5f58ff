// SPDX-License-Identifier: Apache-2.0
// Files of streams: a pane's appear whole, under names that follow from destination, window, pane and shard.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setLogSink } from '../../../../src/base/index.ts';
import {
  afterCount,
  afterProcessingTime,
  afterWatermark,
  createRunner,
  fixedWindows,
  globalWindows,
  type PCollection,
  type Root,
  repeatedly,
  sessions,
  timestamped,
  type WindowFn,
  type WindowingOptions,
  windowInto,
} from '../../../../src/index.ts';
import {
  readFromArrow,
  readFromAvro,
  readFromCsv,
  readFromJson,
  readFromParquet,
  type WriteFilesOptions,
  writeToArrow,
  writeToAvro,
  writeToCsv,
  writeToJson,
  writeToParquet,
  writeToText,
} from '../../../../src/io/index.ts';
import { int64, row, string } from '../../../../src/schema/index.ts';
import { testStream } from '../../../../src/testing/index.ts';
import { scratch } from '../scratch.ts';
import { linesIn, namesIn } from './read-tree.ts';

const run = (construct: (root: Root) => void) => createRunner({ runner: 'node' }).run(construct);
const START = Date.parse('2026-01-01T10:00:00Z');
const MINUTE = 60_000;
const at = (text: string, seconds: number) => timestamped(text, START + seconds * 1000);
const FIRST = '20260101T100000Z-20260101T100100Z';
const SECOND = '20260101T100100Z-20260101T100200Z';
const stream = () => testStream(string).advanceWatermarkTo(START);

/** Writes a stream, and gives the paths that it told of. */
async function write(
  folder: string,
  source: { apply(root: Root): PCollection<string> },
  windows: [WindowFn, WindowingOptions?],
  options: WriteFilesOptions<string> = {},
): Promise<string[]> {
  const paths: string[] = [];
  await run((root) => {
    const { filesWritten } = source
      .apply(root)
      .apply(windowInto(...windows))
      .apply(writeToText(join(scratch, folder, 'out'), { windowed: true, ...options }));
    filesWritten.map((path) => void paths.push(path));
  });
  return paths.sort();
}

const play = (script: Parameters<Root['apply']>[0] | ReturnType<typeof stream>) => ({
  apply: (root: Root) => root.apply(script as ReturnType<typeof stream>),
});
const minutes = fixedWindows(60) as WindowFn;

test('a window that fires once has one file, and no pane in its name', async () => {
  const script = stream()
    .addElements(at('a', 1), at('b', 2), at('c', 61))
    .advanceWatermarkToInfinity();
  const paths = await write('once', play(script), [minutes]);
  assert.deepEqual(linesIn('once'), {
    [`out-${FIRST}-00000-of-00001`]: ['a', 'b'],
    [`out-${SECOND}-00000-of-00001`]: ['c'],
  });
  assert.deepEqual(
    paths,
    namesIn('once').map((name) => join(scratch, 'once', name)),
  );
});

/** Early, on time and late. */
const panes = () =>
  stream()
    .addElements(at('a', 1), at('b', 2))
    .addElements(at('c', 3))
    .advanceWatermarkTo(START + MINUTE)
    .addElements(at('late', 4))
    .addElements(at('next', 61))
    .advanceWatermarkToInfinity();
const trigger = afterWatermark().withEarlyFirings(afterCount(2)).withLateFirings(afterCount(1));

test('early, late and last panes have files of their own', async () => {
  await write('discarding', play(panes()), [
    minutes,
    { trigger, accumulationMode: 'discarding', allowedLateness: { seconds: 120 } },
  ]);
  assert.deepEqual(linesIn('discarding'), {
    [`out-${FIRST}-pane-0-00000-of-00001`]: ['a', 'b'],
    [`out-${FIRST}-pane-1-00000-of-00001`]: ['c'],
    [`out-${FIRST}-pane-2-00000-of-00001`]: ['late'],
    [`out-${SECOND}-pane-0-00000-of-00001`]: ['next'],
  });
});

test('panes that accumulate hold all so far', async () => {
  await write('accumulating', play(panes()), [
    minutes,
    { trigger, accumulationMode: 'accumulating', allowedLateness: { seconds: 120 } },
  ]);
  assert.deepEqual(linesIn('accumulating'), {
    [`out-${FIRST}-pane-0-00000-of-00001`]: ['a', 'b'],
    [`out-${FIRST}-pane-1-00000-of-00001`]: ['a', 'b', 'c'],
    [`out-${FIRST}-pane-2-00000-of-00001`]: ['a', 'b', 'c', 'late'],
    [`out-${SECOND}-pane-0-00000-of-00001`]: ['next'],
  });
});

test('a pane without elements has no file', async () => {
  const script = stream().addElements(at('a', 1), at('b', 2)).advanceWatermarkToInfinity();
  await write('no-elements', play(script), [minutes, { trigger, accumulationMode: 'discarding' }]);
  assert.deepEqual(namesIn('no-elements'), [`out-${FIRST}-pane-0-00000-of-00001`]);
});

test('a stream without elements has no file', async () => {
  const paths = await write('empty', play(stream().advanceWatermarkToInfinity()), [minutes]);
  assert.deepEqual([paths, namesIn('empty')], [[], []]);
});

test('files by the clock: the panes of the global window are the moments', async () => {
  const script = stream()
    .addElements(at('a', 1))
    .advanceProcessingTime(30_000)
    .addElements(at('b', 90))
    .advanceProcessingTime(40_000)
    .addElements(at('c', 2))
    .advanceProcessingTime(61_000)
    .addElements(at('d', 2))
    .advanceWatermarkToInfinity();
  const everyMinute = repeatedly(afterProcessingTime(60));
  await write('moments', play(script), [
    globalWindows() as WindowFn,
    { trigger: everyMinute, accumulationMode: 'discarding' },
  ]);
  assert.deepEqual(linesIn('moments'), {
    'out-pane-0-00000-of-00001': ['a', 'b'],
    'out-pane-1-00000-of-00001': ['c'],
    'out-pane-2-00000-of-00001': ['d'],
  });
});

test('destinations, shards and windows each have their files', async () => {
  const texts = Array.from({ length: 20 }, (_, i) => `${'xy'[i % 2]}${i}`);
  const script = stream()
    .addElements(...texts.map((text, i) => at(text, i * 6)))
    .advanceWatermarkToInfinity();
  await write('shards', play(script), [minutes], {
    numShards: 2,
    destination: (line) => `/${line.slice(0, 1)}`.slice(1),
    shardNameTemplate: '/W/S-of-N',
  });
  const files = linesIn('shards');
  assert.deepEqual(
    Object.keys(files),
    ['x', 'y']
      .flatMap((name) =>
        [FIRST, SECOND].flatMap((window) => [0, 1].map((n) => `out${name}/${window}/${n}-of-2`)),
      )
      .filter((name) => name in files),
  );
  for (const [name, lines] of Object.entries(files)) {
    for (const line of lines) {
      assert.equal(name.slice(3, 4), line.slice(0, 1));
      assert.equal(name.includes(FIRST), Number(line.slice(1)) < 10, `${line} in ${name}`);
    }
  }
  assert.deepEqual(Object.values(files).flat().sort(), [...texts].sort());
});

test('a bound of elements makes as many files of a pane as it wants', async () => {
  const texts = Array.from({ length: 5 }, (_, i) => `${i}`);
  const script = stream()
    .addElements(...texts.map((text) => at(text, 1)))
    .advanceWatermarkToInfinity();
  await write('bound', play(script), [minutes], { maxRecordsPerShard: 2, header: 'h' } as never);
  const files = linesIn('bound');
  assert.deepEqual(
    Object.keys(files),
    [0, 1, 2].map((n) => `out-${FIRST}-0000${n}-of-00003`),
  );
  assert.deepEqual(
    Object.values(files).map((lines) => lines.length),
    [3, 3, 2],
  );
});

test('sessions are those of each destination', async () => {
  const script = stream()
    .addElements(at('a1', 0), at('b1', 4), at('a2', 8))
    .advanceWatermarkToInfinity();
  const destination = (line: string) => line.slice(0, 1);
  await write('sessions', play(script), [sessions(10) as WindowFn], { destination });
  assert.deepEqual(linesIn('sessions'), {
    'outa-20260101T100000Z-20260101T100018Z-00000-of-00001': ['a1', 'a2'],
    'outb-20260101T100004Z-20260101T100014Z-00000-of-00001': ['b1'],
  });
});

test('a stream that begins anew says that it replaces what is there', async () => {
  const script = () => stream().addElements(at('a', 1), at('b', 90)).advanceWatermarkToInfinity();
  const said: string[] = [];
  const restore = setLogSink(({ message }) => said.push(message));
  await write('anew', play(script()), [minutes]);
  assert.deepEqual(said, []);
  await write('anew', play(script()), [minutes]);
  restore();
  assert.equal(said.length, 1);
  assert.match(said[0]!, /was there before.*a prefix of its own/);
});

describe('refused', () => {
  const refusals: [string, string, RegExp, [WindowFn, WindowingOptions?], object][] = [
    ['without windowed', 'UNSUPPORTED', /windowed: true/, [minutes], { windowed: false }],
    [
      'the global window without a trigger',
      'INVALID_ARGUMENT',
      /unbounded PCollection in the global window/,
      [globalWindows() as WindowFn],
      {},
    ],
    [
      'a bound of bytes',
      'INVALID_ARGUMENT',
      /maxBytesPerShard cannot bound.*maxRecordsPerShard/s,
      [minutes],
      { maxBytesPerShard: 100 },
    ],
    [
      'sessions in several shards',
      'UNSUPPORTED',
      /each of the 2 shards/,
      [sessions(10) as WindowFn],
      { numShards: 2 },
    ],
    [
      'a template without the pane',
      'INVALID_ARGUMENT',
      /all panes of a window would have one name/,
      [minutes, { trigger, accumulationMode: 'discarding' }],
      { shardNameTemplate: '-W-SS' },
    ],
    [
      'a number right behind the destination',
      'INVALID_ARGUMENT',
      /right behind a destination/,
      [minutes],
      { shardNameTemplate: 'SS-W', destination: (line: string) => line },
    ],
    [
      'a trigger that ends',
      'INVALID_ARGUMENT',
      /trigger may fire for the last time/,
      [minutes, { trigger: afterCount(2), accumulationMode: 'discarding' }],
      {},
    ],
  ];
  for (const [name, code, message, windows, options] of refusals) {
    test(name, async () => {
      const script = stream().addElements(at('a', 1)).advanceWatermarkToInfinity();
      await assert.rejects(write('refused', play(script), windows, options), { code, message });
      assert.deepEqual(namesIn('refused'), []);
    });
  }

  test('a destination that leads elsewhere', async () => {
    const script = stream().addElements(at('a', 1)).advanceWatermarkToInfinity();
    const destination = () => '/../x';
    await assert.rejects(write('elsewhere', play(script), [minutes], { destination }), {
      code: 'INVALID_ARGUMENT',
    });
    assert.deepEqual(namesIn('elsewhere'), []);
  });

  test('two streams whose destinations may meet', async () => {
    const script = stream().addElements(at('a', 1)).advanceWatermarkToInfinity();
    const destination = (line: string) => line;
    const both = (prefix: string, options: WriteFilesOptions<string>) =>
      run((root) => {
        const lines = root.apply(script).apply(windowInto(fixedWindows(60)));
        lines.apply(writeToText(`${join(scratch, 'two')}/`, { windowed: true, destination }));
        lines.apply(writeToText(join(scratch, prefix), { windowed: true, ...options }));
      });
    const refused = { code: 'INVALID_ARGUMENT', message: /two outputs of this pipeline are/ };
    await assert.rejects(both('two/x', { destination }), refused);
    await assert.rejects(both('two/x', {}), refused);
    await both('other/x', { destination });
    assert.equal(namesIn('other').length, 1);
  });
});

describe('rows in every format', () => {
  const bird = row({ kind: string, id: int64 });
  const birds = Array.from({ length: 50 }, (_, id) => ({ kind: `kind ${id % 3}`, id }));
  const formats = {
    Csv: [writeToCsv, readFromCsv],
    Json: [writeToJson, readFromJson],
    Parquet: [writeToParquet, readFromParquet],
    Arrow: [writeToArrow, readFromArrow],
    Avro: [writeToAvro, readFromAvro],
  } as const;
  for (const [name, [writeTo, readFrom]] of Object.entries(formats)) {
    test(name, async () => {
      const folder = join(scratch, `format-${name}`);
      await run((root) => {
        root
          .apply(
            testStream(bird)
              .addElements(...birds.map((one) => timestamped(one, START + one.id * 2000)))
              .advanceWatermarkToInfinity(),
          )
          .apply(windowInto(fixedWindows(60)))
          .apply(
            (writeTo as typeof writeToCsv)<(typeof birds)[number]>(`${folder}/`, {
              windowed: true,
              destination: ({ kind }) => kind,
              numShards: 2,
            }),
          );
      });
      const names = namesIn(`format-${name}`);
      assert.ok(names.length >= 6, names.join());
      const read: { file: string; id: number }[] = [];
      await run((root) => {
        for (const file of names) {
          root
            .apply((readFrom as typeof readFromCsv)(join(folder, file), { schema: bird }))
            .map(({ kind, id }) => {
              read.push({ file, id });
              assert.ok(file.startsWith(`${kind}-`));
              assert.ok(file.includes(id < 30 ? FIRST : SECOND), file);
            });
        }
      });
      assert.deepEqual(
        read.map(({ id }) => id).sort((a, b) => a - b),
        birds.map(({ id }) => id),
      );
    });
  }
});
