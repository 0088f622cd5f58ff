// SPDX-License-Identifier: Apache-2.0
// A stream that is asked to come to its end: by result.drain(), and by signals to a program of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, on } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  createRunner,
  type DoFn,
  eventTimeTimer,
  fixedWindows,
  fromAsyncIterable,
  groupByKey,
  MAX_TIMESTAMP,
  parDo,
  periodicImpulse,
  windowInto,
} from '../../src/index.ts';
import { watchFiles } from '../../src/io/index.ts';

async function* ticks(signal: AbortSignal) {
  for (let i = 0; !signal.aborted; i++) {
    yield { key: 'k', value: i };
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('drain() closes open windows and resolves with DRAINED', { timeout: 60_000 }, async () => {
  const given: number[] = [];
  const grouped: number[] = [];
  const result = await createRunner({ progress: false }).runAsync((root) => {
    root
      .apply(fromAsyncIterable(ticks))
      .map((kv) => {
        given.push(kv.value);
        return kv;
      })
      .apply(windowInto(fixedWindows(3600)))
      .apply(groupByKey())
      .map(({ value }) => {
        for (const one of value) grouped.push(one);
      });
    root.apply(periodicImpulse({ interval: 50 })).map((t) => t);
  });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.deepEqual(grouped, []);
  assert.equal(await result.drain(), 'DRAINED');
  assert.ok(given.length > 10);
  assert.deepEqual(
    grouped.sort((a, b) => a - b),
    given,
  );
  assert.equal(result.state, 'DRAINED');
});

test('all that a source gives after a drain is taken', { timeout: 60_000 }, async () => {
  let given = 0;
  async function* burst(signal: AbortSignal) {
    yield given++;
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    while (given < 50_000) yield given++;
  }
  const taken: number[] = [];
  const result = await createRunner({ progress: false }).runAsync((root) => {
    root.apply(fromAsyncIterable(burst)).map((one) => void taken.push(one));
  });
  while (taken.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(await result.drain(), 'DRAINED');
  assert.equal(given, 50_000);
  assert.deepEqual(
    taken,
    Array.from({ length: 50_000 }, (_, i) => i),
  );
});

test('a source that does not hear of the drain loses none that it gave', {
  timeout: 60_000,
}, async () => {
  let given = 0;
  async function* deaf() {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      yield given++;
    }
  }
  let taken = 0;
  const result = await createRunner({ progress: false }).runAsync((root) => {
    root.apply(fromAsyncIterable(deaf)).map(() => void taken++);
  });
  while (taken === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(await result.drain(), 'DRAINED');
  // One that is asked for and never taken would be given now.
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(taken, given);
});

test('a slow pipeline costs no element of a drained source', { timeout: 60_000 }, async () => {
  const emitter = new EventEmitter();
  let taken = 0;
  const result = await createRunner({ progress: false }).runAsync((root) => {
    root.apply(fromAsyncIterable((signal) => on(emitter, 'one', { signal }))).map(async () => {
      taken += 1;
      await new Promise((resolve) => setTimeout(resolve, 4));
    });
  });
  while (emitter.listenerCount('one') === 0) await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 400; i++) emitter.emit('one', i);
  assert.equal(await result.drain(), 'DRAINED');
  assert.equal(taken, 400);
});

test('a source that is busy does not count as one that lets its reader wait', {
  timeout: 60_000,
}, async () => {
  let given = 0;
  async function* busy(signal: AbortSignal) {
    yield given++;
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    while (given < 1000) {
      const until = performance.now() + 1;
      while (performance.now() < until);
      yield given++;
    }
  }
  let taken = 0;
  const result = await createRunner({ progress: false }).runAsync((root) => {
    root.apply(fromAsyncIterable(busy)).map(() => void taken++);
  });
  while (taken === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(await result.drain(), 'DRAINED');
  assert.deepEqual([given, taken], [1000, 1000]);
});

test('a source that ends by itself is read to its end, however long it takes', {
  timeout: 60_000,
}, async () => {
  async function* slow() {
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 700));
      yield i;
    }
  }
  const taken: number[] = [];
  let ticked = false;
  const result = await createRunner({ progress: false }).runAsync((root) => {
    root.apply(fromAsyncIterable(slow, { bounded: true })).map((one) => void taken.push(one));
    root.apply(periodicImpulse({ interval: 20 })).map(() => {
      ticked = true;
    });
  });
  while (!ticked) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(await result.drain(), 'DRAINED');
  assert.deepEqual(taken, [0, 1, 2]);
});

