// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SteadyClock } from '../../../src/base/steady-clock.ts';

const HOUR = 3_600_000;

test('the steady clock follows the wall, and goes on from where it was when that is set back', () => {
  let wall = 10 * HOUR;
  let passing = 5;
  const clock = new SteadyClock(
    () => wall,
    () => passing,
  );
  const release = clock.hold();
  const after = (millis: number, byWall = millis) => {
    wall += byWall;
    passing += millis;
    return clock.now() - 10 * HOUR;
  };
  assert.equal(after(0), 0);
  assert.equal(after(100), 100);
  assert.equal(after(100, 99), 199, 'it is the wall that counts');
  assert.equal(after(100, HOUR), HOUR + 199, 'set forward');
  assert.equal(after(100, -HOUR), HOUR + 299, 'set back');
  for (let i = 0; i < 1000; i++) after(0.25);
  assert.equal(after(0), HOUR + 549);
  wall = 12 * HOUR;
  assert.equal(after(0), 2 * HOUR, 'the wall has caught up');
  wall = 9 * HOUR;
  assert.equal(after(0), 2 * HOUR);
  release();
  assert.equal(after(0), -HOUR, 'nobody is at work that the step would harm');
});

test('a small step back is waited for', () => {
  let wall = 1000;
  let passing = 0;
  const clock = new SteadyClock(
    () => wall,
    () => passing,
  );
  clock.hold();
  assert.equal(clock.now(), 1000);
  wall -= 500;
  const after = (millis: number) => {
    wall += millis;
    passing += millis;
    return clock.now();
  };
  assert.deepEqual([after(200), after(200), after(200)], [1000, 1000, 1100]);
});
