// SPDX-License-Identifier: Apache-2.0
// How far a stage is, whoever holds it back; and what is left of elements, in the order of its time.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GlobalWindow, MAX_TIMESTAMP, NO_FIRING } from '../../../../../src/coders/index.ts';
import { Residues } from '../../../../../src/runners/node/engine/stage/residues.ts';
import {
  type Holders,
  StageWatermarks,
} from '../../../../../src/runners/node/engine/stage/stage-watermarks.ts';

const nobody: Holders = {
  upstream: MAX_TIMESTAMP,
  waiting: MAX_TIMESTAMP,
  inWork: MAX_TIMESTAMP,
  rests: MAX_TIMESTAMP,
  timers: MAX_TIMESTAMP,
};

describe('the watermarks of a stage', () => {
  it('are held by whoever may still give something, and never go back', () => {
    for (const who of ['upstream', 'waiting', 'inWork', 'rests', 'timers'] as const) {
      const watermarks = new StageWatermarks();
      const held = { ...nobody, [who]: 5 };
      watermarks.updateInput(held);
      assert.equal(watermarks.updateOutput(held), true);
      assert.equal(watermarks.output, 5, who);
      watermarks.updateInput({ ...held, [who]: 3 });
      assert.equal(watermarks.updateOutput({ ...held, [who]: 3 }), false);
      assert.equal(watermarks.output, 5, who);
    }
  });
});

describe('what is left of elements', () => {
  it('is taken when its time has come, in order, and holds the watermark until then', () => {
    const residues = new Residues();
    const rest = (value: string, dueAt: number, hold: number) => ({
      element: { value, timestamp: hold, windows: [GlobalWindow.INSTANCE], pane: NO_FIRING },
      dueAt,
      hold,
      needs: hold - 1,
      isBounded: true,
    });
    residues.add([rest('c', 20, 1), rest('a', 10, 7), rest('b', 10, 5)]);
    assert.deepEqual(
      [residues.next, residues.hold, residues.needs, residues.isDue(9)],
      [10, 1, 0, false],
    );
    const taken = residues.takeDue(15).map(({ element }) => element.value);
    assert.deepEqual([taken, residues.hold, residues.isEmpty], [['a', 'b'], 1, false]);
    residues.takeDue(20);
    assert.deepEqual(
      [residues.hold, residues.needs, residues.isEmpty],
      [MAX_TIMESTAMP, MAX_TIMESTAMP, true],
    );
  });
});
