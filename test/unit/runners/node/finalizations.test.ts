// SPDX-License-Identifier: Apache-2.0
// When the node runner finalizes bundles: what came of them has reached its end, or somebody who keeps it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  bundleFinalizerParam,
  create,
  groupByKey,
  type OffsetRange,
  OffsetRangeTracker,
  offsetRange,
  type PCollection,
  parDo,
  type Root,
  reshuffle,
  resume,
  type SplittableDoFn,
} from '../../../../src/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import { Finalizations } from '../../../../src/runners/node/engine/finalizations.ts';
import type { EngineNode } from '../../../../src/runners/node/engine/node.ts';

const runner = createRunner({ runner: 'node', progress: false });

/** Numbers whose bundles write down when they are finalized. */
const confirmed = (root: Root, events: string[]): PCollection<number> =>
  root.apply(create([1, 2, 3])).map(
    (n, { bundle }) => {
      bundle.register(async () => void events.push(`confirmed ${n}`));
      return n;
    },
    { bundle: bundleFinalizerParam() },
  );

async function slowly(events: string[], n: number): Promise<number> {
  await delay(20);
  events.push(`stored ${n}`);
  return n;
}

const places = (events: string[], kind: string) =>
  events.flatMap((event, i) => (event.startsWith(kind) ? [i] : []));

describe('a bundle is finalized', () => {
  it('when all that came of it has reached the last step, stages later', async () => {
    const events: string[] = [];
    await runner.run((root) => {
      confirmed(root, events)
        .apply(reshuffle())
        .map((n) => slowly(events, n))
        .apply(reshuffle())
        .map((n) => slowly(events, n));
    });
    assert.equal(places(events, 'stored').length, 6);
    assert.equal(places(events, 'confirmed').length, 3);
    assert.ok(Math.min(...places(events, 'confirmed')) > Math.max(...places(events, 'stored')));
  });

  it('never, when a step behind it fails', async () => {
    const events: string[] = [];
    await assert.rejects(
      runner.run((root) => {
        confirmed(root, events)
          .apply(reshuffle())
          .map(async (n) => {
            await delay(20);
            throw new RangeError(`${n} is bad`);
          });
      }),
      { code: 'USER_CODE_FAILED' },
    );
    assert.deepEqual(events, []);
  });

  it('bundle by bundle in a splittable DoFn, whatever is left of its element', async () => {
    const events: string[] = [];
    const counting: SplittableDoFn<
      number,
      number,
      OffsetRange,
      number,
      { bundle: ReturnType<typeof bundleFinalizerParam> }
    > = {
      bounded: false,
      initialRestriction: (n) => offsetRange(0, n),
      newTracker: (range) => new OffsetRangeTracker(range),
      *process(_, tracker, { bundle }) {
        const { start } = tracker.currentRestriction();
        if (!tracker.tryClaim(start)) return undefined;
        bundle.register(async () => void events.push(`confirmed ${start}`));
        yield start;
        // Longer than what is behind it takes.
        return resume(200);
      },
    };
    await runner.run((root) => {
      root
        .apply(create([4]))
        .apply(parDo(counting, { bundle: bundleFinalizerParam() }))
        .apply(reshuffle())
        .map((n) => slowly(events, n));
    });
    const confirmedAt = (n: number) => events.indexOf(`confirmed ${n}`);
    assert.equal(places(events, 'confirmed').length, 4);
    for (const n of [0, 1, 2, 3]) assert.ok(events.indexOf(`stored ${n}`) < confirmedAt(n));
    assert.ok(confirmedAt(0) < events.indexOf('stored 3'), String(events));
  });

  it('when a grouping has what came of it', async () => {
    const events: string[] = [];
    await runner.run((root) => {
      confirmed(root, events)
        .map((value) => ({ key: 'all', value }))
        .apply(groupByKey())
        .map(async ({ value }) => {
          for (const n of value) await slowly(events, n);
        });
    });
    assert.ok(Math.min(...places(events, 'confirmed')) < Math.max(...places(events, 'stored')));
  });
});

describe('finalizations', () => {
  it('wait for what older bundles have under way, and run in turn', async () => {
    const finalizations = new Finalizations();
    const done: number[] = [];
    const origins = [1, 2, 3].map(() => finalizations.newOrigin());
    for (const origin of [3, 1, 2]) {
      finalizations.add(origin, async () => void done.push(origin));
    }
    const work: Promise<void>[] = [];
    const run = (origin?: number) => {
      finalizations.run([{ origin } as EngineNode, {} as EngineNode], (one) => work.push(one));
    };
    assert.deepEqual(origins, [1, 2, 3]);
    run(1);
    assert.equal(work.length, 0);
    run(3);
    await Promise.all(work.splice(0));
    assert.deepEqual(done, [1, 2]);
    run();
    await Promise.all(work);
    assert.deepEqual(done, [1, 2, 3]);
  });
});
