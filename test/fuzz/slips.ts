// SPDX-License-Identifier: Apache-2.0
// What users do by mistake or by habit: wrappers in any order, promises and thenables, instances of
// classes, a changed input, a value that is not of the declared type. What passes where everything is
// encoded passes on every runner with the same values; wrappers give the values that they say.

import fc, { type Arbitrary } from 'fast-check';
import { BeamBridgeError } from '../../src/base/index.ts';
import { P, type PCollection } from '../../src/pipeline/index.ts';
import { int64, row, string } from '../../src/schema/index.ts';
import {
  assignTimestamps,
  combineGlobally,
  create,
  type DoFn,
  eventTimeTimer,
  flatten,
  groupBy,
  listSideInput,
  parDo,
  tagged,
  timestamped,
  timestampParam,
  valueState,
  withSchema,
} from '../../src/transforms/index.ts';
import { canon } from './canon.ts';
import { sorted } from './functions.ts';
import { ORACLES, type Oracle, runOn, sameLines } from './run.ts';

const WRAPPERS = ['tagged', 'timestamped', 'promise', 'thenable'] as const;
const WHERE = ['map', 'flatMap', 'generator', 'async generator', 'process', 'onTimer'] as const;

const SLIPS = {
  'an instance of a class': (input) => input.map((n) => new Point(n)),
  'an instance as a key': (input) => keysOf(input, (n) => new Point(n)),
  'a function': (input) => input.map((n) => () => n),
  'a thenable as a key': (input) => keysOf(input, (n) => thenable(n)),
  'a thenable as a time': (input) =>
    input
      .apply(assignTimestamps((n) => thenable(n) as unknown as number))
      .map((n, at) => [n, at.lookup()], timestampParam()),
  'a thenable for true': (input) => input.filter((n) => thenable(n > 2) as unknown as boolean),
  'no time': (input) => input.apply(assignTimestamps(() => Number.NaN)),
  'a text in flatMap': (input) => input.flatMap((n) => `text${n}` as unknown as string[]),
  'nothing in flatMap': (input) => input.flatMap(() => undefined as unknown as number[]),
  'promises in flatMap': (input) => input.flatMap((n) => [Promise.resolve(n), n]),
  'a fraction for a whole number': (input) => input.map((n) => n + 0.5).apply(withSchema(int64)),
  'a text for a number': (input) =>
    input.map((n) => `${n}` as unknown as number).apply(withSchema(int64)),
  'a row with one field more': (input) =>
    input.map((n) => ({ n, extra: n })).apply(withSchema(row({ n: int64 }))),
  'a row with one field less': (input) =>
    input.map((n) => ({ n })).apply(withSchema(row({ n: int64, text: string }) as never)),
  'half a surrogate pair': (input) => input.map(() => '\ud800').apply(withSchema(string)),
  'an error with a code': (input) => input.map((n) => Object.assign(new Error('e'), { code: n })),
  'a match of an expression': (input) => input.map((n) => /(?<d>\d)/.exec(`${n}`)?.groups),
  'minus zero as a key': (input) => keysOf(input, (n) => (n % 2 ? -0 : 0)),
  'a changed input': (input) => {
    const objects = input.map((n) => ({ n }));
    const changed = objects.map((one) => {
      one.n *= 10;
      return one;
    });
    return P([changed, objects.map((one) => ({ n: one.n }))]).apply(flatten());
  },
  'a changed side input': (input) =>
    input.map((n, side) => {
      const list = side.lookup() as number[];
      return [n, list.length, void list.shift()];
    }, listSideInput(input)),
  'a changed combiner input': (input) =>
    input
      .map((n) => ({ n }))
      .apply(
        combineGlobally((a: { n: number }, b: { n: number }) => {
          a.n += b.n;
          return a;
        }),
      ),
  'a rejected promise': (input) => input.flatMap(() => [Promise.reject(new Error('lost'))]),
} satisfies Record<string, (input: PCollection<number>) => PCollection<unknown>>;

class Point {
  constructor(readonly x: number) {}
}

/** Settles as a promise does, and is none. */
function thenable(value: unknown) {
  // biome-ignore lint/suspicious/noThenProperty: that is what it is for
  return { then: (resolve: (given: unknown) => void) => resolve(value) };
}

const keysOf = (input: PCollection<number>, key: (n: number) => unknown) =>
  input.apply(groupBy(key)).map((group) => ({
    key: Object.is(group.key, -0) ? 0 : group.key,
    values: sorted(group.value),
  }));

export type Slip =
  | { readonly numbers: readonly number[]; readonly what: keyof typeof SLIPS }
  | {
      readonly numbers: readonly number[];
      readonly where: (typeof WHERE)[number];
      /** The innermost first. */
      readonly wrappers: readonly (typeof WRAPPERS)[number][];
    };

const numbers = fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 4 });
const plain = { noNullPrototype: true } as const;

