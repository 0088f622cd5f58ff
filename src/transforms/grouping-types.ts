// SPDX-License-Identifier: Apache-2.0
// The types of groupBy and its combining(…). A field's name says nothing until the input is known,
// so what is keyed by fields is a generic function of its input: `apply` finds the types.

import type { KV } from '../coders/index.ts';
import type { PCollection, PTransformClass } from '../pipeline/index.ts';
import type { CombineFn, SelectingCombineFn } from './combine-fn.ts';

/** One field's name, or several. */
export type Fields = string | readonly string[];
type NameOf<F extends Fields> = F extends readonly string[] ? F[number] : F;
type At<T, F> = F extends keyof T ? T[F] : never;
/** The key of elements `T`: a field's value, or an array of several. */
type KeyOf<T, F extends Fields> = F extends readonly string[]
  ? { -readonly [I in keyof F]: At<T, F[I]> }
  : At<T, F>;

/** In place of a result's type: that of the field `F`, which is known when the input is. */
interface TypeOfField<F extends string> {
  readonly ofField: F;
}
type Resolve<T, R> = { [N in keyof R]: R[N] extends TypeOfField<infer F> ? At<T, F> : R[N] };
type Plain<T> = { [P in keyof T]: T[P] } & {};
type Merge<A, B> = Omit<A, keyof B> & B;
type HasFields<F extends string> = { [P in F]: unknown };

/** Groups by fields. @typeParam F - their names */
export interface GroupByFields<F extends Fields> extends CombiningByFields<F, unknown, unknown> {
  <T extends HasFields<NameOf<F>>>(
    input: PCollection<T>,
  ): PCollection<KV<KeyOf<T, F>, Iterable<T>>>;
}

/** Groups everything together; `combining(…)` by no fields at all. */
export interface GroupAll extends CombiningByFields<readonly [], unknown, unknown> {
  <T>(input: PCollection<T>): PCollection<Iterable<T>>;
}

/** `Needs` is what the combiners need of an element, `R` their results by name. */
export interface CombineByFields<F extends Fields, Needs, R>
  extends CombiningByFields<F, Needs, R> {
  <T extends HasFields<NameOf<F>> & Needs>(
    input: PCollection<T>,
  ): PCollection<Plain<Merge<{ [P in NameOf<F>]: At<T, P> }, Resolve<T, R>>>>;
}

/** The next `combining(…)` when the elements' type is not known yet. */
interface CombiningByFields<F extends Fields, Needs, R> {
  combining<E extends string, N extends string>(
    field: E,
    combiner: SelectingCombineFn,
    resultName: N,
  ): CombineByFields<F, Needs & HasFields<E>, R & { [P in N]: TypeOfField<E> }>;
  combining<E extends string, I, A, O, N extends string>(
    field: E,
    combiner: CombineFn<I, A, O>,
    resultName: N,
  ): CombineByFields<F, Needs & { [P in E]: I }, R & { [P in N]: O }>;
  // biome-ignore lint/suspicious/noExplicitAny: of `(a, b) => a + b` nothing is known until the input is.
  combining<E extends string, N extends string, I = any>(
    field: E,
    combiner: (a: I, b: I) => I,
    resultName: N,
  ): CombineByFields<
    F,
    Needs & { [P in E]: I },
    R & { [P in N]: unknown extends I ? TypeOfField<E> : I }
  >;
  combining<T, I, N extends string>(
    expression: (element: T) => I | Promise<I>,
    combiner: SelectingCombineFn,
    resultName: N,
  ): CombineByFields<F, Needs & T, R & { [P in N]: I }>;
  combining<T, I, A, O, N extends string>(
    expression: (element: T) => I | Promise<I>,
    combiner: CombineFn<I, A, O>,
    resultName: N,
  ): CombineByFields<F, Needs & T, R & { [P in N]: O }>;
  combining<T, I, N extends string>(
    expression: (element: T) => I | Promise<I>,
    combiner: (a: I, b: I) => I,
    resultName: N,
  ): CombineByFields<F, Needs & T, R & { [P in N]: I }>;
}

/** Groups by the value of a function. @typeParam KeyFields - what the key adds to a combined row */
export interface GroupByExpression<T, K, KeyFields>
  extends PTransformClass<PCollection<T>, PCollection<KV<K, Iterable<T>>>>,
    CombiningKnown<T, KeyFields> {}

/** Groups all elements of a known type together. */
export interface GroupAllKnown<T>
  extends PTransformClass<PCollection<T>, PCollection<Iterable<T>>>,
    CombiningKnown<T, unknown> {}

/** A grouping of elements `T` that gives rows `R`. */
export interface CombineKnown<T, R>
  extends PTransformClass<PCollection<T>, PCollection<Plain<R>>>,
    CombiningKnown<T, R> {}

/** The next `combining(…)` when the elements' type is known. */
interface CombiningKnown<T, R> {
  combining<E extends keyof T & string, N extends string>(
    field: E,
    combiner: SelectingCombineFn,
    resultName: N,
  ): CombineKnown<T, R & { [P in N]: T[E] }>;
  combining<E extends keyof T & string, A, O, N extends string>(
    field: E,
    combiner: CombineFn<T[E], A, O>,
    resultName: N,
  ): CombineKnown<T, R & { [P in N]: O }>;
  combining<E extends keyof T & string, N extends string>(
    field: E,
    combiner: (a: T[E], b: T[E]) => T[E],
    resultName: N,
  ): CombineKnown<T, R & { [P in N]: T[E] }>;
  combining<I, N extends string>(
    expression: (element: T) => I | Promise<I>,
    combiner: SelectingCombineFn,
    resultName: N,
  ): CombineKnown<T, R & { [P in N]: I }>;
  combining<I, A, O, N extends string>(
    expression: (element: T) => I | Promise<I>,
    combiner: CombineFn<I, A, O>,
    resultName: N,
  ): CombineKnown<T, R & { [P in N]: O }>;
  combining<I, N extends string>(
    expression: (element: T) => I | Promise<I>,
    combiner: (a: I, b: I) => I,
    resultName: N,
  ): CombineKnown<T, R & { [P in N]: I }>;
}
