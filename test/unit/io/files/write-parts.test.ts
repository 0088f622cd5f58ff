// SPDX-License-Identifier: Apache-2.0
// What a bundle of very many destinations holds: files that are open, and elements that wait.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { OutputSpec } from '../../../../src/io/text/output.ts';
import type { ShardFormat } from '../../../../src/io/text/shard-format.ts';
import { WriteParts } from '../../../../src/io/text/write-parts.ts';
import { scratch } from '../scratch.ts';

const MIB = 1024 * 1024;

test('10,000 destinations: few files are open at once, and what waits is bounded', async () => {
  let open = 0;
  let mostOpen = 0;
  let held = 0;
  let mostHeld = 0;
  // It writes nothing, and says of each element that it is large.
  const format: ShardFormat<string> = {
    frameBytes: 0,
    separatorBytes: 0,
    isWhole: true,
    sizeOf: () => MIB,
    async begin(path) {
      open += 1;
      mostOpen = Math.max(mostOpen, open);
      return {
        path,
        append() {
          held -= 1;
          return undefined;
        },
        async close() {
          open -= 1;
          return { bytes: 1 };
        },
      };
    },
    async *join() {},
  };
  const spec: OutputSpec<string> = {
    prefix: join(scratch, 'out'),
    suffix: '',
    template: '-SS',
    shards: undefined,
    maxRecords: undefined,
    maxBytes: undefined,
    byDestination: true,
    format,
  };
  const render = (element: string) => {
    held += 1;
    mostHeld = Math.max(mostHeld, held);
    return element;
  };
  const sink = new WriteParts<string, string>(spec, render, (element) => element);
  const context = { folder: { lookup: () => scratch } } as never;
  sink.startBundle();
  for (let i = 0; i < 30_000; i++) {
    const waiting = sink.process(`${(i * 7919) % 10_000}`, context);
    if (waiting) await waiting;
  }
  const parts = await sink.finishBundle();
  assert.equal(open, 0);
  assert.equal(held, 0);
  assert.ok(mostOpen <= 17, `${mostOpen} files`);
  assert.ok(mostHeld <= 33, `${mostHeld} MiB`);
  const records = new Map<string, number>();
  for (const { value } of parts) {
    const { destination = '', records: count } = value;
    records.set(destination, (records.get(destination) ?? 0) + count);
  }
  assert.equal(records.size, 10_000);
  assert.ok([...records.values()].every((count) => count === 3));
});
