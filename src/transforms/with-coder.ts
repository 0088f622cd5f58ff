// SPDX-License-Identifier: Apache-2.0
// The same elements under another coder: what a PCollection is declared to hold.

import { type Coder, coderToProto, JsCoder } from '../coders/index.ts';
import type { PCollection, PTransformClass } from '../pipeline/index.ts';
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

/** The one coder of them all, or the coder for any JavaScript value. */
export function commonCoder(coders: readonly Coder<unknown>[]): Coder<unknown> {
  const [first, ...others] = coders;
  return first && others.every((other) => sameCoder(first, other)) ? first : new JsCoder();
}

/** Elements as they are, encoded by `coder` from here on. Applied inside composites. */
export function recode<T>(name: string, coder: Coder<T>) {
  return mapStep<T, T>(name, (element) => element, coder);
}

/**
 * Declares how the elements of a PCollection are encoded, which other languages need to know.
 * Elements stay as they are; one that does not fit fails the pipeline with `CODER_MISMATCH`.
 *
 * @example
 * ```ts
 * lines.apply(withCoder(new StrUtf8Coder())).apply(pythonTransform('my_module.Tokenize'));
 * ```
 */
export function withCoder<T>(coder: Coder<T>): PTransformClass<PCollection<T>, PCollection<T>> {
  return transform(`withCoder(${coder.name})`, (input) => input.apply(recode('recode', coder)));
}
