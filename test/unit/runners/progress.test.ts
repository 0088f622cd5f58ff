// SPDX-License-Identifier: Apache-2.0
// The line that a person sees.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { setLogLevel, setLogSink } from '../../../src/base/index.ts';
import { Progress, progressLine } from '../../../src/runners/progress.ts';

function stream(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, columns: 40, written, write: (text: string) => written.push(text) };
}

test('a line names the state, the time and what is counted', () => {
  assert.equal(progressLine({ phase: 'RUNNING' }, 5400), 'RUNNING · 5 s');
  assert.equal(
    progressLine({ phase: 'RUNNING', elements: 12_000 }, 65_000),
    'RUNNING · 1 min 05 s · 12,000 elements',
  );
  assert.equal(progressLine({ phase: 'RUNNING' }, 3_720_000), 'RUNNING · 1 h 02 min');
});

test('a run that is over in a moment shows nothing on a terminal', (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const out = stream(true);
  const progress = new Progress(() => ({ phase: 'RUNNING' }), undefined, out);
  t.mock.timers.tick(2000);
  progress[Symbol.dispose]();
  assert.deepEqual(out.written, []);
});

test('a long run shows one live line on a terminal and takes it away at the end', (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const out = stream(true);
  const progress = new Progress(() => ({ phase: 'RUNNING' }), undefined, out);
  t.mock.timers.tick(6000);
  progress[Symbol.dispose]();
  assert.ok(out.written.length > 2);
  assert.ok(out.written.every((text) => text.startsWith('\r') && !text.includes('\n')));
  assert.equal(out.written.at(-1), '\r\x1b[K');
});

test('without a terminal a long run writes few plain lines, and only at the level info', (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const lines: string[] = [];
  const restore = setLogSink(({ message }) => lines.push(message));
  setLogLevel('info');
  try {
    const out = stream(false);
    const progress = new Progress(() => ({ phase: 'RUNNING' }), undefined, out);
    // In steps, because every timer of one step sees the time of its end.
    for (let i = 0; i < 61; i++) t.mock.timers.tick(1000);
    progress[Symbol.dispose]();
    assert.deepEqual(out.written, []);
    assert.deepEqual(lines, ['RUNNING · 30 s', 'RUNNING · 1 min 00 s']);
  } finally {
    setLogLevel('warn');
    restore();
    mock.reset();
  }
});
