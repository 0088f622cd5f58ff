// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ByteReader, ByteWriter } from '../../../src/base/index.ts';
import {
  GlobalWindow,
  type KV,
  KVCoder,
  NO_FIRING,
  StrUtf8Coder,
  type Timer,
  VarIntCoder,
} from '../../../src/coders/index.ts';
import {
  BundleEngine,
  type BundleState,
  type InputChunk,
  type UserStateKey,
} from '../../../src/harness/engine/index.ts';
import type { PCollection, RegisteredParDo } from '../../../src/pipeline/index.ts';
import { int64, string } from '../../../src/schema/index.ts';
import {
  type BagState,
  bagState,
  type CombineFn,
  type CombiningState,
  combiningState,
  type DoFn,
  eventTimeTimer,
  type MapState,
  type MultimapState,
  mapState,
  multimapState,
  type OrderedListState,
  orderedListState,
  parDo,
  processingTimeTimer,
  type SetState,
  setState,
  sum,
  type TimerParam,
  type TimestampedValue,
  type ValueState,
  valueState,
} from '../../../src/transforms/index.ts';
import { inputOf, io, NO_STATE, SOURCE, type Stage, stageOf, valuesOf } from './support.ts';

type Word = KV<string, number>;
const WORDS = { input: new KVCoder(new StrUtf8Coder(), new VarIntCoder()) as never };

/** A runner's bags, with what was asked of them. */
function bags() {
  const stored = new Map<string, Uint8Array>();
  const asked: string[] = [];
  const name = ({ userStateId, key }: UserStateKey) =>
    `${userStateId} of ${new StrUtf8Coder().decode(new ByteReader(key), true)}`;
  const state: BundleState = {
    ...NO_STATE,
    user: {
      async *read(key) {
        asked.push(`read ${name(key)}`);
        const bytes = stored.get(name(key)) ?? new Uint8Array();
        // Cut in the middle of values, as a runner may.
        for (let i = 0; i < bytes.length; i += 3) yield bytes.subarray(i, i + 3);
      },
      async append(key, data) {
        asked.push(`append ${name(key)}`);
        stored.set(name(key), Buffer.concat([stored.get(name(key)) ?? new Uint8Array(), data]));
      },
      async clear(key) {
        asked.push(`clear ${name(key)}`);
        stored.delete(name(key));
      },
    },
  };
  return { state, asked, stored };
}

type Bags = ReturnType<typeof bags>;

function harness<C>(doFn: DoFn<Word, string, C>, context: C) {
  const stage = stageOf(
    (input: PCollection<Word>) => ({ out: input.apply(parDo(doFn, context)) }),
    WORDS,
  );
  const engine = new BundleEngine({ functions: stage.pipeline.functions });
  const run = async (words: Word[], runner: Bags = bags(), timers: InputChunk[] = []) => {
    const { bundle, written } = io(inputOf(stage.encode(words), ...timers), runner.state);
    const sent = new Map<string, Uint8Array>();
    const output = {
      ...bundle.output,
      closeTimers: (_: string, family: string, data: Uint8Array) => void sent.set(family, data),
    };
    await engine.start(stage.descriptor, { ...bundle, output }).done;
    return { out: valuesOf(stage, 'out', written), sent };
  };
  return { stage, run };
}

const keyed = (key: string, ...values: number[]): Word[] => values.map((value) => ({ key, value }));

test('a state is read once in a bundle, and written back at its end', async () => {
  const runner = bags();
  const { run } = harness(
    {
      async process({ value }: Word, { seen }: { seen: ValueState<number> }) {
        const before = await seen.read();
        seen.write(value);
        return [String(before)];
      },
    },
    { seen: valueState(int64) },
  );
  assert.deepEqual((await run(keyed('a', 1, 2, 3), runner)).out, ['undefined', '1', '2']);
  assert.deepEqual(runner.asked, ['read seen of a', 'clear seen of a', 'append seen of a']);
  assert.deepEqual((await run(keyed('a', 4), runner)).out, ['3']);
});

