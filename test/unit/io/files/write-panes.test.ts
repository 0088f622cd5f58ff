// SPDX-License-Identifier: Apache-2.0
// Bundles of panes that are run again, and that fail.

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { IntervalWindow, NO_FIRING, type PaneInfo, Timing } from '../../../../src/coders/index.ts';
import { makeTemporary, type OutputSpec } from '../../../../src/io/text/output.ts';
import { textFormat } from '../../../../src/io/text/text-format.ts';
import { PaneFiles, shardKey, WritePanes } from '../../../../src/io/text/write-panes.ts';
import { scratch } from '../scratch.ts';
import { linesIn, namesIn } from './read-tree.ts';

const window = new IntervalWindow(0, 60_000);
const firing: PaneInfo = {
  isFirst: true,
  isLast: true,
  timing: Timing.ON_TIME,
  index: 0,
  onTimeIndex: 0,
};

function sinkOf(folder: string, options: Partial<OutputSpec<string>> = {}) {
  const spec: OutputSpec<string> = {
    prefix: join(scratch, folder, 'out'),
    suffix: '',
    template: '-W-P-SS-of-NN',
    shards: undefined,
    maxRecords: undefined,
    maxBytes: undefined,
    windowed: true,
    format: textFormat({ header: 'h\n', footer: '', lineEnd: '\n' }, false),
    ...options,
  };
  const files = new PaneFiles(() => makeTemporary(spec));
  return new WritePanes<string, string>(
    'writeToText',
    spec,
    (line) => line,
    files,
    (path) => path,
  );
}

const context = (pane: PaneInfo) =>
  ({
    window: { lookup: () => window },
    pane: { lookup: () => pane },
    timestamp: { lookup: () => 0 },
  }) as never;

async function bundle(
  sink: ReturnType<typeof sinkOf>,
  elements: [key: string, lines: string[], index: number][],
) {
  const own = sink.forBundle();
  await own.setup();
  own.startBundle();
  for (const [key, value, index] of elements)
    await own.process({ key, value }, context({ ...firing, index }));
  return own.finishBundle();
}

const NAME = 'out-19700101T000000Z-19700101T000100Z';
/** Files that are no temporary ones. */
const visible = (folder: string) =>
  Object.fromEntries(Object.entries(linesIn(folder)).filter(([name]) => !name.startsWith('.')));

test('a bundle that is run again replaces what it wrote, with other contents too', async () => {
  const sink = sinkOf('again');
  const key = shardKey(0, '');
  await bundle(sink, [[key, ['a', 'b'], 0]]);
  await bundle(sink, [[key, ['a', 'b'], 0]]);
  assert.deepEqual(visible('again'), { [`${NAME}-pane-0-00-of-01`]: ['a', 'b', 'h'] });
  const written = await bundle(sink, [
    [key, ['c'], 0],
    [key, ['d'], 1],
  ]);
  assert.deepEqual(visible('again'), {
    [`${NAME}-pane-0-00-of-01`]: ['c', 'h'],
    [`${NAME}-pane-1-00-of-01`]: ['d', 'h'],
  });
  assert.deepEqual(
    written.map(({ windows, timestamp, pane }) => [windows, timestamp, pane.index]),
    [
      [[window], 0, 0],
      [[window], 0, 1],
    ],
  );
  // Nothing is left of parts.
  const temporary = readdirSync(join(scratch, 'again')).filter((name) => name.startsWith('.'));
  assert.equal(temporary.length, 1);
  assert.deepEqual(readdirSync(join(scratch, 'again', temporary[0]!)), []);
});

test('shards and destinations of a pane are told apart by their key', async () => {
  await bundle(sinkOf('keys', { shards: 12 }), [
    [shardKey(11, '/a'), ['x'], 0],
    [shardKey(0, '/1/a'), ['y'], 0],
  ]);
  assert.deepEqual(Object.keys(visible('keys')), [
    `out/1/a${NAME.slice(3)}-pane-0-00-of-12`,
    `out/a${NAME.slice(3)}-pane-0-11-of-12`,
  ]);
});

test('a file that cannot appear fails its bundle, and the next try writes it', async () => {
  const sink = sinkOf('blocked');
  mkdirSync(join(scratch, 'blocked', `${NAME}-pane-3-00-of-01`), { recursive: true });
  const elements: [string, string[], number][] = Array.from({ length: 20 }, (_, i) => [
    shardKey(0, ''),
    [`${i}`],
    i,
  ]);
  await assert.rejects(bundle(sink, elements), { code: 'OUTPUT_NOT_WRITABLE' });
  rmSync(join(scratch, 'blocked', `${NAME}-pane-3-00-of-01`), { recursive: true });
  await bundle(sink, elements);
  assert.equal(Object.keys(visible('blocked')).length, 20);
});

test('many panes at once are not mixed up, in a folder that is called as a part is', async () => {
  const lines = Array.from({ length: 200 }, (_, i) => `${i}`);
  await bundle(
    sinkOf('part-1/x'),
    lines.map((line, i) => [shardKey(0, `/${line}`), [line], i]),
  );
  const files = visible('part-1/x');
  for (const [name, found] of Object.entries(files))
    assert.deepEqual(found, [/^out\/(\d+)/.exec(name)![1], 'h'].sort(), name);
  assert.equal(Object.keys(files).length, lines.length);
});

test('panes that no name would tell apart are refused', async () => {
  const once = sinkOf('untold', { template: '-W' });
  await assert.rejects(bundle(once, [[shardKey(0, ''), ['a'], 1]]), {
    code: 'UNSUPPORTED',
    message: /pane 1 of a window that fires once/,
  });
  const own = sinkOf('untold').forBundle();
  await assert.rejects(own.process({ key: '0/', value: ['a'] }, context(NO_FIRING)), {
    code: 'UNSUPPORTED',
    message: /does not say which of a window's panes/,
  });
  assert.deepEqual(
    namesIn('untold').filter((name) => !name.startsWith('.')),
    [],
  );
});
