// SPDX-License-Identifier: Apache-2.0
// One PCollection taken apart: by the fields of its elements, or by a function.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import { type Coder, describeValue } from '../coders/index.ts';
import {
  type DoFn,
  labelled,
  MultiParDo,
  type PCollection,
  type PTransformClass,
  TaggedOutput,
} from '../pipeline/index.ts';
import { whenKnown } from './fields.ts';
import { transform } from './transform.ts';

type AnyDoFn = DoFn<unknown, unknown, unknown>;
type KeyIn<X> = X extends unknown ? keyof X & string : never;
type ValueIn<X, K extends string> = X extends { [P in K]?: infer V }
  ? Exclude<V, undefined>
  : never;

/** A PCollection for each field that an element may have. */
export type SplitOutputs<X> = { [K in KeyIn<X>]: PCollection<ValueIn<X, K>> };

/** Options of {@link split}. */
export interface SplitOptions {
  /** Fields that elements may have; those without an output are dropped. @default the outputs */
  knownTags?: readonly string[];
  /**
   * What happens to a field that is not known: it fails the pipeline, is dropped, or goes to the
   * output `unknownTagName`. @default `'error'`
   */
  unknownTagBehavior?: 'error' | 'ignore' | 'rename';
  unknownTagName?: string;
  /** Whether each element must have exactly one field. @default true */
  exclusive?: boolean;
}

const OPTIONS: OptionNames<SplitOptions> = {
  knownTags: true,
  unknownTagBehavior: true,
  unknownTagName: true,
  exclusive: true,
};

/**
 * Elements `{tag: value}` to one PCollection of values for each tag.
 *
 * @param tags - the outputs, which are fields of the elements
 * @throws `INVALID_ARGUMENT` without tags; at run time for an element with an unknown field, or with
 *   several while `exclusive`
 *
 * @example
 * ```ts
 * const { good, bad } = lines
 *   .map((line) => (line ? { good: line } : { bad: line }))
 *   .apply(split(['good', 'bad']));
 * ```
 */
export function split<X extends object>(
  tags: readonly KeyIn<X>[],
  options?: SplitOptions,
): PTransformClass<PCollection<X>, SplitOutputs<X>>;
/** With tags that the compiler does not know, the outputs are any. */
export function split<Tag extends string>(
  tags: string extends Tag ? readonly Tag[] : never,
  options?: SplitOptions,
  // biome-ignore lint/suspicious/noExplicitAny: nothing is known of the fields
): PTransformClass<PCollection<any>, Record<string, PCollection<any>>>;
export function split<X extends object>(
  tags: readonly string[],
  options: SplitOptions = {},
): PTransformClass<PCollection<X>, SplitOutputs<X>> {
  checkOptionNames('split', options, OPTIONS);
  const { exclusive = true, unknownTagBehavior = 'error', unknownTagName } = options;
  const outputs: string[] = [...tags];
  if (unknownTagBehavior === 'rename') {
    if (!unknownTagName) throw splitError("'rename' needs an unknownTagName");
    if (!outputs.includes(unknownTagName)) outputs.push(unknownTagName);
  }
  if (outputs.length === 0) throw splitError('there are no tags');
  const known = new Set(options.knownTags ?? outputs);
  const wanted = new Set(outputs);

  function* process(element: unknown) {
    if (typeof element !== 'object' || element === null) {
      throw splitError(`an element is ${describeValue(element)}, not an object`);
    }
    const all = Object.entries(element);
    // An optional field that is undefined is none, unless it is all there is.
    const filled = all.filter(([, value]) => value !== undefined);
    const fields = filled.length > 0 ? filled : all;
    if (exclusive && fields.length !== 1) {
      throw splitError(
        `an element has ${fields.length} fields, not one: ${describeValue(element)}`,
      );
    }
    for (const [field, value] of fields) {
      if (known.has(field)) {
        if (wanted.has(field)) yield new TaggedOutput(field, value);
      } else if (unknownTagBehavior === 'rename') {
        yield new TaggedOutput(unknownTagName!, value);
      } else if (unknownTagBehavior === 'error') {
        throw splitError(`an element has the field ${JSON.stringify(field)}, which is no tag`);
      }
    }
  }

  return transform(`split(${tags.join(', ')})`, (input) =>
    input.apply(
      new MultiParDo(
        { kind: 'doFn', doFn: { beamName: 'split', process } as AnyDoFn },
        outputs[0]!,
        outputs,
        {},
      ) as unknown as PTransformClass<PCollection<X>, SplitOutputs<X>>,
    ),
  );
}

function splitError(message: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', `split: ${message}`, {
    hint: 'Elements are objects { tag: value }; see the options exclusive and unknownTagBehavior.',
  });
}

/**
 * Elements to one of `count` PCollections each.
 *
 * @param partitionFn - gives the number of an element's partition, from 0; it may be async
 * @throws `INVALID_ARGUMENT` for a count that is no positive whole number; at run time for a
 *   partition that does not exist
 *
 * @example
 * ```ts
 * const [odd, even] = numbers.apply(partition((n) => (n % 2 ? 0 : 1), 2));
 * ```
 */
export function partition<T>(
  partitionFn: (element: T, count: number) => number | Promise<number>,
  count: number,
): PTransformClass<PCollection<T>, PCollection<T>[]> {
  if (typeof partitionFn !== 'function' || !Number.isSafeInteger(count) || count < 1) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `partition into ${String(count)} parts`, {
      hint: 'Pass a function from an element to a number, and how many partitions there are.',
    });
  }
  const name = labelled('partition', partitionFn);
  const tags = Array.from({ length: count }, (_, index) => `${index}`);
  const process = (element: unknown) =>
    whenKnown(partitionFn(element as T, count), (index) => {
      const tag = Number.isInteger(index) ? tags[index] : undefined;
      if (tag !== undefined) return [new TaggedOutput(tag, element)];
      throw new BeamBridgeError('INVALID_ARGUMENT', `${name} gave partition ${String(index)}`, {
        hint: `Give a whole number from 0 to ${count - 1}.`,
      });
    });
  return transform(name, (input) => {
    const coders = Object.fromEntries(tags.map((tag) => [tag, input.coder as Coder<unknown>]));
    const parts = input.apply(
      new MultiParDo<T, Record<string, unknown>>(
        { kind: 'doFn', doFn: { beamName: 'partition', process } as AnyDoFn },
        tags[0]!,
        tags,
        coders,
        false,
      ),
    );
    return tags.map((tag) => parts[tag] as PCollection<T>);
  });
}