test('what is only added is never read', async () => {
  const runner = bags();
  const context = { all: bagState<number>(), total: combiningState(sum) } as unknown as {
    all: ReturnType<typeof bagState<number>>;
    total: CombiningState<number, number>;
  };
  const { run } = harness(
    {
      process({ value }: Word, { all, total }: typeof context) {
        all.add(value);
        total.add(value);
      },
    },
    context,
  );
  await run([...keyed('a', 1, 2), ...keyed('b', 3)], runner);
  assert.deepEqual(runner.asked.sort(), [
    'append all of a',
    'append all of b',
    'append total of a',
    'append total of b',
  ]);
});

test('sets, maps and multimaps remember across bundles, and what was removed is gone', async () => {
  type C = {
    set: SetState<string>;
    map: MapState<string, number>;
    multi: MultimapState<string, number>;
  };
  const runner = bags();
  const { run } = harness<C>(
    {
      async process({ value }, { set, map, multi }) {
        if (value === 0) {
          set.remove('x');
          map.remove('x');
          multi.remove('x');
        } else if (value > 0) {
          set.add('x');
          map.set('x', value);
          multi.add('x', value);
        }
        if (value > 5) return [];
        return [`${await set.has('x')} ${await map.get('x')} ${(await multi.get('x')).join('+')}`];
      },
    },
    { set: setState(string), map: mapState(string, int64), multi: multimapState(string, int64) },
  );
  assert.deepEqual((await run(keyed('k', 1, 2), runner)).out, ['true 1 1', 'true 2 1+2']);
  assert.deepEqual((await run(keyed('k', 9), runner)).out, []);
  assert.deepEqual((await run(keyed('k', -1), runner)).out, ['true 9 1+2+9']);
  assert.deepEqual((await run(keyed('k', 0), runner)).out, ['false undefined ']);
  assert.deepEqual((await run(keyed('k', -1, 3), runner)).out, ['false undefined ', 'true 3 3']);
});

test('what is cleared while a read waits stays cleared', async () => {
  type C = {
    set: SetState<string>;
    map: MapState<string, number>;
    multi: MultimapState<string, number>;
    list: OrderedListState<string>;
    total: CombiningState<number, number>;
  };
  const runner = bags();
  const before: string[] = [];
  const { run } = harness<C>(
    {
      async process({ value }, { set, map, multi, list, total }) {
        set.add('x');
        map.set('x', value);
        multi.add('x', value);
        list.add(value, 'x');
        total.add(value);
        const states = [set, map, multi, list, total];
        const waiting = states.map((state) => state.read());
        for (const state of states) state.clear();
        before.push(JSON.stringify(await Promise.all(waiting)));
        return [JSON.stringify(await Promise.all(states.map((state) => state.read())))];
      },
    },
    {
      set: setState(string),
      map: mapState(string, int64),
      multi: multimapState(string, int64),
      list: orderedListState(string),
      total: combiningState(sum, int64),
    },
  );
  const nothing = '[[],[],[],[],0]';
  assert.deepEqual((await run(keyed('k', 1, 2), runner)).out, [nothing, nothing]);
  assert.deepEqual((await run(keyed('k', 3), runner)).out, [nothing]);
  const all = (n: number) =>
    JSON.stringify([['x'], [['x', n]], [['x', [n]]], [{ value: 'x', timestamp: n }], n]);
  assert.deepEqual(before, [1, 2, 3].map(all));
});

test('a read sees what is there when it is asked for, whatever is written before it is awaited', async () => {
  type C = {
    last: ValueState<number>;
    bag: BagState<number>;
    set: SetState<string>;
    map: MapState<string, number>;
    list: OrderedListState<string>;
    total: CombiningState<number, number>;
  };
  const runner = bags();
  const { run } = harness<C>(
    {
      async process({ value }, { last, bag, set, map, list, total }) {
        const reads = [
          last.read(),
          bag.read(),
          set.has(`${value}`),
          map.get('x'),
          list.read().then((entries) => entries.length),
          total.read(),
        ];
        last.write(value);
        bag.add(value);
        set.add(`${value}`);
        map.set('x', value);
        list.add(value, 'x');
        total.add(value);
        const before = await Promise.all(reads);
        const after = await Promise.all([set.has(`${value}`), map.get('x'), total.read()]);
        return [JSON.stringify([before, after])];
      },
    },
    {
      last: valueState(int64),
      bag: bagState(int64),
      set: setState(string),
      map: mapState(string, int64),
      list: orderedListState(string),
      total: combiningState(sum, int64),
    },
  );
  assert.deepEqual((await run(keyed('k', 1, 2), runner)).out, [
    '[[null,[],false,null,0,0],[true,1,1]]',
    '[[1,[1],false,1,1,1],[true,2,3]]',
  ]);
  assert.deepEqual((await run(keyed('k', 2), runner)).out, ['[[2,[1,2],true,2,2,3],[true,2,5]]']);
});

