// SPDX-License-Identifier: Apache-2.0
// When the node runner finalizes bundles: what came of them has reached its end, or somebody who keeps it.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setLogSink } from '../../../../src/base/index.ts';
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
import { writeToText } from '../../../../src/io/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import { Finalizations } from '../../../../src/runners/node/engine/finalizations.ts';
import { joined, Origin, Origins } from '../../../../src/runners/node/engine/origin.ts';

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

/** A source that gives as many numbers as its element says, each in a bundle, and how far finalization is behind. */
function counting(finalize: () => Promise<void>, pauseMs: number) {
  const seen = { given: 0, finalized: 0, mostBehind: 0 };
  const source: SplittableDoFn<
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
      seen.given += 1;
      seen.mostBehind = Math.max(seen.mostBehind, seen.given - seen.finalized);
      bundle.register(async () => {
        await finalize();
        seen.finalized += 1;
      });
      yield start;
      return resume(pauseMs);
    },
  };
  return { source, seen };
}

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

  it('never, when a step behind it fails, whoever wakes the engine at that moment', async () => {
    for (let turns = 0; turns <= 20; turns++) {
      const events: string[] = [];
      let fail = () => {};
      const bothAreThere = new Promise<void>((resolve) => {
        fail = resolve;
      });
      let there = 0;
      const meet = async (turnsLater: number) => {
        there += 1;
        if (there === 2) fail();
        await bothAreThere;
        for (let i = 0; i < turnsLater; i++) await null;
      };
      const run = runner.run((root) => {
        confirmed(root, events)
          .filter((n) => n === 1)
          .apply(reshuffle())
          .map(async () => {
            await meet(turns);
            throw new RangeError('not stored');
          });
        root
          .apply(create(['other']))
          .apply(reshuffle())
          .map(() => meet(0));
      });
      await assert.rejects(run, { code: 'USER_CODE_FAILED' });
      assert.deepEqual(events, [], `${turns} turns after the other`);
    }
  });

  it('before the run is over, however long finalization takes', async () => {
    const events: string[] = [];
    const slow = (name: string) => (root: Root) =>
      root.apply(create([name])).map(
        (value, { bundle }) => {
          bundle.register(async () => {
            await delay(100);
            events.push(value);
          });
          return value;
        },
        { bundle: bundleFinalizerParam() },
      );
    await runner.run((root) => {
      for (const name of ['a', 'b', 'c']) {
        root
          .apply(slow(name))
          .apply(reshuffle())
          .map((value) => slowly([], value.length));
      }
    });
    assert.deepEqual(events.sort(), ['a', 'b', 'c']);
  });

  it('when its own element has gone its way through a splittable DoFn, whatever others do there', async () => {
    const { source, seen } = counting(async () => {}, 20);
    /** Asks for each element three times, so that there are always some under way. */
    const asking: SplittableDoFn<number, number, OffsetRange, number> = {
      bounded: true,
      initialRestriction: () => offsetRange(0, 3),
      newTracker: (range) => new OffsetRangeTracker(range),
      *process(n, tracker) {
        const { start, stop } = tracker.currentRestriction();
        if (!tracker.tryClaim(start)) return undefined;
        if (start < stop - 1) return resume(20);
        yield n;
        return undefined;
      },
    };
    await runner.run((root) => {
      root
        .apply(create([60]))
        .apply(parDo(source, { bundle: bundleFinalizerParam() }))
        .apply(reshuffle())
        .apply(parDo(asking));
    });
    assert.equal(seen.finalized, 60);
    assert.ok(seen.mostBehind < 40, `${seen.mostBehind} were not finalized`);
  });

  it('although bundles of another source have something under way', async () => {
    const events: string[] = [];
    let isConfirmed = () => {};
    const confirmation = new Promise<void>((resolve) => {
      isConfirmed = resolve;
    });
    await runner.run((root) => {
      // What came of these waits until the others were confirmed.
      confirmed(root, [])
        .apply(reshuffle())
        .map(() => confirmation);
      root.apply(create([1])).map(
        (n, { bundle }) => {
          bundle.register(async () => {
            events.push(`confirmed ${n}`);
            isConfirmed();
          });
        },
        { bundle: bundleFinalizerParam() },
      );
    });
    assert.deepEqual(events, ['confirmed 1']);
  });

  it('before its step gives much more, though finalization is slower than the step', async () => {
    const { source, seen } = counting(() => delay(20), 0);
    await runner.run((root) => {
      root.apply(create([60])).apply(parDo(source, { bundle: bundleFinalizerParam() }));
    });
    assert.equal(seen.finalized, 60);
    assert.ok(seen.mostBehind < 20, `${seen.mostBehind} were not finalized`);
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

describe('a batch that writes files is confirmed', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'beambridge-finalize-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('once they have their names, although a grouping inside has had it before', async () => {
    const found: string[] = [];
    await runner.run((root) => {
      root
        .apply(create([1, 2]))
        .map(
          (n, { bundle }) => {
            bundle.register(async () => void found.push(`${n}: ${readdirSync(folder)}`));
            return String(n);
          },
          { bundle: bundleFinalizerParam() },
        )
        .apply(writeToText(join(folder, 'out')));
    });
    assert.deepEqual(found, ['1: out-00000-of-00001', '2: out-00000-of-00001']);
  });

  it('never, when another branch fails after they were written', async () => {
    const events: string[] = [];
    const run = runner.run((root) => {
      confirmed(root, events)
        .map(String)
        .apply(writeToText(join(folder, 'out')));
      root.apply(create([0])).map(async () => {
        await delay(200);
        throw new Error('too late');
      });
    });
    await assert.rejects(run, { code: 'USER_CODE_FAILED' });
    assert.deepEqual([events, readdirSync(folder)], [[], []]);
  });

  it('never, when a file cannot be named', async () => {
    const events: string[] = [];
    mkdirSync(join(folder, 'out-00000-of-00001'));
    const run = runner.run((root) => {
      confirmed(root, events)
        .map(String)
        .apply(writeToText(join(folder, 'out')));
    });
    await assert.rejects(run);
    assert.deepEqual(events, []);
  });
});

