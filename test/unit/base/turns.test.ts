// SPDX-License-Identifier: Apache-2.0
// What is used by one at a time: who waits, for how long, and who would wait for ever.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type Turn, type TurnAsking, Turns } from '../../../src/base/index.ts';
import { time } from '../../helpers/time.ts';

const asking = (): TurnAsking & { error?: Error } => ({
  aborted() {
    return (this as { error?: Error }).error;
  },
});
const turnsOf = (what: string) =>
  new Turns({ what, because: 'it is so', hint: 'Do it.', room: 'test' });
const it = () => turnsOf('it');
async function taken(turns: Turns, by = asking()): Promise<Turn> {
  const turn = await turns.take(by);
  return turn ?? assert.fail('no turn');
}
test('turns follow each other, in the order in which they are asked for', async () => {
  const turns = it();
  const seen: number[] = [];
  const first = await taken(turns);
  const all = [1, 2, 3].map(async (i) => {
    const turn = await taken(turns);
    seen.push(i);
    await setImmediate();
    assert.equal(seen.at(-1), i);
    turn.end();
  });
  await setImmediate();
  assert.deepEqual(seen, []);
  first.end();
  await Promise.all(all);
  assert.deepEqual(seen, [1, 2, 3]);
  // Ending twice takes nothing from whoever is next.
  const last = await taken(turns);
  first.end();
  let isNext = false;
  const next = taken(turns).then((turn) => {
    isNext = true;
    return turn;
  });
  await setImmediate();
  assert.equal(isNext, false);
  last.end();
  (await next).end();
});

test('who has the turn hears that another waits, also one that waited before', async () => {
  const turns = it();
  const wanted: string[] = [];
  const by = (name: string) => ({ ...asking(), wanted: () => wanted.push(name) });
  const first = await taken(turns, by('first'));
  const second = taken(turns, by('second'));
  const third = taken(turns, by('third'));
  assert.deepEqual(wanted, ['first', 'first']);
  first.end();
  (await second).end();
  assert.deepEqual(wanted.slice(2), ['second']);
  (await third).end();
});

test('a call whose bundle is aborted keeps the turn while it may come back', async (t) => {
  const pass = time(t);
  const turns = it();
  const lost = asking();
  const first = await taken(turns, lost);
  const seen: unknown[] = [];
  const second = turns.take(asking()).then((turn) => {
    seen.push(turn);
    return turn;
  });
  lost.error = new Error('the run has ended');
  await pass(4000);
  assert.deepEqual(seen, []);
  first.end();
  await pass(100);
  assert.equal(seen.length, 1);
  (await second)!.end();
});

test('one that does not come back keeps nobody for ever, and nobody gets its turn', async (t) => {
  const pass = time(t);
  const turns = it();
  const lost = asking();
  const turn = await taken(turns, lost);
  const waiting = [turns.take(asking()), turns.take(asking())];
  lost.error = new Error('the run has ended');
  await pass(6000);
  assert.deepEqual(await Promise.all(waiting), [undefined, undefined]);
  assert.equal(await turns.take(asking()), undefined);
  turn.end();
  (await taken(turns)).end();
});

test('whoever waits stops when its own bundle may not go on', async () => {
  const turns = it();
  const first = await taken(turns);
  const ended = asking();
  const waiting = turns.take(ended);
  ended.error = new Error('the run has ended');
  // Nothing else keeps this program.
  const alive = setInterval(() => {}, 50);
  await assert.rejects(waiting, /the run has ended/);
  clearInterval(alive);
  first.end();
});

test('what is used in a call of itself is told of, and another one is not', async () => {
  const turns = it();
  const outer = await taken(turns);
  await outer.run(async () => {
    await assert.rejects(turns.take(asking()), {
      code: 'INVALID_ARGUMENT',
      message: /^it is used in a call of itself .*\n {2}hint: Do it\./,
    });
    (await taken(turnsOf('other'))).end();
  });
  outer.end();
  // What goes on of that call is not in it any more.
  await outer.run(async () => (await taken(turns)).end());
});

test('calls that wait for one another are told of: two, and three', async () => {
  for (const count of [2, 3]) {
    const all = Array.from({ length: count }, (_, i) => turnsOf(`model ${i}`));
    const held = await Promise.all(all.map((turns) => taken(turns)));
    const found = await Promise.allSettled(
      held.map((turn, i) =>
        turn.run(async () => {
          try {
            (await taken(all[(i + 1) % count]!)).end();
          } finally {
            turn.end();
          }
        }),
      ),
    );
    const refused = found.filter((one) => one.status === 'rejected');
    assert.equal(refused.length, 1);
    assert.match(String(refused[0]!.reason), /is used in a call that its own call waits for/);
  }
});