/** A sum that changes what it merges, and gives its accumulator as the result. */
const inPlace: CombineFn<number, { n: number }, { n: number }> = {
  createAccumulator: () => ({ n: 0 }),
  addInput(sum, n) {
    sum.n += n;
    return sum;
  },
  mergeAccumulators(all) {
    const [first = { n: 0 }, ...others] = all;
    for (const { n } of others) first.n += n;
    return first;
  },
  extractOutput: (sum) => sum,
};

test('reads of a combining state at once merge nothing twice, and see what was added before them', async () => {
  const runner = bags();
  const { run } = harness<{ total: CombiningState<number, { n: number }> }>(
    {
      async process({ value }, { total }) {
        total.add(value);
        const first = total.read();
        total.add(10);
        const both = await Promise.all([first, total.read(), total.read()]);
        return [both.map(({ n }) => n).join()];
      },
    },
    { total: combiningState(inPlace) },
  );
  assert.deepEqual((await run(keyed('k', 1, 2), runner)).out, ['1,11,11', '13,23,23']);
  assert.deepEqual((await run(keyed('k', 3), runner)).out, ['26,36,36']);
});

test('a result of a combining state stays what it was when more is added', async () => {
  const results: { n: number }[] = [];
  const { run } = harness<{ total: CombiningState<number, { n: number }> }>(
    {
      async process({ value }, { total }) {
        total.add(value);
        results.push(await total.read());
        // Nobody waits for this one.
        void total.read();
        total.add(1);
        return [];
      },
    },
    { total: combiningState(inPlace) },
  );
  const runner = bags();
  await run(keyed('k', 1, 2), runner);
  await run(keyed('k', 3), runner);
  assert.deepEqual(results, [{ n: 1 }, { n: 4 }, { n: 8 }]);
});

test('a value that refers to itself is refused by every state, before it is in it', async () => {
  const cyclic: Record<string, unknown> = { n: 1 };
  cyclic.self = cyclic;
  type Context = {
    last: ValueState<unknown>;
    bag: BagState<unknown>;
    map: MapState<string, unknown>;
    list: OrderedListState<unknown>;
  };
  const puts: ((context: Context) => void)[] = [
    ({ last }) => last.write(cyclic),
    ({ bag }) => bag.add([cyclic]),
    ({ map }) => map.set('x', cyclic),
    ({ list }) => list.add(1, cyclic),
  ];
  const context = {
    last: valueState(),
    bag: bagState(),
    map: mapState(),
    list: orderedListState(),
  };
  for (const put of puts) {
    const { run } = harness<Context>(
      { process: (_, states) => put(states) },
      context as unknown as Context,
    );
    await assert.rejects(run(keyed('k', 1)), {
      code: 'CODER_MISMATCH',
      message: /refers to itself/,
    });
  }
});

test('an ordered list is read and cleared by ranges, in this bundle and later', async () => {
  const runner = bags();
  type Context = { list: OrderedListState<string> };
  const { run } = harness<Context>(
    {
      async process({ value }, { list }) {
        if (value >= 0) list.add(value, `v${value}`);
        else list.clearRange(-value, -value + 3);
        if (value === 8) return [];
        const told = (values: TimestampedValue<string>[]) =>
          values.map((one) => `${one.timestamp}:${one.value}`).join(' ');
        return [`${told(await list.read())} | ${told(await list.readRange(2, 5))}`];
      },
    },
    { list: orderedListState(string) },
  );
  assert.deepEqual((await run(keyed('k', 5, 2), runner)).out, ['5:v5 | ', '2:v2 5:v5 | 2:v2']);
  runner.asked.length = 0;
  assert.deepEqual((await run(keyed('k', 8), runner)).out, []);
  assert.deepEqual(runner.asked, ['append list of k'], 'what is only added to is never read');
  assert.deepEqual((await run(keyed('k', 3), runner)).out, ['2:v2 3:v3 5:v5 8:v8 | 2:v2 3:v3']);
  assert.deepEqual((await run(keyed('k', -3, 4), runner)).out, [
    '2:v2 8:v8 | 2:v2',
    '2:v2 4:v4 8:v8 | 2:v2 4:v4',
  ]);
  assert.deepEqual((await run(keyed('k', 9), runner)).out, ['2:v2 4:v4 8:v8 9:v9 | 2:v2 4:v4']);
});