test('a stream that has a stop is drained before it, or ends there', {
  timeout: 60_000,
}, async () => {
  const start = Date.now();
  const times: number[] = [];
  const result = await createRunner({ progress: false }).runAsync((root) => {
    root
      .apply(periodicImpulse({ start, interval: 20, stop: start + 3_600_000, bounded: false }))
      .map((time) => void times.push(time));
    root.apply(watchFiles('no-such-*', { stopAfter: 3_600_000, bounded: false })).map(String);
  });
  while (times.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(await result.drain(), 'DRAINED');

  const ended = await createRunner({ progress: false }).run((root) => {
    root
      .apply(periodicImpulse({ start: 0, interval: 1000, stop: 120_000, bounded: false }))
      .apply(windowInto(fixedWindows(60)))
      .map((value) => ({ key: 'k', value }))
      .apply(groupByKey())
      .map(({ value }) => void times.push(-[...value].length));
  });
  assert.equal(ended.state, 'DONE');
  assert.deepEqual(
    times.filter((time) => time < 0),
    [-60, -60],
  );
});

test('a timer far ahead fires at drain', { timeout: 60_000 }, async () => {
  const fired: string[] = [];
  const result = await createRunner({ progress: false }).runAsync((root) => {
    const context = { due: eventTimeTimer() };
    const doFn: DoFn<{ key: string; value: number }, string, typeof context> = {
      process: ({ value }, { due }) => {
        if (value === 0) due.set(MAX_TIMESTAMP - 86_400_000);
        return [];
      },
      onTimer: ({ key }) => [key],
    };
    root
      .apply(fromAsyncIterable(ticks))
      .apply(parDo(doFn, context))
      .map((key) => void fired.push(key));
  });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.deepEqual(fired, []);
  assert.equal(await result.drain(), 'DRAINED');
  assert.deepEqual(fired, ['k']);
});

const source = JSON.stringify(fileURLToPath(new URL('../../src/index.ts', import.meta.url)));
const program = (options: string, last = '') => `
import { createRunner, fixedWindows, fromAsyncIterable, groupByKey, windowInto } from ${source};
let given = 0;
async function* ticks() {
  for (;;) { yield { key: 'k', value: given++ }; if (given === 5) console.log('running'); await new Promise((r) => setTimeout(r, 20)); }
}
const result = await createRunner({ progress: false, ...${options} }).run((root) => root
  .apply(fromAsyncIterable(ticks)).apply(windowInto(fixedWindows(3600))).apply(groupByKey())
  .map(({ value }) => { console.log('window', [...value].length > 0);${last} }));
console.log(result.state);`;

async function run(
  options: string,
  signals: NodeJS.Signals[],
  { last, again }: { last?: string; again?: NodeJS.Signals } = {},
) {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', program(options, last)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  const exit = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  child.stdout.on('data', (data) => {
    said += String(data);
    if (again && String(data).includes('window')) child.kill(again);
    if (String(data).includes('running')) for (const one of signals) child.kill(one);
  });
  return { exit: await exit, said };
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} drains a stream, and the program goes on`, { timeout: 60_000 }, async () => {
    const { exit, said } = await run('{}', [signal]);
    assert.deepEqual(exit, { code: 0, signal: null });
    assert.match(said, /window true\nDRAINED\n$/);
  });
}

test('handleSignals: false leaves signals to the program', { timeout: 60_000 }, async () => {
  const { exit, said } = await run('{ handleSignals: false }', ['SIGTERM']);
  assert.deepEqual(exit, { code: null, signal: 'SIGTERM' });
  assert.doesNotMatch(said, /DRAINED/);
});

test('a second signal cancels what still drains', { timeout: 60_000 }, async () => {
  const last = 'return new Promise((resolve) => setTimeout(resolve, 50_000));';
  const { exit, said } = await run('{}', ['SIGTERM'], { last, again: 'SIGTERM' });
  assert.deepEqual(exit, { code: null, signal: 'SIGTERM' });
  assert.match(said, /window true/);
  assert.doesNotMatch(said, /DRAINED/);
});
