// SPDX-License-Identifier: Apache-2.0
// Random streams into a DoFn with state, timers and a side input, and into one with the side input alone,
// where timestamps may have been moved out of their windows: what they give, and when, is worked out
// beside them from Beam's rules, the state that goes with its window included.

import fc, { type Arbitrary } from 'fast-check';
import type { KV } from '../../src/coders/index.ts';
import {
  assignTimestamps,
  create,
  type DoFn,
  eventTimeTimer,
  fixedWindows,
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
import { playedBy, type Script, scripts, stepsOf } from './streams.ts';

export interface Keeping {
  readonly script: Script;
  readonly size: number;
  readonly lateness: number;
  /** How long after an element its own timer is, where it has one. */
  readonly after: number | null;
  /** By how much elements are moved in time, their windows staying what they are. */
  readonly moved: number;
  /** The times of a side input's elements. */
  readonly side: readonly number[];
}

export const keepings: Arbitrary<Keeping> = fc.record(
  {
    script: scripts,
    size: fc.constantFrom(10, 25),
    lateness: fc.constantFrom(0, 5, 1000),
    after: fc.option(fc.nat({ max: 8 })),
    moved: fc.constantFrom(0, 0, 6, 40, -30),
    side: fc.array(fc.nat({ max: 60 }), { maxLength: 5 }),
  },
  { noNullPrototype: true },
);

type Word = KV<string, number>;

export async function checkKeepings(all: readonly Keeping[], oracle: Oracle): Promise<void> {
  for (const one of all) {
    const lines: string[] = [];
    await runOn(oracle, (root) => {
      const windows = windowInto<never>(fixedWindows(one.size / 1000), {
        allowedLateness: one.lateness,
      }) as unknown as ReturnType<typeof windowInto<unknown>>;
      const side = root
        .apply(create([...one.side]))
        .apply(assignTimestamps((at) => at))
        .apply(windows);
      const context = {
        seen: valueState<number>(),
        end: eventTimeTimer(),
        own: eventTimeTimer(),
        window: windowParam(),
        at: timestampParam(),
        beside: iterableSideInput(side),
      };
      const doFn: DoFn<Word, string, typeof context> = {
        async process({ key }, { seen, end, own, window, at }) {
          const n = ((await seen.read()) ?? 0) + 1;
          seen.write(n);
          const last = window.lookup().maxTimestamp();
          end.set(last);
          const due = at.lookup() + (one.after ?? 0);
          if (one.after !== null) own.set(Math.min(due, last), { tag: `${due}` });
          return [`${key} ${n}`];
        },
        async onTimer({ key, timer, tag }, { seen, beside }) {
          return [`${key} ${timer}${tag} ${await seen.read()} ${[...beside.lookup()].length}`];
        },
      };
      const words = playedBy(root, one.script)
        .apply(windows as never as ReturnType<typeof windowInto<Word>>)
        .map((word, at) => timestamped(word, at.lookup() + one.moved), timestampParam())
        .apply(reshuffle());
      const beside = words.map(
        ({ key }, seen) => `${key} beside ${[...seen.lookup()].length}`,
        iterableSideInput(side),
      );
      for (const texts of [words.apply(parDo(doFn, context)), beside]) {
        texts.map(
          (text, { at, window }) =>
            void lines.push(`${text} at ${at.lookup()} in ${window.lookup()}`),
          { at: timestampParam(), window: windowParam() },
        );
      }
    });
    sameLines(lines, rightLines(one), oracle.name);
  }
}

interface Cell {
  readonly key: string;
  readonly start: number;
  seen: number;
  readonly timers: Map<string, number>;
}

function rightLines({ script, size, lateness, after, moved, side }: Keeping): string[] {
  const lines: string[] = [];
  const cells = new Map<string, Cell>();
  let watermark = Number.NEGATIVE_INFINITY;
  const lastOf = (start: number) => start + size - 1;
  const isOver = (start: number) => lastOf(start) + lateness < watermark;
  const besideIn = (start: number) =>
    side.filter((time) => Math.floor(time / size) * size === start).length;
  const fire = () => {
    for (const cell of cells.values()) {
      const due = [...cell.timers].filter(([, at]) => at < watermark);
      for (const [timer, at] of due) {
        cell.timers.delete(timer);
        lines.push(
          `${cell.key} ${timer} ${cell.seen} ${besideIn(cell.start)} at ${at} in [${cell.start}, ${cell.start + size})`,
        );
      }
    }
    for (const [name, { start }] of cells) if (isOver(start)) cells.delete(name);
  };
  for (const step of [...stepsOf(script), { watermark: Number.POSITIVE_INFINITY }]) {
    if ('watermark' in step) watermark = step.watermark;
    if ('elements' in step) {
      for (const { key, timestamp } of step.elements) {
        const start = Math.floor(timestamp / size) * size;
        if (isOver(start)) continue;
        const name = `${key} ${start}`;
        const cell = cells.get(name) ?? { key, start, seen: 0, timers: new Map() };
        cells.set(name, cell);
        cell.seen += 1;
        const at = timestamp + moved;
        const shown = `at ${at} in [${start}, ${start + size})`;
        lines.push(`${key} ${cell.seen} ${shown}`, `${key} beside ${besideIn(start)} ${shown}`);
        cell.timers.set('end', lastOf(start));
        if (after !== null)
          cell.timers.set(`own${at + after}`, Math.min(at + after, lastOf(start)));
      }
    }
    fire();
  }
  return lines;
}