test('reads of an ordered list at once see the same, and it refuses what is no time', async () => {
  type Context = { list: OrderedListState<number> };
  const { run } = harness<Context>(
    {
      async process({ value }, { list }) {
        if (value < 0) list.add(new Date() as unknown as number, 1);
        list.add(value, value);
        const [all, some] = await Promise.all([list.read(), list.readRange(0, 9)]);
        return [`${all.length} ${some.length} ${(await list.read()).length}`];
      },
    },
    { list: orderedListState() },
  );
  assert.deepEqual((await run(keyed('k', 1, 2, 2))).out, ['1 1 1', '2 2 2', '3 3 3']);
  await assert.rejects(run(keyed('k', -1)), { code: 'INVALID_ARGUMENT', message: /getTime/ });
});

test('an ordered list gives all there is in order, however it came and whatever was cleared between', async () => {
  type Context = { list: OrderedListState<number> };
  const runner = bags();
  let known: { value: number; timestamp: number }[] = [];
  let random = 1;
  const next = (below: number) => {
    random = (random * 48271) % 2147483647;
    return random % below;
  };
  const { run } = harness<Context>(
    {
      async process({ value }, { list }) {
        for (let n = next(40); n > 0; n--) {
          const entry = { value: value * 100 + n, timestamp: next(50) };
          list.add(entry.timestamp, entry.value);
          known.push(entry);
          if (next(10) > 0) continue;
          const from = next(50);
          list.clearRange(from, from + 5 - next(8));
          const to = from + 5;
          list.clearRange(from, to);
          known = known.filter(({ timestamp }) => timestamp < from || timestamp >= to);
        }
        const sorted = [...known].sort((a, b) => a.timestamp - b.timestamp);
        const inRange = sorted.filter(({ timestamp }) => timestamp >= 10 && timestamp < 20);
        assert.deepEqual((await list.readRange(10, 20)).map(plain), inRange);
        assert.deepEqual((await list.read()).map(plain), sorted);
        assert.deepEqual(await list.readRange(20, 10), []);
      },
    },
    { list: orderedListState(int64) },
  );
  const plain = ({ value, timestamp }: TimestampedValue<number>) => ({ value, timestamp });
  for (let i = 0; i < 20; i++) await run(keyed('k', 5 * i, 5 * i + 1, 5 * i + 2), runner);
  assert.ok(known.length > 100);
});

test('whether a bag is empty is known from the first page of it, which a read does not fetch again', async () => {
  const { stored, state } = bags();
  let pages = 0;
  const counting: BundleState = {
    ...state,
    user: {
      ...state.user!,
      async *read(key) {
        for await (const page of state.user!.read(key)) {
          pages++;
          yield page;
          yield new Uint8Array();
        }
      },
    },
  };
  type Context = { bag: BagState<string> };
  const { run } = harness<Context>(
    {
      async process({ value }, { bag }) {
        const before = await bag.isEmpty();
        const both = await Promise.all([bag.isEmpty(), bag.isEmpty()]);
        if (value < 0) bag.clear();
        else if (value > 0) bag.add(`v${value}`);
        const after = await bag.isEmpty();
        const all = value > 5 ? (await bag.read()).join('+') : '';
        return [`${before} ${both} ${after} ${await bag.isEmpty()} ${all}`];
      },
    },
    { bag: bagState(string) },
  );
  const runner = { state: counting, stored, asked: [] };
  const outOf = async (...values: number[]) => {
    pages = 0;
    return (await run(keyed('k', ...values), runner)).out;
  };
  assert.deepEqual(await outOf(0, 1), ['true true,true true true ', 'true true,true false false ']);
  assert.equal(pages, 0);
  for (let i = 2; i < 6; i++) await outOf(i);
  assert.deepEqual(await outOf(0, 0), Array(2).fill('false false,false false false '));
  assert.equal(pages, 1);
  const all = 'v1+v2+v3+v4+v5+v6';
  assert.deepEqual(await outOf(6), [`false false,false false false ${all}`]);
  assert.equal(pages, 5, 'five values of three bytes');
  assert.deepEqual(await outOf(-1, 0), [
    'false false,false true true ',
    'true true,true true true ',
  ]);
  assert.deepEqual(await outOf(0), ['true true,true true true ']);
});

