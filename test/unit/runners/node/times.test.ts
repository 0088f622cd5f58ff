// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Holds, Schedule, type Scheduled } from '../../../../src/runners/node/engine/times.ts';

describe('a schedule', () => {
  it('gives things by time, those of one time in the order in which they came', () => {
    const schedule = new Schedule<string>();
    for (const [time, item] of [
      [5, 'c'],
      [1, 'a'],
      [5, 'd'],
      [1, 'b'],
      [Number.NEGATIVE_INFINITY, '-'],
    ] as const) {
      schedule.add(time, item);
    }
    const given: string[] = [];
    while (schedule.size > 0) given.push(schedule.pop()!);
    assert.deepEqual(given, ['-', 'a', 'b', 'c', 'd']);
    assert.equal(schedule.pop(), undefined);
    assert.equal(schedule.next, undefined);
  });

  it('is what a sorted list is, whatever is added and taken out', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), n: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ kind: fc.constant('delete' as const), n: fc.nat(50) }),
      fc.record({ kind: fc.constant('pop' as const), n: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const schedule = new Schedule<number>();
        let model: Scheduled<number>[] = [];
        const all: Scheduled<number>[] = [];
        for (const [index, { kind, n }] of steps.entries()) {
          if (kind === 'add') {
            const entry = schedule.add(n, index);
            all.push(entry);
            model.push(entry);
            model.sort((a, b) => a.time - b.time || a.order - b.order);
          } else if (kind === 'delete' && all.length > 0) {
            const entry = all[n % all.length]!;
            schedule.delete(entry);
            model = model.filter((one) => one !== entry);
          } else if (kind === 'pop') {
            assert.equal(schedule.pop(), model.shift()?.item);
          }
          assert.equal(schedule.size, model.length);
          assert.equal(schedule.first, model[0]);
        }
        const rest: (number | undefined)[] = [];
        while (schedule.size > 0) rest.push(schedule.pop());
        assert.deepEqual(
          rest,
          model.map(({ item }) => item),
        );
      }),
    );
  });
});

it('holds know the least of what is held, each as often as it was added', () => {
  const holds = new Holds();
  assert.equal(holds.least, Number.POSITIVE_INFINITY);
  for (const hold of [7, 3, 3, 9]) holds.add(hold);
  holds.remove(3);
  assert.equal(holds.least, 3);
  holds.remove(3);
  assert.equal(holds.least, 7);
  holds.remove(1);
  holds.remove(9);
  holds.remove(7);
  assert.equal(holds.least, Number.POSITIVE_INFINITY);
});
