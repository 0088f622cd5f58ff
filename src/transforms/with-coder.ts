// SPDX-License-Identifier: Apache-2.0
// The same elements under another coder: what a PCollection is declared to hold.

import { type Coder, coderFromSpec, coderToProto, JsCoder, limitOf } from '../coders/index.ts';
import { ParDo, type PCollection, type PTransformClass } from '../pipeline/index.ts';
import { pb, toBinary } from '../proto/index.ts';
import { mapStep, transform } from './transform.ts';

/** Whether two coders read each other's bytes as the same values. */
export function sameCoder(a: Coder<unknown>, b: Coder<unknown>): boolean {
  return a === b || fingerprint(a) === fingerprint(b);
}

function fingerprint(coder: Coder<unknown>): string {
  return coderToProto(coder, (message) =>
    Buffer.from(toBinary(pb.CoderSchema, message)).toString('base64'),
  );
}

/**
 * The one coder of them all, or the coder for any JavaScript value. Types that share their bytes, as whole numbers of
 * 16 and of 64 bits do, have the coder in common that holds values to nothing but these.
 */
export function commonCoder(coders: readonly Coder<unknown>[]): Coder<unknown> {
  const [first, ...others] = coders;
  if (!first || !others.every((other) => sameCoder(first, other))) return new JsCoder();
  const limits = limitsOf(first);
  return others.every((other) => limitsOf(other) === limits) ? first : withoutLimits(first);
}

function limitsOf(coder: Coder<unknown>): string {
  return JSON.stringify([limitOf(coder), ...(coder.spec().components ?? []).map(limitsOf)]);
}

function withoutLimits(coder: Coder<unknown>): Coder<unknown> {
  const { urn, payload, components = [] } = coder.spec();
  return coderFromSpec({
    urn,
    ...(payload ? { payload } : {}),
    components: components.map(withoutLimits),
  });
}

/** Elements as they are, encoded by `coder` from here on. Applied inside composites. */
export function recode<T>(name: string, coder: Coder<T>) {
  return mapStep<T, T>(name, (element) => element, coder);
}

/** As {@link recode}, of a coder that the program declared: each element is checked. */
export function declare<T>(name: string, coder: Coder<T>) {
  const step = new ParDo<T, T>({ kind: 'map', fn: (element) => element }, coder, true);
  step.beamName = name;
  return step;
}

/**
 * Declares how the elements of a PCollection are encoded, which other languages need to know.
 * Each goes through the coder at once, on every runner: one that does not fit fails the pipeline, and
 * one that does is from here on what the coder makes of it.
 *
 * @throws `CODER_MISMATCH`, `ROW_MISMATCH` or `INT64_OUT_OF_RANGE` at run time
 *
 * @example
 * ```ts
 * lines.apply(withCoder(new StrUtf8Coder())).apply(pythonTransform('my_module.Tokenize'));
 * ```
 */
export function withCoder<T>(coder: Coder<T>): PTransformClass<PCollection<T>, PCollection<T>> {
  return transform(`withCoder(${coder.name})`, (input) => input.apply(declare('recode', coder)));
}