test('a multimap adds to what it knows of a key, and writes each addition once', async () => {
  const runner = bags();
  type Context = { multi: MultimapState<string, number> };
  const values: number[][] = [];
  const { run } = harness<Context>(
    {
      async process({ value }, { multi }) {
        const reading = value % 2 ? undefined : multi.get('x');
        multi.add('x', value);
        if (reading) values.push(await reading);
        else if (value > 8) values.push(await multi.get('x'));
      },
    },
    { multi: multimapState(string, int64) },
  );
  await run(keyed('k', 1, 2, 3, 4), runner);
  assert.deepEqual(values.splice(0), [[1], [1, 2, 3]]);
  await run(keyed('k', 5), runner);
  await run(keyed('k', 6, 7, 9), runner);
  assert.deepEqual(values, [
    [1, 2, 3, 4, 5],
    [1, 2, 3, 4, 5, 6, 7, 9],
  ]);
  await run(keyed('k', 10), runner);
  assert.deepEqual(values[2], [1, 2, 3, 4, 5, 6, 7, 9]);
});

test('adding to a key of a multimap copies nothing of what it has', async () => {
  const ADDED = 2000;
  const runner = bags();
  type Context = { multi: MultimapState<string, number> };
  let copied = 0;
  let count = 0;
  const { run } = harness<Context>(
    {
      async process({ value }, { multi }) {
        multi.add('x', value);
        if (value < ADDED - 1) return;
        const iterate = Array.prototype[Symbol.iterator];
        // What a copy of an array and a loop over it have in common.
        Array.prototype[Symbol.iterator] = function (this: unknown[]) {
          copied += this.length;
          return iterate.call(this);
        } as typeof iterate;
        try {
          count = (await multi.get('x')).length;
        } finally {
          Array.prototype[Symbol.iterator] = iterate;
        }
      },
    },
    { multi: multimapState(string, int64) },
  );
  await run(keyed('k', ...Array.from({ length: ADDED }, (_, i) => i)), runner);
  assert.equal(count, ADDED);
  assert.ok(copied < 20 * ADDED, `${copied} values were copied`);
});

const coderOf = (stage: Stage) =>
  [...stage.pipeline.functions.values()]
    .map((one) => (one as RegisteredParDo).timerCoder)
    .find(Boolean)!;

function decodeTimers(stage: Stage, data: Uint8Array): Timer<unknown>[] {
  const input = new ByteReader(data);
  const timers: Timer<unknown>[] = [];
  while (!input.done) timers.push(coderOf(stage).decode(input, true));
  return timers;
}