export const slips: Arbitrary<Slip> = fc.oneof(
  fc.record(
    { numbers, what: fc.constantFrom(...(Object.keys(SLIPS) as (keyof typeof SLIPS)[])) },
    plain,
  ),
  fc.record(
    {
      numbers,
      where: fc.constantFrom(...WHERE),
      wrappers: fc.uniqueArray(fc.constantFrom(...WRAPPERS), { maxLength: 4 }),
    },
    plain,
  ),
);

export async function checkSlips(all: readonly Slip[], oracle: Oracle): Promise<void> {
  for (const slip of all) {
    const got = await outcomeOf(slip, oracle);
    if ('wrappers' in slip) {
      sameLines(got, wrappedLines(slip), `${oracle.name}, wrappers`);
      continue;
    }
    // Where everything is encoded and frozen, more slips are found; what is found there may pass
    // elsewhere, but no two runners may give different values.
    const strict = await outcomeOf(slip, ORACLES.encoded);
    const [isRefused, isRefusedStrictly] = [isFailure(got), isFailure(strict)];
    if (isRefusedStrictly && !isRefused) continue;
    if (isRefused && got[0] === MUTATED) continue;
    // Two that refuse it give the same reason. Only here it is known that something was changed.
    if (isRefused && strict[0] === MUTATED) continue;
    sameLines(got, strict, `${oracle.name}, where ${ORACLES.encoded.name} is the rule`);
  }
}

const MUTATED = 'fails: INPUT_MUTATED';
const isFailure = ([first]: readonly string[]) => first?.startsWith('fails') ?? false;

/** The elements, or the code of the error. */
async function outcomeOf(slip: Slip, oracle: Oracle): Promise<string[]> {
  const lines: string[] = [];
  try {
    await runOn(oracle, (root) => {
      const input = root.apply(create([...slip.numbers]));
      const output = 'what' in slip ? SLIPS[slip.what](input as never) : wrapping(input, slip);
      (output as PCollection<unknown>).map((value) => void lines.push(canon(value)));
    });
    return lines;
  } catch (error) {
    const cause = (error as Error).cause;
    if (cause instanceof BeamBridgeError) return [`fails: ${cause.code}`];
    throw error;
  }
}

type Wrapping = Extract<Slip, { wrappers: unknown }>;

const AT = 5;

function wrapped(value: unknown, wrappers: Wrapping['wrappers']): unknown {
  return wrappers.reduce((inner, wrapper) => {
    switch (wrapper) {
      case 'tagged':
        return tagged('odd', inner);
      case 'timestamped':
        return timestamped(inner, AT);
      case 'promise':
        return Promise.resolve(inner);
      case 'thenable':
        return thenable(inner);
    }
  }, value);
}

function wrapping(input: PCollection<number>, { where, wrappers }: Wrapping): PCollection<unknown> {
  const out = (n: number) => wrapped(n, wrappers);
  const context = { seen: valueState<number>(), end: eventTimeTimer() };
  const withTimer: DoFn<{ key: number; value: number }, unknown, typeof context> = {
    process({ value }, { end }) {
      end.set(100, { tag: `${value}` });
    },
    onTimer: ({ key }) => [out(key)],
  };
  const TAGS = { main: 'main', tags: ['odd'] };
  type Tags = Record<string, unknown>;
  const outputs = (): Record<string, PCollection<unknown>> => {
    // Only a ParDo has other outputs.
    if (where === 'map' && !wrappers.includes('tagged')) return { main: input.map(out) };
    if (where === 'flatMap' && !wrappers.includes('tagged')) {
      return { main: input.flatMap((n) => [out(n)]) };
    }
    if (where === 'onTimer') {
      return input
        .map((n) => ({ key: n, value: n }))
        .apply(parDo(withTimer, context).withOutputs<Tags>(TAGS));
    }
    const doFn = parDo<number, unknown>({ process: processOf(where, out) as never });
    return input.apply(doFn.withOutputs<Tags>(TAGS));
  };
  const told = (from: string, part: PCollection<unknown>) =>
    part.map(
      (value, at) => ({ from, value, at: at.lookup() > 0 ? at.lookup() : 'none' }),
      timestampParam(),
    );
  const parts = Object.entries(outputs()).map(([from, part]) => told(from, part));
  return P(parts).apply(flatten());
}

function processOf(where: Wrapping['where'], out: (n: number) => unknown) {
  if (where === 'generator') {
    return function* (n: number) {
      yield out(n);
    };
  }
  if (where === 'async generator') {
    return async function* (n: number) {
      yield out(n);
    };
  }
  return (n: number) => [out(n)];
}

function wrappedLines({ numbers: given, where, wrappers }: Wrapping): string[] {
  const from = wrappers.includes('tagged') ? 'odd' : 'main';
  const isTimed = wrappers.includes('timestamped');
  const all = where === 'onTimer' ? [...new Set(given)] : given;
  return all.map((value) =>
    canon({ from, value, at: isTimed ? AT : where === 'onTimer' ? 100 : 'none' }),
  );
}