describe('a wish to end that comes when files have their names', () => {
  let folder: string;
  let said: string[];
  let restore: () => void;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'beambridge-finalize-'));
    said = [];
    restore = setLogSink(({ level, message }) => void (level === 'warn' && said.push(message)));
  });
  afterEach(() => {
    restore();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Cancels a run as soon as its first bundle is being confirmed; what was confirmed, and its end. */
  async function cancelled(finalize: () => Promise<void>): Promise<[number, string]> {
    let count = 0;
    let begun: () => void = () => {};
    const beginning = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const run = await runner.runAsync((root) => {
      root
        .apply(create([1, 2, 3]))
        .map(
          (n, { bundle }) => {
            bundle.register(async () => {
              begun();
              await finalize();
              count += 1;
            });
            return String(n);
          },
          { bundle: bundleFinalizerParam() },
        )
        .apply(writeToText(join(folder, 'out')));
    });
    await beginning;
    return [await run.cancel().then(() => count), run.state];
  }

  it('comes too late: all is confirmed', async () => {
    assert.deepEqual(await cancelled(() => delay(50)), [3, 'DONE']);
    assert.deepEqual(said, []);
  });

  it('is not kept waiting for what takes long, of which it says so', async () => {
    assert.deepEqual(await cancelled(() => delay(60_000, undefined, { ref: false })), [0, 'DONE']);
    assert.match(said.join(), /not all of what is stored is confirmed/);
  });
});

describe('finalizations', () => {
  it('of a step wait for what older bundles of it have under way, and run in turn', async () => {
    const finalizations = new Finalizations();
    const done: string[] = [];
    const step = {};
    const [first, second, third] = [new Origin(), new Origin(), new Origin()];
    first.retain();
    third.retain();
    for (const [name, origin] of Object.entries({ first, second, third })) {
      finalizations.add(step, origin, async () => void done.push(name));
    }
    finalizations.add({}, new Origin(), async () => void done.push('of another step'));
    const run = async () => {
      const work: Promise<void>[] = [];
      finalizations.run((one) => work.push(one));
      await Promise.all(work);
      return done.splice(0);
    };
    assert.deepEqual(await run(), ['of another step']);
    first.release();
    assert.deepEqual(await run(), ['first', 'second']);
    assert.ok(!finalizations.isEmpty);
    third.release();
    assert.deepEqual(await run(), ['third']);
    assert.ok(finalizations.isEmpty);
  });

  it('that have waited for the end of a batch come first, and in turn, where it turns out to be a stream', async () => {
    let storesAtEnd = true;
    const finalizations = new Finalizations(() => storesAtEnd);
    const events: string[] = [];
    const work: Promise<void>[] = [];
    const step = {};
    const add = (n: number, canWait = true) =>
      finalizations.add(
        step,
        new Origin(),
        async () => {
          events.push(`begin ${n}`);
          await delay(1);
          events.push(`end ${n}`);
        },
        canWait,
      );
    const round = () => finalizations.run((one) => work.push(one));
    for (const n of [1, 2]) add(n);
    round();
    assert.deepEqual([events, finalizations.isEmpty], [[], true]);
    storesAtEnd = false;
    assert.equal(finalizations.isEmpty, false);
    add(3);
    round();
    round();
    await Promise.all(work);
    assert.deepEqual(
      events,
      [1, 2, 3].flatMap((n) => [`begin ${n}`, `end ${n}`]),
    );
    assert.equal(finalizations.isEmpty, true);
  });

  it('end with a run that fails', async () => {
    const finalizations = new Finalizations();
    const done: number[] = [];
    for (const n of [1, 2]) finalizations.add(done, new Origin(), async () => void done.push(n));
    const work: Promise<void>[] = [];
    finalizations.run(
      (one) => work.push(one),
      () => done.length > 0,
    );
    await Promise.all(work);
    assert.deepEqual(done, [1]);
  });
});

describe('the origin of several bundles', () => {
  it('keeps each of them in use, as long as one of its own uses lasts', () => {
    const [a, b, c] = [new Origin(), new Origin(), new Origin()];
    const both = joined(a, b)!;
    const all = joined(both, c)!;
    both.retain();
    all.retain();
    all.retain();
    both.release();
    all.release();
    const free = () => [a, b, c].map(({ isFree }) => isFree);
    assert.deepEqual(free(), [false, false, false]);
    all.release();
    assert.deepEqual(free(), [true, true, true]);
  });

  it('may be as many levels deep as there are bundles', () => {
    const bundles = Array.from({ length: 100_000 }, () => new Origin());
    const origins = new Origins();
    for (const bundle of bundles) origins.add(bundle);
    assert.ok(bundles.every(({ isFree }) => !isFree));
    origins.release();
    assert.ok(bundles.every(({ isFree }) => isFree));
  });
});
