// SPDX-License-Identifier: Apache-2.0
// Types that transforms find from their input; the compiler is the test.

import { pythonTransform } from '../../../src/external/index.ts';
import type { PCollection, PTransform } from '../../../src/pipeline/index.ts';
import { P, Pipeline, PTransformClass, Root, withName } from '../../../src/pipeline/index.ts';
import { int64, row } from '../../../src/schema/index.ts';
import * as t from '../../../src/transforms/index.ts';

const p = new Pipeline();
const root = new Root(p);
const pc = root.apply(t.create([{ k: 'a', a: 1, b: new Date() }]));
type El = { k: string; a: number; b: Date };
export const gk: PCollection<{ key: string; value: Iterable<El> }> = pc.apply(t.groupBy('k'));
export const gk2: PCollection<{ key: [string, number]; value: Iterable<El> }> = pc.apply(
  t.groupBy(['k', 'a']),
);
export const gf: PCollection<{ key: number; value: Iterable<El> }> = pc.apply(
  t.groupBy((e) => e.a),
);
export const c1: PCollection<{ k: string; s: number; m: Date }> = pc.apply(
  t.groupBy('k').combining('a', t.sum, 's').combining('b', t.max, 'm'),
);
export const c2: PCollection<{ k: string; a: number; n: number; x: number }> = pc.apply(
  t
    .groupBy(['k', 'a'])
    .combining('b', t.count, 'n')
    .combining((e: El) => e.a, Math.max, 'x'),
);
export const c3: PCollection<{ key: string; n: number }> = pc.apply(
  t.groupBy((e: El) => e.k).combining((e) => e.b.getTime(), t.max, 'n'),
);
export const c4: PCollection<{ w: string; n: number }> = pc.apply(
  t.groupBy((e: El) => e.k, 'w').combining('a', (x, y) => x + y, 'n'),
);
export const g1: PCollection<Iterable<El>> = pc.apply(t.groupGlobally());
export const g2: PCollection<{ mean: number }> = pc.apply(
  t.groupGlobally<El>().combining((c) => c.a, t.mean, 'mean'),
);
export const g3: PCollection<{ mean: number }> = pc.apply(
  t.groupGlobally().combining('a', t.mean, 'mean'),
);
export const g4: PCollection<{ total: number }> = pc.apply(
  t.groupGlobally().combining((e: El) => e.a, t.sum, 'total'),
);
// @ts-expect-error wrong result
export const b1: PCollection<{ k: number }> = pc.apply(t.groupBy('k').combining('a', t.sum, 's'));
// @ts-expect-error no such field
pc.apply(t.groupBy('zz'));
// @ts-expect-error sum of dates
pc.apply(t.groupBy('k').combining('b', t.sum, 's'));
export const m1: PCollection<number> = pc.apply(t.map((e) => e.a));
export const m2: PCollection<number> = pc.apply(
  withName(
    'x',
    t.map((e: El) => e.a),
  ),
);
export const m3: PCollection<El> = pc.apply(t.filter((e) => e.a > 1));
export const m4: PCollection<number> = pc.apply(
  t.flatMap(function* (e) {
    yield e.a;
  }),
);
export const m5: PCollection<number> = pc.apply(
  t.parDo({
    *process(e: El) {
      yield e.a;
    },
  }),
);
export const m6: PCollection<string> = pc.apply((input) => input.map((e) => e.k));
export const m7: PCollection<string> = pc.apply(function f(input) {
  return input.map((e) => e.k);
});
class X extends PTransformClass<PCollection<El>, PCollection<string>> {
  override expand(i: PCollection<El>) {
    return i.map((e) => e.k);
  }
}
export const m8: PCollection<string> = pc.apply(new X());
const tr: PTransform<PCollection<El>, PCollection<string>> = new X();
export const m9: PCollection<string> = pc.apply(tr);
const kv = pc.map((e) => ({ key: e.k, value: e.a }));
export const k1: PCollection<{ key: string; value: Iterable<number> }> = kv.apply(t.groupByKey());
export const k2: PCollection<{ key: string; value: number }> = kv.apply(t.combinePerKey(t.sum));
export const k3: PCollection<{ key: string; value: number }> = kv.apply(t.combinePerKey(t.max));
export const k4: PCollection<{ key: string; value: number }> = kv.apply(
  t.combinePerKey((a, b) => a + b),
);
export const k5: PCollection<{ key: string; value: number[] }> = kv.apply(
  t.combinePerKey(t.toList<number>()),
);
export const w: PCollection<El> = pc.apply(t.windowInto(t.fixedWindows(1)));
export const ts: PCollection<El> = pc.apply(t.assignTimestamps((e) => e.a));
export const ts2: PCollection<El> = pc.apply(t.reshuffle());
const bb = root.apply(t.create(['a']));
export const f1: PCollection<El | string> = P([pc, bb]).apply(t.flatten());
export const f2: PCollection<string> = P([bb, bb]).apply(t.flatten());
// @ts-expect-error wrong element
export const f3: PCollection<string> = P([bb, pc]).apply(t.flatten());
export const s1: PCollection<{ element: string; count: number }> = bb.apply(t.countPerElement());
export const s2: PCollection<number> = bb.apply(t.countGlobally());
export const s3: PCollection<number> = pc.map((e) => e.a).apply(t.combineGlobally(t.mean));
export const s4: PCollection<number | undefined> = pc
  .map((e) => e.a)
  .apply(t.combineGlobally(t.max));
