// SPDX-License-Identifier: Apache-2.0
// Sizes that are right where it matters, and found without looking at everything.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { roughSize, roughSizeOfAll } from '../../../src/base/index.ts';

describe('the rough size of a value', () => {
  it('counts texts, bytes and numbers wherever they are', () => {
    const text = 'x'.repeat(1000);
    assert.equal(roughSize(text), 1000);
    assert.equal(roughSize(new Float32Array(10)), 40);
    assert.equal(roughSize(Array.from({ length: 784 }, (_, i) => i)), 6272);
    assert.equal(roughSize({ key: 1, value: [text, { deep: [text] }] }), 2008);
    assert.equal(roughSize(new Map([['a', text]])), 1000);
    assert.deepEqual([undefined, null, true, [], {}].map(roughSize), [8, 8, 8, 0, 0]);
  });

  it('is that of some parts where there are many', () => {
    const texts = Array.from({ length: 1000 }, () => 'x'.repeat(50));
    assert.equal(roughSize(texts), 50_000);
    assert.equal(roughSizeOfAll(texts), 50_000);
    const mixed = texts.map((text, i) => (i < 500 ? text : text.repeat(3)));
    assert.ok(Math.abs(roughSizeOfAll(mixed) - 100_000) < 10_000);
  });

  it('is found of what leads back to itself, again and again', () => {
    const nodes = Array.from({ length: 20 }, () => ({ all: [] as unknown[] }));
    for (const node of nodes) node.all.push(...nodes);
    // Every way through it would take for ever.
    assert.ok(Number.isFinite(roughSize(nodes[0])));
  });
});
