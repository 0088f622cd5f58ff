// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import { watchFiles } from '../../../src/io/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { fromAsyncIterable, periodicImpulse } from '../../../src/transforms/index.ts';

function refuses(build: () => unknown, message: RegExp): void {
  assert.throws(build, (error) => {
    assert.ok(error instanceof BeamBridgeError);
    assert.equal(error.code, 'INVALID_ARGUMENT');
    assert.match(error.message, message);
    return true;
  });
}

test('sources over time refuse what they cannot keep to', () => {
  refuses(() => periodicImpulse({ interval: 0 }), /interval 0/);
  refuses(() => periodicImpulse({ interval: 10, start: 0.5 }), /start 0.5/);
  refuses(() => fromAsyncIterable([1] as never), /which is not async iterable/);
  refuses(() => watchFiles('*.txt', { interval: 0 }), /interval 0/);
  refuses(() => watchFiles(''), /is no path/);
});

test('sources over time are unbounded unless they are told when to stop', () => {
  const root = new Root(new Pipeline());
  const source = async function* () {
    yield 1;
  };
  const endless = [
    root.apply(periodicImpulse({ interval: 10 })),
    root.apply(fromAsyncIterable(source)),
    root.apply(watchFiles('*.txt')),
  ];
  const ending = [
    root.apply(periodicImpulse({ interval: 10, start: 0, stop: 5 })),
    root.apply(fromAsyncIterable(source, { bounded: true })),
    root.apply(watchFiles('*.txt', { stopAfter: 5 })),
  ];
  assert.deepEqual(
    endless.map(({ isBounded }) => isBounded),
    [false, false, false],
  );
  assert.deepEqual(
    ending.map(({ isBounded }) => isBounded),
    [true, true, true],
  );
});