const parted = pc.apply(t.partition((e) => e.a, 3));
export const p1: PCollection<El>[] = parted;
const { good, bad } = bb.map((l) => (l ? { good: l } : { bad: 1 })).apply(t.split(['good', 'bad']));
export const sp1: PCollection<string> = good;
export const sp2: PCollection<number> = bad;
const joined = P({ pc, other: pc }).apply(t.coGroupBy('k'));
export const j1: PCollection<{ key: string; values: { pc: El[]; other: El[] } }> = joined;
export const j2: PCollection<{ key: number; values: { pc: El[]; bb: string[] } }> = P({
  pc,
  bb,
}).apply(t.coGroupBy((e) => (typeof e === 'string' ? 1 : e.a)));
export const r1: PCollection<El> = pc.apply(t.withRowCoder({ k: '', a: 0, b: new Date() }));
export const r2: PCollection<{ a: number }> = pc
  .map((e) => ({ a: e.a }))
  .apply(t.withSchema(row({ a: int64 })));
export const r3: PCollection<{ a: number }> = pc
  .map((e) => ({ a: e.a }))
  .apply(t.withRowCoder(row({ a: int64 })));
export const cs: PCollection<{ a: number }> = root.apply(
  t.create([{ a: 1 }], { schema: row({ a: int64 }) }),
);
export const sideMap: PCollection<number> = pc.map((e, { m }) => m.lookup().get(e.k) ?? 0, {
  m: t.mapSideInput(kv),
});

// What is put into wrappers or promises comes out of them, as at run time.
export const w1: PCollection<number> = pc.map((e) => t.timestamped(e.a, 5));
export const w2: PCollection<number> = pc.map((e) => (e.a > 1 ? t.timestamped(e.a, 5) : e.a));
export const w3: PCollection<number> = pc.map(async (e) => t.timestamped(e.a, 5));
export const w4: PCollection<number> = pc.flatMap((e) => [t.timestamped(e.a, 5)]);
export const w5: PCollection<number> = pc.flatMap((e) => [e.a].map(async (n) => n));
export const w6: PCollection<number> = pc.flatMap(function* (e) {
  yield t.timestamped(e.a, 5);
  yield t.tagged('odd', 'text');
  yield e.a;
});
export const w7: PCollection<string> = pc.map((e) => (e.a > 1 ? t.tagged('odd', e.a) : e.k));
export const w8: PCollection<number> = pc.apply(t.map((e) => t.timestamped(e.a, 5)));
export const w9: PCollection<{ value: number }> = pc.map((e) => ({ value: e.a }));
export const w10: PCollection<{ value: number; timestamp: number }> = pc.map((e) => ({
  value: e.a,
  timestamp: 5,
}));
export const w11: PCollection<{ tag: string; value: number }> = pc.map((e) => ({
  tag: e.k,
  value: e.a,
}));
export const w12: PCollection<number> = pc.flatMap((e) => {
  if (e.a > 1) return [e.a];
});
export function w13<T>(input: PCollection<T>): PCollection<T> {
  return input.map((x) => x).flatMap((x) => [x]);
}
// @ts-expect-error the timestamped value has no wrapper any more
pc.map((e) => t.timestamped(e, 5)).map((tv) => tv.value.k);
// @ts-expect-error a string is no list of outputs
pc.flatMap((e) => e.k);
// Whoever forgets to return outputs nothing, which the next step shows.
export const w14: PCollection<never> = pc.flatMap((e) => {
  e.a;
});

// A function of two values whose types follow from the field.
export const c5: PCollection<{ k: string; s: number }> = pc.apply(
  t.groupBy('k').combining('a', (a, b) => a + b, 's'),
);
// Tags that come from elsewhere.
const tags: string[] = ['a', 'b'];
export const s6: Record<string, PCollection<unknown>> = pc.apply(
  t.split(tags, { exclusive: false }),
);
export async function undeclared() {
  const result = await pc.applyAsync(pythonTransform('f'));
  return result.apply(t.map((x: number) => x));
}
// @ts-expect-error no such field
export const s7 = pc.apply(t.split(['zz']));
