// SPDX-License-Identifier: Apache-2.0
// Files by window of what has an end.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  GlobalWindow,
  IntervalWindow,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
} from '../../../../src/coders/index.ts';
import {
  afterCount,
  assignTimestamps,
  create,
  createRunner,
  fixedWindows,
  type Root,
  repeatedly,
  sessions,
  slidingWindows,
  type WindowFn,
  windowInto,
} from '../../../../src/index.ts';
import { writeToText } from '../../../../src/io/index.ts';
import { WINDOW_NAMES, windowName } from '../../../../src/io/text/window-names.ts';
import { scratch } from '../scratch.ts';
import { linesIn, namesIn } from './read-tree.ts';

const run = (construct: (root: Root) => void) => createRunner({ runner: 'node' }).run(construct);
const START = Date.parse('2026-01-01T10:00:00Z');

/** Elements with the second that they are of. */
const timed = (root: Root, elements: readonly (readonly [string, number])[]) =>
  root
    .apply(create(elements))
    .apply(assignTimestamps(([, seconds]) => START + seconds * 1000))
    .map(([text]) => text);

test('each window has files of its own, whose names hold it', async () => {
  await run((root) => {
    timed(root, [
      ['a', 0],
      ['b', 59.5],
      ['c', 60],
    ])
      .apply(windowInto(fixedWindows(60)))
      .apply(writeToText(join(scratch, 'fixed/out'), { windowed: true, fileNameSuffix: '.txt' }));
  });
  assert.deepEqual(linesIn('fixed'), {
    'out-20260101T100000Z-20260101T100100Z-00000-of-00001.txt': ['a', 'b'],
    'out-20260101T100100Z-20260101T100200Z-00000-of-00001.txt': ['c'],
  });
});

test('without windowed all windows are in the same files', async () => {
  await run((root) => {
    timed(root, [
      ['a', 0],
      ['b', 100],
    ])
      .apply(windowInto(fixedWindows(60)))
      .apply(writeToText(join(scratch, 'together/out')));
  });
  assert.deepEqual(linesIn('together'), { 'out-00000-of-00001': ['a', 'b'] });
});

test('windows and destinations together; an element of several windows is in the files of each', async () => {
  await run((root) => {
    timed(root, [
      ['a', 30],
      ['b', 45],
    ])
      .apply(windowInto(slidingWindows(60, 30)))
      .apply(
        writeToText(join(scratch, 'sliding/'), {
          windowed: true,
          destination: (line) => `${line}/x`,
          shardNameTemplate: '.W.S',
        }),
      );
  });
  const windows = ['20260101T100000Z-20260101T100100Z', '20260101T100030Z-20260101T100130Z'];
  assert.deepEqual(
    linesIn('sliding'),
    Object.fromEntries(
      ['a', 'b'].flatMap((line) => windows.map((window) => [`${line}/x.${window}.0`, [line]])),
    ),
  );
});

test('sessions are those of each destination, once whatever the trigger', async () => {
  await run((root) => {
    timed(root, [
      ['a1', 0],
      ['a2', 8],
      ['b1', 12],
      ['a3', 30],
    ])
      .apply(
        windowInto(sessions(10), {
          trigger: repeatedly(afterCount(1)),
          accumulationMode: 'accumulating',
        }),
      )
      .apply(
        writeToText(join(scratch, 'sessions/'), {
          windowed: true,
          destination: (line) => line.slice(0, 1),
        }),
      );
  });
  assert.deepEqual(linesIn('sessions'), {
    'a-20260101T100000Z-20260101T100018Z-00000-of-00001': ['a1', 'a2'],
    'a-20260101T100030Z-20260101T100040Z-00000-of-00001': ['a3'],
    'b-20260101T100012Z-20260101T100022Z-00000-of-00001': ['b1'],
  });
});

test('the global window is in no name, unless the template asks for it', async () => {
  await run((root) => {
    const lines = root.apply(create(['a']));
    lines.apply(writeToText(join(scratch, 'global/out'), { windowed: true }));
    lines.apply(
      writeToText(join(scratch, 'global/asked'), { windowed: true, shardNameTemplate: '-W-P-SS' }),
    );
  });
  assert.deepEqual(namesIn('global'), ['asked-GlobalWindow-pane-0-00', 'out-00000-of-00001']);
});

test('W and P are letters of a template without windowed', async () => {
  await run((root) => {
    root
      .apply(create(['a']))
      .apply(writeToText(join(scratch, 'letters/out'), { shardNameTemplate: '-WP' }));
  });
  assert.deepEqual(namesIn('letters'), ['out-WP']);
});

test('without elements there is no window, and no file', async () => {
  await run((root) => {
    root
      .apply(create<string>([]))
      .apply(windowInto(fixedWindows(60)))
      .apply(writeToText(join(scratch, 'empty/out'), { windowed: true }));
  });
  assert.deepEqual(namesIn('empty'), []);
});

test('a template without the window, and windows that no name can hold, are refused', async () => {
  const windowed = (windowFn: WindowFn, options = {}) =>
    run((root) => {
      timed(root, [['a', 0]])
        .apply(windowInto(windowFn))
        .apply(writeToText(join(scratch, 'refused/out'), { windowed: true, ...options }));
    });
  await assert.rejects(windowed(fixedWindows(1) as WindowFn, { shardNameTemplate: '-SS' }), {
    code: 'INVALID_ARGUMENT',
    message: /files of all windows would have one name.*Let W stand/s,
  });
  await assert.rejects(windowed(fixedWindows(1) as WindowFn, { shardNameTemplate: '-W-PSS' }), {
    code: 'INVALID_ARGUMENT',
    message: /right behind the pane/,
  });
  await assert.rejects(windowed(fixedWindows(1) as WindowFn, { windowed: 'yes' }), {
    code: 'INVALID_ARGUMENT',
    message: /windowed is string "yes"/,
  });
  const own = { ...(fixedWindows(1) as WindowFn), windowCoder: () => ({ name: 'own' }) as never };
  await assert.rejects(windowed(own), { code: 'UNSUPPORTED', message: /no file's name can hold/ });
});

test('times of all that there is have names', () => {
  const at = (start: number, end: number) => windowName(new IntervalWindow(start, end));
  assert.equal(at(0, 1), '19700101T000000Z-19700101T000000.001Z');
  assert.equal(
    at(Date.UTC(9999, 11, 31), Date.UTC(10000, 0, 1)),
    '99991231T000000Z-+0100000101T000000Z',
  );
  assert.equal(
    at(Date.parse('-000001-12-31T00:00:00Z'), Date.parse('0000-01-01T00:00:00Z')),
    '-0000011231T000000Z-00000101T000000Z',
  );
  // As Java has them: -290308-12-21T19:59:05.225Z and 294247-01-10T04:00:54.775Z.
  assert.match(at(MIN_TIMESTAMP, 0), /^-2903081221T195905\.22\dZ-/);
  assert.match(at(0, MAX_TIMESTAMP), /-\+2942470110T040054\.77\dZ$/);
  assert.equal(windowName(GlobalWindow.INSTANCE), 'GlobalWindow');
  for (const end of [0, 1, MAX_TIMESTAMP])
    assert.match(at(MIN_TIMESTAMP, end), new RegExp(`^(?:${WINDOW_NAMES})$`));
});
