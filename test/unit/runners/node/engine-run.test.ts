// SPDX-License-Identifier: Apache-2.0
// How a run ends: with its own error, whatever closing what it held comes to.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BeamBridgeError, type LogRecord, setLogSink } from '../../../../src/base/index.ts';
import { MAX_TIMESTAMP } from '../../../../src/coders/index.ts';
import { create, pb } from '../../../../src/proto/index.ts';
import { Engine } from '../../../../src/runners/node/engine/engine.ts';
import type { EngineNode } from '../../../../src/runners/node/engine/node.ts';

/** Runs nodes that fail as they are told to, and one more, which is closed whatever the others do. */
async function run(fails: { step?: Error; close?: Error }) {
  const components = create(pb.ComponentsSchema);
  const engine = new Engine({
    components,
    functions: new Map(),
    executor: () => assert.fail('there is nothing to execute'),
    forceEncoding: false,
  });
  let closed = 0;
  const node = (isFailing: boolean): EngineNode => ({
    inputs: [],
    outputs: [],
    outputWatermark: MAX_TIMESTAMP,
    isQuiet: true,
    step() {
      if (isFailing && fails.step) throw fails.step;
      return false;
    },
    async close() {
      if (isFailing && fails.close) throw fails.close;
      closed += 1;
    },
  });
  engine.add({ components, stages: [], own: [], awaited: [], isLast: false });
  const { nodes } = (engine as unknown as { graph: { nodes: EngineNode[] } }).graph;
  nodes.push(node(true), node(false));
  const warnings: string[] = [];
  const restore = setLogSink(({ level, message }: LogRecord) => {
    if (level === 'warn') warnings.push(message);
  });
  try {
    setImmediate(() => engine.add({ components, stages: [], own: [], awaited: [], isLast: true }));
    const error = await engine.run().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return { error, closed, warnings };
  } finally {
    restore();
  }
}

describe('a run', () => {
  const why = new BeamBridgeError('USER_CODE_FAILED', 'the run failed');
  const closing = new BeamBridgeError('INTERNAL', 'a file could not be closed');

  it('ends with its own error, and tells beside it of one while it closed', async () => {
    const { error, closed, warnings } = await run({ step: why, close: closing });
    assert.equal(error, why);
    assert.equal(closed, 1);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /was not closed: .*a file could not be closed/);
  });

  it('that succeeded fails when it cannot be closed, and all else is', async () => {
    const { error, closed, warnings } = await run({ close: closing });
    assert.deepEqual([error, closed, warnings], [closing, 1, []]);
  });

  it('ends without an error where there is none', async () => {
    const { error, closed, warnings } = await run({});
    assert.deepEqual([error, closed, warnings], [undefined, 2, []]);
  });
});
