// SPDX-License-Identifier: Apache-2.0
// State and timers of DoFns, for each key and window.

import type { KV } from '../../../src/coders/index.ts';
import type { PCollection, Root } from '../../../src/pipeline/index.ts';
import { int64, string } from '../../../src/schema/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import {
  assignTimestamps,
  type BagState,
  bagState,
  type CombiningState,
  combiningState,
  create,
  type DoFn,
  eventTimeTimer,
  fixedWindows,
  globalWindows,
  type MapState,
  type MultimapState,
  mapState,
  mean,
  multimapState,
  type OrderedListState,
  orderedListState,
  parDo,
  processingTimeTimer,
  reshuffle,
  type SetState,
  setState,
  sum,
  type TimerFiring,
  type TimerParam,
  type TimestampedValue,
  timestampParam,
  type ValueState,
  valueState,
  windowInto,
  windowParam,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

type Word = KV<string, number>;

const WORDS: Word[] = [
  { key: 'a', value: 1 },
  { key: 'b', value: 10 },
  { key: 'a', value: 2 },
  { key: 'a', value: 3 },
];

/** Words that happen at as many seconds. */
function words(root: Root, all = WORDS): PCollection<Word> {
  return root
    .apply(create(all))
    .apply(assignTimestamps(({ value }) => value * 1000))
    .apply(reshuffle());
}

/** What a key's values come to, once they are all there. */
class AtTheEnd<C> implements DoFn<Word, string, C & { end: TimerParam }> {
  constructor(
    private readonly add: (value: number, context: C) => void | Promise<void>,
    private readonly describe: (context: C) => Promise<string>,
  ) {}

  async process({ value }: Word, context: C & { end: TimerParam }) {
    context.end.set(60_000);
    await this.add(value, context);
  }

  async onTimer({ key }: TimerFiring<string>, context: C) {
    return [`${key}: ${await this.describe(context)}`];
  }
}

function atTheEnd<C extends object>(
  context: C,
  add: (value: number, context: C) => void | Promise<void>,
  describe: (context: C) => Promise<string>,
) {
  return parDo(new AtTheEnd<C>(add, describe), { ...context, end: eventTimeTimer() });
}

const sorted = (values: Iterable<unknown>) => [...values].map(String).sort().join();