describe('timers', () => {
  const context = { due: eventTimeTimer(), poll: processingTimeTimer() };
  const doFn: DoFn<Word, string, typeof context> = {
    process({ value }, { due }) {
      if (value > 0) due.set(value, { tag: 't', outputTimestamp: value - 1 });
      else due.clear('t');
    },
    onTimer: ({ key, tag, timer, fireTimestamp }, { due }) => {
      due.set(fireTimestamp + 1);
      return [`${timer} ${tag} ${key} ${fireTimestamp}`];
    },
  };

  test('those set and cleared go out when the bundle ends, and families without any too', async () => {
    const { run, stage } = harness(doFn, context);
    const { sent } = await run(keyed('a', 5, 0));
    const [set, cleared] = decodeTimers(stage, sent.get('due of parDo')!);
    const common = { userKey: 'a', dynamicTimerTag: 't', windows: [GlobalWindow.INSTANCE] };
    assert.deepEqual(set, {
      ...common,
      clearBit: false,
      fireTimestamp: 5,
      holdTimestamp: 4,
      pane: NO_FIRING,
    });
    assert.deepEqual(cleared, { ...common, clearBit: true });
    assert.equal(sent.get('poll of parDo')!.length, 0);
  });

  test('one that fires calls onTimer with its key, and may be set again', async () => {
    const { run, stage } = harness(doFn, context);
    const out = new ByteWriter();
    const fired: Timer<unknown> = {
      userKey: 'k',
      dynamicTimerTag: 'tag',
      windows: [GlobalWindow.INSTANCE],
      clearBit: false,
      fireTimestamp: 7,
      holdTimestamp: 7,
      pane: NO_FIRING,
    };
    coderOf(stage).encode(fired, out, true);
    const transformId = Object.entries(stage.descriptor.transforms).find(
      ([id, { outputs }]) => id !== SOURCE && Object.keys(outputs).length > 0,
    )![0];
    const chunk = { transformId, timerFamilyId: 'poll of parDo', data: out.take() };
    const { out: values, sent } = await run([], bags(), [chunk]);
    assert.deepEqual(values, ['poll tag k 7']);
    assert.equal(decodeTimers(stage, sent.get('due of parDo')!).length, 1);
    await assert.rejects(run([], bags(), [{ ...chunk, timerFamilyId: 'other' }]), {
      code: 'HARNESS_PROTOCOL',
    });
  });

  test('one that was set anew or taken back in the bundle, before its turn, does not fire', async () => {
    const { run, stage } = harness(
      {
        process: ({ key }: Word, { due }: { due: TimerParam }) => due.clear(`${key}'s`),
        onTimer({ key, tag }, { due }) {
          if (tag === 'cancel') {
            due.clear('same');
            due.set(50, { tag: 'moved' });
            due.set(9, { tag: 'again' });
          }
          return [`${key} ${tag}`];
        },
      },
      { due: eventTimeTimer() },
    );
    const chunk = (...timers: [key: string, tag: string][]): InputChunk => {
      const out = new ByteWriter();
      for (const [userKey, dynamicTimerTag] of timers) {
        const times = { fireTimestamp: 9, holdTimestamp: 9, pane: NO_FIRING };
        coderOf(stage).encode(
          {
            userKey,
            dynamicTimerTag,
            windows: [GlobalWindow.INSTANCE],
            clearBit: false,
            ...times,
          },
          out,
          true,
        );
      }
      const transformId = Object.entries(stage.descriptor.transforms).find(
        ([id, { outputs }]) => id !== SOURCE && Object.keys(outputs).length > 0,
      )![0];
      return { transformId, timerFamilyId: 'due of parDo', data: out.take() };
    };
    const first = chunk(
      ['a', 'same'],
      ['a', 'cancel'],
      ['a', 'same'],
      ['b', 'same'],
      ['a', 'moved'],
    );
    const second = chunk(['a', 'again'], ['a', 'other'], ['a', "a's"], ['b', "a's"]);
    const { out, sent } = await run(keyed('a', 1), bags(), [first, second]);
    assert.deepEqual(out, ['a same', 'a cancel', 'b same', 'a other', "b a's"]);
    const asked = decodeTimers(stage, sent.get('due of parDo')!);
    assert.deepEqual(
      asked.map(({ dynamicTimerTag, clearBit }) => `${dynamicTimerTag} ${clearBit}`),
      ["a's true", 'same true', 'moved false', 'again false'],
    );
    assert.deepEqual((await run([], bags(), [second])).out, [
      'a again',
      'a other',
      "a a's",
      "b a's",
    ]);
  });

  test('a time that is no number is refused', async () => {
    const { run } = harness(
      {
        process: (_: Word, { due }: { due: TimerParam }) => due.set(Number.NaN),
        onTimer: () => {},
      },
      { due: eventTimeTimer() },
    );
    await assert.rejects(run(keyed('a', 1)), {
      code: 'INVALID_ARGUMENT',
      message: /time of a timer is number NaN/,
    });
  });
});
