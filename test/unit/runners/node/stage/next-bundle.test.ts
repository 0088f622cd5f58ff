// SPDX-License-Identifier: Apache-2.0
// Which work a stage does next, in every order of what comes and under load: nothing that can be done
// waits for more than a turn of everything else.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  afterBundle,
  NOTHING_SPENT,
  nextBundle,
  type StageMoment,
  type TimeSpent,
  TURN_MS,
  WORK_KINDS,
  type WorkKind,
} from '../../../../../src/runners/node/engine/stage/next-bundle.ts';

const moment = (there: readonly WorkKind[], more: Partial<StageMoment> = {}): StageMoment => ({
  running: 0,
  mostRunning: 1,
  showing: 0,
  showingBytes: 0,
  isBehind: false,
  isThere: {
    rests: there.includes('rests'),
    timers: there.includes('timers'),
    elements: there.includes('elements'),
  },
  spent: NOTHING_SPENT,
  ...more,
});
const kind = (there: readonly WorkKind[], more?: Partial<StageMoment>) =>
  nextBundle(moment(there, more))?.kind;
const MB = 1024 * 1024;

/** The kinds of `count` bundles, each of which takes `millis`, when everything is always there. */
function underLoad(there: readonly WorkKind[], millis: number, count: number): WorkKind[] {
  const kinds: WorkKind[] = [];
  let spent: TimeSpent = NOTHING_SPENT;
  for (let i = 0; i < count; i++) {
    const choice = nextBundle(moment(there, { spent }))!;
    kinds.push(choice.kind);
    spent = afterBundle(choice.spent, choice.kind, millis);
  }
  return kinds;
}

describe('the next bundle', () => {
  it('is what is there', () => {
    assert.equal(kind([]), undefined);
    for (const one of WORK_KINDS) assert.equal(kind([one]), one);
  });

  it('is of timers that are due, although elements wait', () => {
    assert.equal(kind(['timers', 'elements']), 'timers');
    assert.equal(kind(['rests', 'timers', 'elements']), 'rests');
  });

  it('is none while as many run as may', () => {
    assert.equal(kind(['elements'], { running: 1 }), undefined);
    assert.equal(kind(['elements'], { running: 1, mostRunning: 2 }), 'elements');
  });

  it('is not of timers while another runs, which may take them back', () => {
    const more = { running: 1, mostRunning: 2 };
    assert.equal(kind(['timers'], more), undefined);
    assert.equal(kind(['timers', 'elements'], more), 'elements');
  });

  it('is none while much is not handed on yet, be it in bundles or in bytes', () => {
    assert.equal(kind(['elements'], { showing: 3, showingBytes: MB }), 'elements');
    assert.equal(kind(['elements'], { showing: 4 }), undefined);
    assert.equal(kind(['elements'], { showing: 1, showingBytes: 24 * MB }), undefined);
    assert.equal(kind(['elements'], { isBehind: true }), undefined);
  });
});

describe('under load', () => {
  it('timers that set themselves again do not keep elements waiting', () => {
    const kinds = underLoad(['timers', 'elements'], TURN_MS / 5, 20);
    assert.deepEqual(kinds.slice(0, 6), [...Array(5).fill('timers'), 'elements']);
    assert.equal(kinds.filter((one) => one === 'elements').length, 10);
  });

  it('a queue that is never empty does not keep timers waiting', () => {
    let spent = NOTHING_SPENT;
    for (let i = 0; i < 1000; i++) spent = afterBundle(spent, 'elements', TURN_MS);
    assert.equal(kind(['timers', 'elements'], { spent }), 'timers');
  });

  it('rests that come again and again leave turns for both others', () => {
    const kinds = underLoad(WORK_KINDS, TURN_MS, 9);
    assert.deepEqual(kinds, [...WORK_KINDS, ...WORK_KINDS, ...WORK_KINDS]);
  });

  it('bundles that take no time go on with what is most urgent', () => {
    assert.deepEqual(underLoad(WORK_KINDS, 0, 3), ['rests', 'rests', 'rests']);
  });

  it('whatever comes and however long it takes, everything that is there has its turn', () => {
    const bundles = fc.array(
      fc.record({
        millis: fc.integer({ min: 0, max: 2 * TURN_MS }),
        there: fc.subarray([...WORK_KINDS], { minLength: 1 }),
      }),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(bundles, (all) => {
        let spent: TimeSpent = NOTHING_SPENT;
        const waited: Record<WorkKind, number> = { rests: 0, timers: 0, elements: 0 };
        for (const { millis, there } of all) {
          const choice = nextBundle(moment(there, { spent }));
          assert.ok(choice && there.includes(choice.kind));
          for (const one of WORK_KINDS) {
            if (one === choice.kind || !there.includes(one)) waited[one] = 0;
            else waited[one] += millis;
          }
          // A turn of each of the others, which its last bundle may exceed, once in this round and
          // once in the next.
          for (const one of WORK_KINDS) assert.ok(waited[one] <= 4 * 3 * TURN_MS, one);
          spent = afterBundle(choice.spent, choice.kind, millis);
        }
      }),
    );
  });
});