export const state: Cases = [
  {
    name: 'a value is kept for each key',
    build: (root) => {
      const doFn: DoFn<Word, string, { seen: ValueState<number> }> = {
        async process({ key }, { seen }) {
          const before = (await seen.read()) ?? 0;
          seen.write(before + 1);
          return [`${key}${before}`];
        },
      };
      words(root)
        .apply(parDo(doFn, { seen: valueState(int64) }))
        .apply(assertDeepEqual(['a0', 'a1', 'a2', 'b0']));
    },
  },
  {
    name: 'state is kept for each window',
    build: (root) => {
      const doFn: DoFn<Word, string, { seen: ValueState<number> }> = {
        async process({ key }, { seen }) {
          const before = (await seen.read()) ?? 0;
          seen.write(before + 1);
          return [`${key}${before}`];
        },
      };
      words(root)
        .apply(windowInto(fixedWindows(3)))
        .apply(parDo(doFn, { seen: valueState<number>() }))
        .apply(assertDeepEqual(['a0', 'a1', 'a0', 'b0']));
    },
  },
  {
    name: 'bags, from one bundle to the next',
    build: (root) => {
      words(root)
        .apply(
          atTheEnd(
            { all: bagState(int64) },
            (value, { all }) => all.add(value),
            async ({ all }) => `${sorted(await all.read())} ${await all.isEmpty()}`,
          ),
        )
        .apply(assertDeepEqual(['a: 1,2,3 false', 'b: 10 false']));
    },
  },
  {
    name: 'combining state, blind and read in between',
    build: (root) => {
      type C = { total: CombiningState<number, number>; average: CombiningState<number, number> };
      const context: C = { total: combiningState(sum), average: combiningState(mean) } as C;
      for (const reads of [false, true]) {
        words(root)
          .apply(
            atTheEnd(
              context,
              async (value, { total, average }) => {
                total.add(value);
                average.add(value);
                if (reads) await total.read();
              },
              async ({ total, average }) => `${await total.read()} ${await average.read()}`,
            ),
          )
          .apply(assertDeepEqual(['a: 6 2', 'b: 10 10']));
      }
    },
  },
  {
    name: 'sets, maps and multimaps',
    build: (root) => {
      type C = {
        odd: SetState<boolean>;
        last: MapState<string, number>;
        by: MultimapState<string, number>;
      };
      const context: C = { odd: setState(), last: mapState(string, int64), by: multimapState() };
      const all = [...WORDS, { key: 'a', value: 5 }];
      words(root, all)
        .apply(
          atTheEnd(
            context,
            (value, { odd, last, by }) => {
              odd.add(value % 2 === 1);
              last.set(`${value % 2}`, 7);
              by.add(`${value % 2}`, value);
            },
            async ({ odd, last, by }) => {
              const text = [
                sorted(await odd.read()),
                `${await odd.has(true)}`,
                sorted(await last.read()),
                `${await last.get('9')} ${await last.has('1')}`,
                sorted(await by.get('1')),
              ].join('; ');
              odd.remove(true);
              last.remove('1');
              by.remove('1');
              return `${text}; ${await odd.has(true)} ${await last.get('1')} ${await by.get('1')}`;
            },
          ),
        )
        .apply(
          assertDeepEqual([
            'a: false,true; true; 0,7,1,7; undefined true; 1,3,5; false undefined ',
            'b: false; false; 0,7; undefined false; ; false undefined ',
          ]),
        );
    },
  },
  {
    name: 'an ordered list, read and cleared by ranges of time',
    build: (root) => {
      type C = { list: OrderedListState<string>; end: TimerParam };
      const doFn: DoFn<Word, string, C> = {
        process({ value }, { list, end }) {
          list.add(100 - value, `v${value}`);
          end.set(60_000);
        },
        async onTimer({ key }, { list }) {
          const told = (values: TimestampedValue<string>[]) =>
            values.map((one) => `${one.timestamp} ${one.value}`).join();
          const before = told(await list.read());
          const range = told(await list.readRange(98, 99));
          list.clearRange(98, 99);
          return [`${key}: ${before}; ${range}; ${told(await list.read())}`];
        },
      };
      words(root)
        .apply(parDo(doFn, { list: orderedListState(string), end: eventTimeTimer() }))
        .apply(
          assertDeepEqual(['a: 97 v3,98 v2,99 v1; 98 v2; 97 v3,99 v1', 'b: 90 v10; ; 90 v10']),
        );
    },
  },
  {
    name: 'what is cleared is gone, in this bundle and later',
    build: (root) => {
      words(root)
        .apply(
          atTheEnd(
            { all: bagState<number>() as BagState<number>, total: combiningState(sum) },
            (value, { all, total }) => {
              all.add(value);
              (total as CombiningState<number, number>).add(value);
              if (value === 10) {
                all.clear();
                total.clear();
              }
            },
            async ({ all, total }) => `${sorted(await all.read())} ${await total.read()}`,
          ),
        )
        .apply(assertDeepEqual(['a: 1,2,3 6', 'b:  0']));
    },
  },
  {
    name: 'a timer fires in its window, and its output has its time',
    build: (root) => {
      const context = { end: eventTimeTimer(), window: windowParam(), at: timestampParam() };
      const doFn: DoFn<Word, string, typeof context> = {
        process(_, { end, window }) {
          end.set(window.lookup().maxTimestamp());
        },
        *onTimer({ key, timer, fireTimestamp }, { window, at }) {
          yield `${key} ${timer} ${fireTimestamp} ${window.lookup()} ${at.lookup()}`;
        },
      };
      words(root)
        .apply(windowInto(fixedWindows(3)))
        .apply(parDo(doFn, context))
        .map((text, at) => `${text} ${at.lookup()}`, timestampParam())
        .apply(
          assertDeepEqual([
            'a end 2999 [0, 3000) 2999 2999',
            'a end 5999 [3000, 6000) 5999 5999',
            'b end 11999 [9000, 12000) 11999 11999',
          ]),
        );
    },
  },
  {
    name: 'timers by tags, replaced and cleared, with an output timestamp',
    build: (root) => {
      const context = { due: eventTimeTimer() };
      const doFn: DoFn<Word, string, typeof context> = {
        process({ value }, { due }) {
          due.set(20_000, { tag: 'kept', outputTimestamp: 15_000 });
          due.set(90_000, { tag: 'moved' });
          due.set(30_000, { tag: 'moved' });
          due.set(40_000, { tag: 'gone' });
          due.clear('gone');
          if (value < 0) due.set(0);
        },
        onTimer: ({ key, tag, fireTimestamp }) => [`${key} ${tag} ${fireTimestamp}`],
      };
      words(root)
        .apply(parDo(doFn, context))
        .map((text, at) => `${text} ${at.lookup()}`, timestampParam())
        .apply(
          assertDeepEqual([
            'a kept 20000 15000',
            'a moved 30000 30000',
            'b kept 20000 15000',
            'b moved 30000 30000',
          ]),
        );
    },
  },
  {
    name: 'timers that another one takes back or moves, when all are due',
    build: (root) => {
      const context = { due: eventTimeTimer() };
      const doFn: DoFn<Word, string, typeof context> = {
        process(_, { due }) {
          due.set(20_000, { tag: 'first' });
          due.set(20_001, { tag: 'soon' });
          due.set(30_000, { tag: 'later' });
          due.set(40_000, { tag: 'moved' });
          due.set(45_000, { tag: 'kept' });
        },
        onTimer({ key, tag, fireTimestamp }, { due }) {
          if (tag === 'first') {
            due.clear('soon');
            due.clear('later');
            due.set(50_000, { tag: 'moved' });
          }
          return [`${key} ${tag} ${fireTimestamp}`];
        },
      };
      words(root)
        .apply(parDo(doFn, context))
        .apply(
          assertDeepEqual([
            'a first 20000',
            'a kept 45000',
            'a moved 50000',
            'b first 20000',
            'b kept 45000',
            'b moved 50000',
          ]),
        );
    },
  },
  {
    name: 'two DoFns, one behind the other, whose timers have one name',
    build: (root) => {
      const summed = atTheEnd(
        { total: combiningState(sum) as CombiningState<number, number> },
        (value, { total }) => total.add(value),
        async ({ total }) => `${await total.read()}`,
      );
      words(root)
        .apply(summed)
        .map((text) => ({ key: text.slice(0, 1), value: Number(text.slice(3)) }))
        .apply(summed)
        .apply(assertDeepEqual(['a: 6', 'b: 10']));
    },
  },
  {
    name: 'a timer that sets itself again, with state',
    build: (root) => {
      const context = { next: eventTimeTimer(), count: valueState(int64) };
      const doFn: DoFn<Word, string, typeof context> = {
        process(_, { next }) {
          next.set(20_000);
        },
        async onTimer({ key, fireTimestamp }, { next, count }) {
          const n = ((await count.read()) ?? 0) + 1;
          count.write(n);
          if (n < 3) next.set(fireTimestamp + 1000);
          return [`${key} ${n} ${fireTimestamp}`];
        },
      };
      words(root, [{ key: 'a', value: 1 }])
        .apply(parDo(doFn, context))
        .apply(assertDeepEqual(['a 1 20000', 'a 2 21000', 'a 3 22000']));
    },
  },
  {
    name: 'a timer by the clock',
    build: (root) => {
      const context = { soon: processingTimeTimer() };
      const doFn: DoFn<Word, string, typeof context> = {
        process(_, { soon }) {
          soon.set(Date.now() + 50);
        },
        onTimer: ({ key, timer }) => [`${key} ${timer}`],
      };
      words(root)
        .apply(windowInto(globalWindows()))
        .apply(parDo(doFn, context))
        .apply(assertDeepEqual(['a soon', 'b soon']));
    },
  },
  {
    name: 'a state that was not declared fails the run',
    build: (root) => {
      const hidden = valueState<number>();
      words(root)
        .map((word) => word)
        .apply(
          parDo<Word, number, { seen: ValueState<number> }>(
            { process: async () => [(await hidden.read()) ?? 0] },
            { seen: valueState() },
          ),
        );
    },
    fails: { code: 'INVALID_ARGUMENT', message: /a state is used that was not declared/ },
  },
  {
    name: 'a DoFn with state refuses an element without a key',
    build: (root) => {
      const rows = root.apply(create([{ id: 1 }])) as PCollection<unknown>;
      const context = { seen: valueState<number>() };
      (rows as PCollection<Word>).apply(
        parDo<Word, number, typeof context>({ process: () => [1] }, context),
      );
    },
    fails: {
      code: 'CODER_MISMATCH',
      message:
        /an element with a key is needed here, and not Object \{id\}[\s\S]*in transform: parDo/,
    },
  },
];
