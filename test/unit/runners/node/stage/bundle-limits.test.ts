// SPDX-License-Identifier: Apache-2.0
// When bundles end, and how much the next one is given after what the last one did.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  BundleSizes,
  isFull,
  limitsOf,
  nextElements,
} from '../../../../../src/runners/node/engine/stage/bundle-limits.ts';

const stage = {
  inProcess: false,
  isBounded: true,
  isSplittable: false,
  hasTimers: false,
  isStateful: false,
  isScripted: false,
};
const none = { elements: 0, bytesIn: 0, bytesOut: 0, millis: 0 };
const MB = 1024 * 1024;

describe('a bundle ends', () => {
  it('by elements, by bytes in, by bytes out and by time, whichever comes first', () => {
    const limits = { elements: 10, bytesIn: 100, bytesOut: 1000, millis: 50 };
    assert.equal(isFull({ elements: 9, bytesIn: 99, bytesOut: 999, millis: 49 }, limits), false);
    for (const [name, limit] of Object.entries(limits)) {
      assert.equal(isFull({ ...none, [name]: limit }, limits), true, name);
    }
  });

  it('within half a second where the input has no end, elements may have none, or timers wait', () => {
    for (const inProcess of [true, false]) {
      const all = [{ isBounded: false }, { isSplittable: true }, { hasTimers: true }];
      for (const one of all) assert.equal(limitsOf({ ...stage, inProcess, ...one }).millis, 500);
    }
  });

  it('never by time where a test stream plays, so that its events stay whole', () => {
    for (const inProcess of [true, false]) {
      const scripted = { ...stage, inProcess, isBounded: false, hasTimers: true, isScripted: true };
      assert.equal(limitsOf(scripted).millis, Number.POSITIVE_INFINITY);
      assert.ok(new BundleSizes(limitsOf(scripted)).limits.elements > 100_000);
      // The elements of a source that plays beside it may have no end.
      assert.equal(limitsOf({ ...scripted, isSplittable: true }).millis, 500);
    }
  });

  it('of a batch in this process by elements alone: a sink writes few files', () => {
    const { bytesIn, bytesOut, millis, elements } = limitsOf({ ...stage, inProcess: true });
    assert.deepEqual([bytesIn, bytesOut, millis], [Infinity, Infinity, Infinity]);
    assert.ok(Number.isFinite(elements));
  });

  it('sooner where state is kept, which stays with the bundle until its end', () => {
    const { elements } = limitsOf({ ...stage, inProcess: true, isStateful: true });
    assert.ok(elements <= 100_000);
  });

  it('of a batch in Python by all four', () => {
    for (const limit of Object.values(limitsOf(stage))) assert.ok(Number.isFinite(limit));
  });
});

describe('the next bundle of elements', () => {
  const limits = { elements: 1_000_000, bytesIn: 2 * MB, bytesOut: 6 * MB, millis: 1000 };

  it('is of twice what one managed that was cut by time', () => {
    const outcome = { ...none, elements: 50, millis: 1000, wasCut: true };
    assert.equal(nextElements(4000, outcome, limits), 100);
  });

  it('is of what fits the memory after one that gave too much', () => {
    const outcome = { ...none, elements: 100, bytesOut: 12 * MB, millis: 100, wasCut: true };
    assert.equal(nextElements(4000, outcome, limits), 50);
    assert.equal(nextElements(100, { ...outcome, wasCut: false }, limits), 50);
  });

  it('is larger where there was room, and never larger than it may be', () => {
    const outcome = { ...none, elements: 100, millis: 500, wasCut: false };
    assert.equal(nextElements(100, outcome, limits), 200);
    assert.equal(nextElements(100, { ...outcome, millis: 1 }, limits), 800);
    assert.equal(nextElements(900_000, outcome, limits), 1_000_000);
    assert.equal(nextElements(100, { ...outcome, millis: 900 }, limits), 100);
  });

  it('is small at first where nobody knows what it will give', () => {
    assert.equal(new BundleSizes(limits).limits.elements, 16);
    const here = limitsOf({ ...stage, inProcess: true });
    assert.equal(new BundleSizes(here).limits.elements, here.elements);
  });

  it('has an element at least, whatever the last ones did', () => {
    const outcomes = fc.record({
      elements: fc.nat(10_000),
      bytesIn: fc.nat(4 * MB),
      bytesOut: fc.nat(1000 * MB),
      millis: fc.double({ min: 0, max: 1e6, noNaN: true }),
      wasCut: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(outcomes), (all) => {
        const sizes = new BundleSizes(limits);
        for (const outcome of all) {
          sizes.ended(outcome);
          const { elements, millis } = sizes.limits;
          assert.ok(Number.isInteger(elements) && elements >= 1 && elements <= limits.elements);
          assert.ok(millis >= limits.millis);
        }
      }),
    );
  });

  it('settles where outputs are ten thousand times as large as inputs', () => {
    const sizes = new BundleSizes(limits);
    let most = 0;
    for (let i = 0; i < 50; i++) {
      const elements = Math.min(sizes.limits.elements, 4000);
      const bytesOut = elements * 200_000;
      const wasCut = bytesOut > 20 * MB;
      const done = wasCut ? 100 : elements;
      sizes.ended({ ...none, elements: done, bytesOut: done * 200_000, millis: 200, wasCut });
      if (i > 5) most = Math.max(most, sizes.limits.elements * 200_000);
    }
    assert.ok(most <= 2 * limits.bytesOut, `${most}`);
  });

  it('has more time after one that was cut before its first element', () => {
    const sizes = new BundleSizes(limits);
    const cut = { ...none, millis: 1000, wasCut: true };
    sizes.ended(cut);
    sizes.ended(cut);
    assert.equal(sizes.limits.millis, 4000);
    sizes.ended({ ...cut, elements: 1 });
    assert.equal(sizes.limits.millis, 1000);
  });
});
