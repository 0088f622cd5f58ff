// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type Asking, Turns } from '../../../../src/ml/local/turns.ts';

const asking = (): Asking & { error?: Error } => ({
  aborted() {
    return (this as { error?: Error }).error;
  },
});

test('turns follow each other', async () => {
  const turns = new Turns('it');
  const first = await turns.take(asking());
  let isSecond = false;
  const second = turns.take(asking()).then((turn) => {
    isSecond = true;
    return turn;
  });
  await setImmediate();
  assert.equal(isSecond, false);
  first.end();
  (await second).end();
  // Ending twice takes nothing from whoever is next.
  const third = await turns.take(asking());
  first.end();
  let isFourth = false;
  void turns.take(asking()).then(() => {
    isFourth = true;
  });
  await setImmediate();
  assert.equal(isFourth, false);
  third.end();
});

test('a call that never comes back keeps the turn for as long as its bundle may go on', async () => {
  const turns = new Turns('it');
  const lost = asking();
  await turns.take(lost);
  const waiting = turns.take(asking());
  lost.error = new Error('the run has ended');
  (await waiting).end();
});

test('whoever waits stops when its own bundle may not go on', async () => {
  const turns = new Turns('it');
  const first = await turns.take(asking());
  const ended = asking();
  const waiting = turns.take(ended);
  ended.error = new Error('the run has ended');
  await assert.rejects(waiting, /the run has ended/);
  first.end();
});

test('a model that is asked in a call of itself is told of, and another one is not', async () => {
  const turns = new Turns('it');
  const outer = await turns.take(asking());
  await outer.run(async () => {
    await assert.rejects(turns.take(asking()), {
      code: 'INVALID_ARGUMENT',
      message: /^it is asked in a call of itself/,
    });
    (await new Turns('other').take(asking())).end();
  });
  outer.end();
  (await turns.take(asking())).end();
});
