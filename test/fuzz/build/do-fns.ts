// SPDX-License-Identifier: Apache-2.0
// DoFns of random pipelines: with state and timers, with outputs of their own time or tag, splittable.

import type { KV, Window } from '../../../src/coders/index.ts';
import { P, type PCollection } from '../../../src/pipeline/index.ts';
import {
  type BagState,
  bagState,
  type CombiningState,
  combiningState,
  type DoFn,
  eventTimeTimer,
  flatten,
  type MapState,
  type MultimapState,
  mapState,
  multimapState,
  type OffsetRange,
  OffsetRangeTracker,
  type OrderedListState,
  offsetRange,
  orderedListState,
  parDo,
  type RestrictionTracker,
  resume,
  type SetState,
  setState,
  splitOffsetRange,
  splittableDoFn,
  sum,
  type TimerFiring,
  tagged,
  timestamped,
  timestampParam,
  type ValueState,
  valueState,
  windowParam,
} from '../../../src/transforms/index.ts';
import { amount, isOdd, sorted, stateKey } from '../functions.ts';
import type { Facts } from '../plan.ts';
import type { Step } from '../program.ts';

type Any = PCollection<unknown>;
type Of<O extends Step['op']> = Extract<Step, { op: O }>;

interface Kept {
  bag: BagState<unknown>;
  combining: CombiningState<number, number>;
  value: ValueState<number>;
  set: SetState<number>;
  map: MapState<number, number>;
  multimap: MultimapState<number, number>;
  list: OrderedListState<number>;
}

const STATES = {
  bag: () => bagState<unknown>(),
  combining: () => combiningState(sum),
  value: () => valueState<number>(),
  set: () => setState<number>(),
  map: () => mapState<number, number>(),
  multimap: () => multimapState<number, number>(),
  list: () => orderedListState<number>(),
} as const;

/** What an element adds to each kind of state. */
const ADD: { [K in keyof Kept]: (state: Kept[K], value: unknown) => void | Promise<void> } = {
  bag: (state, value) => state.add(value),
  combining: (state, value) => state.add(amount(value)),
  value: async (state, value) => state.write(Math.max((await state.read()) ?? 0, amount(value))),
  set: (state, value) => state.add(amount(value) % 5),
  map: (state, value) => state.set(amount(value) % 3, (amount(value) % 3) * 2),
  multimap: (state, value) => state.add(amount(value) % 3, amount(value)),
  list: (state, value) => state.add(amount(value), amount(value)),
};

const byNumber = (a: number, b: number) => a - b;

const READ: { [K in keyof Kept]: (state: Kept[K]) => Promise<unknown> } = {
  bag: async (state) => sorted(await state.read()),
  combining: (state) => state.read(),
  value: (state) => state.read(),
  set: async (state) => [...(await state.read())].sort(byNumber),
  map: async (state) => [...(await state.read())].sort(([a], [b]) => a - b),
  multimap: (state) =>
    Promise.all([0, 1, 2].map(async (key) => [...(await state.get(key))].sort(byNumber))),
  list: async (state) => (await state.readRange(100, 900)).map(({ value }) => value),
};

export function keepsState(input: Any, { how, buckets, timer }: Of<'state'>): Any {
  const context = {
    state: STATES[how](),
    end: eventTimeTimer(),
    window: windowParam(),
  };
  type Context = typeof context;
  const add = ADD[how] as (state: unknown, value: unknown) => void | Promise<void>;
  const read = READ[how] as (state: unknown) => Promise<unknown>;
  const last = (window: Window) => window.maxTimestamp();
  const firesTwice = (window: Window) => timer === 'again' && `${window}` !== 'GlobalWindow';
  const doFn: DoFn<KV<string, unknown>, unknown, Context> = {
    async process({ value }, { state, end, window }) {
      const at = last(window.lookup());
      if (timer === 'tags') end.set(at, { tag: isOdd(value) ? 'odd' : 'even' });
      else end.set(firesTwice(window.lookup()) ? at - 5 : at);
      await add(state, value);
    },
    async onTimer({ key, tag, fireTimestamp }: TimerFiring<string>, { state, end, window }) {
      const at = last(window.lookup());
      if (firesTwice(window.lookup()) && fireTimestamp < at) end.set(at);
      return [{ key, tag, result: await read(state) }];
    },
  };
  return input
    .map((value) => ({ key: stateKey(value, buckets), value }))
    .apply(parDo(doFn, context));
}

/** Elements with the name of the output that they went to. */
export function emits(input: Any, { how }: Of<'emit'>, { hasTimes }: Facts): Any {
  if (how === 'finish') return input.apply(parDo(new Buffering(), Buffering.context()));
  const context = { now: timestampParam() };
  const doFn = {
    *process(value: unknown, { now }: typeof context): Generator<unknown> {
      const at = now.lookup() + (hasTimes ? 1 : 0);
      const out = (from: string) => ({ from, value });
      const odd = how.includes('tagged') && isOdd(value);
      if (!odd) yield how.includes('timestamped') ? timestamped(out('main'), at) : out('main');
      else if (how === 'tagged') yield tagged('odd', out('odd'));
      else if (how === 'tagged(timestamped)') yield tagged('odd', timestamped(out('odd'), at));
      else yield timestamped(tagged('odd', out('odd')), at);
    },
  };
  const outputs = input.apply(
    parDo<unknown, unknown, typeof context>(doFn, context).withOutputs<Record<string, unknown>>({
      main: 'main',
      tags: ['odd'],
    }),
  );
  return P([outputs.main!, outputs.odd!]).apply(flatten());
}

/** Gives everything at the end of the bundle. */
class Buffering {
  static context = () => ({ now: timestampParam(), window: windowParam() });
  private held: { value: unknown; timestamp: number; windows: Window[]; pane: never }[] = [];

  startBundle() {
    this.held = [];
  }

  process(value: unknown, { now, window }: ReturnType<typeof Buffering.context>) {
    this.held.push({
      value: { from: 'main', value },
      timestamp: now.lookup(),
      windows: [window.lookup()],
      pane: { isFirst: true, isLast: true, timing: 3, index: 0, onTimeIndex: 0 } as never,
    });
  }

  finishBundle() {
    return this.held;
  }
}

type Offsets = RestrictionTracker<OffsetRange, number>;

export function claims(input: Any, { most, how }: Of<'splittable'>): Any {
  return input.apply(
    parDo(
      splittableDoFn({
        initialRestriction: (value: unknown) => offsetRange(0, amount(value) % (most + 1)),
        newTracker: (range: OffsetRange) => new OffsetRangeTracker(range),
        splitRestriction: (_: unknown, range: OffsetRange) =>
          how === 'splits' ? splitOffsetRange(range, 2) : [range],
        *process(of: unknown, tracker: Offsets) {
          const { start } = tracker.currentRestriction();
          for (let i = start; tracker.tryClaim(i); i++) {
            yield { of, i };
            if (how === 'resumes' && i === start) return resume();
          }
          return undefined;
        },
      }),
    ),
  );
}
