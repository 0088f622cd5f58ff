// SPDX-License-Identifier: Apache-2.0
// Random streams whose elements are held up by a slow step, while their source and its watermark go on:
// none of them is late, so that what comes out follows from the elements alone, however long they take.

import { setTimeout as sleep } from 'node:timers/promises';
import fc, { type Arbitrary } from 'fast-check';
import type { KV } from '../../src/coders/index.ts';
import {
  assignTimestamps,
  create,
  type DoFn,
  eventTimeTimer,
  fixedWindows,
  fromAsyncIterable,
  iterableSideInput,
  parDo,
  reshuffle,
  timestamped,
  timestampParam,
  valueState,
  windowInto,
  windowParam,
} from '../../src/transforms/index.ts';
import { type Oracle, runOn, sameLines } from './run.ts';

export interface Slow {
  /** In order of time, of which each says how long after the one before it is. */
  readonly elements: readonly {
    readonly key: string;
    readonly after: number;
    /** Milliseconds before it comes, and in the slow step. */
    readonly pause: number;
    readonly takes: number;
  }[];
  readonly size: number;
  /** By how much elements are moved in time, their windows staying what they are. */
  readonly moved: number;
  /** The times of a side input's elements. */
  readonly side: readonly number[];
}

const plain = { noNullPrototype: true } as const;

export const slows: Arbitrary<Slow> = fc.record(
  {
    elements: fc.array(
      fc.record(
        {
          key: fc.constantFrom('a', 'b'),
          after: fc.oneof(fc.nat({ max: 4 }), fc.constantFrom(0, 15)),
          pause: fc.constantFrom(0, 0, 3, 12),
          takes: fc.constantFrom(0, 2, 8),
        },
        plain,
      ),
      { minLength: 1, maxLength: 8, size: 'max' },
    ),
    size: fc.constantFrom(5, 10),
    moved: fc.constantFrom(0, 6, 40, -30),
    side: fc.array(fc.nat({ max: 40 }), { maxLength: 5 }),
  },
  plain,
);

interface Timed {
  readonly key: string;
  readonly at: number;
  readonly takes: number;
}

function timed({ elements }: Slow): (Timed & { pause: number })[] {
  let at = 0;
  return elements.map(({ after, ...rest }) => {
    at += after;
    return { ...rest, at };
  });
}

export async function checkSlows(all: readonly Slow[], oracle: Oracle): Promise<void> {
  const told = all.map(() => [] as string[]);
  await runOn(oracle, (root) => {
    for (const [i, slow] of all.entries()) {
      const lines = told[i]!;
      async function* source(): AsyncGenerator<Timed> {
        for (const { pause, ...element } of timed(slow)) {
          if (pause > 0) await sleep(pause);
          yield element;
        }
      }
      const side = root
        .apply(create([...slow.side]))
        .apply(assignTimestamps((at) => at))
        .apply(windowInto(fixedWindows(slow.size / 1000)));
      const held = root
        .apply(fromAsyncIterable(source, { timestamp: ({ at }) => at }))
        .apply(windowInto(fixedWindows(slow.size / 1000)))
        .map((element, at) => timestamped(element, at.lookup() + slow.moved), timestampParam())
        .apply(reshuffle())
        .map((element) => (element.takes > 0 ? sleep(element.takes, element) : element))
        .apply(reshuffle());
      const beside = held.map(
        ({ key }, seen) => `${key} beside ${[...seen.lookup()].length}`,
        iterableSideInput(side),
      );
      const context = { ...COUNTING, beside: iterableSideInput(side) };
      const counted = held.map(({ key }) => ({ key, value: 0 })).apply(parDo(counting(), context));
      for (const texts of [beside, counted]) {
        texts.map(
          (text, { at, window }) =>
            void lines.push(`${text} at ${at.lookup()} in ${window.lookup()}`),
          { at: timestampParam(), window: windowParam() },
        );
      }
    }
  });
  for (const [i, slow] of all.entries()) sameLines(told[i]!, rightLines(slow), oracle.name);
}

const COUNTING = { seen: valueState<number>(), end: eventTimeTimer(), window: windowParam() };
type Counting = typeof COUNTING & { beside: ReturnType<typeof iterableSideInput<number>> };

const counting = (): DoFn<KV<string, number>, string, Counting> => ({
  async process({ key }, { seen, end, window }) {
    const n = ((await seen.read()) ?? 0) + 1;
    seen.write(n);
    end.set(window.lookup().maxTimestamp());
    return [`${key} ${n}`];
  },
  async onTimer({ key }, { seen, beside }) {
    return [`${key} end ${await seen.read()} ${[...beside.lookup()].length}`];
  },
});

function rightLines(slow: Slow): string[] {
  const { size, moved, side } = slow;
  const startOf = (time: number) => Math.floor(time / size) * size;
  const besideIn = (start: number) => side.filter((time) => startOf(time) === start).length;
  const cells = new Map<string, { key: string; start: number; seen: number }>();
  const lines = timed(slow).flatMap(({ key, at }) => {
    const start = startOf(at);
    const cell = cells.get(`${key} ${start}`) ?? { key, start, seen: 0 };
    cells.set(`${key} ${start}`, cell);
    cell.seen += 1;
    const shown = `at ${at + moved} in [${start}, ${start + size})`;
    return [`${key} ${cell.seen} ${shown}`, `${key} beside ${besideIn(start)} ${shown}`];
  });
  for (const { key, start, seen } of cells.values()) {
    const last = start + size - 1;
    lines.push(`${key} end ${seen} ${besideIn(start)} at ${last} in [${start}, ${start + size})`);
  }
  return lines;
}
