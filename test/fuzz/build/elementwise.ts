// SPDX-License-Identifier: Apache-2.0
// Maps, flatMaps and splits of random pipelines, in the forms that a user may choose.

import { type PCollection, TaggedOutput } from '../../../src/pipeline/index.ts';
import { parDo, partition, split } from '../../../src/transforms/index.ts';
import { MAPS, partOf, several } from '../functions.ts';
import type { Step } from '../program.ts';

type Any = PCollection<unknown>;
type Of<O extends Step['op']> = Extract<Step, { op: O }>;

export function mapped(input: Any, { how }: Of<'map'>): Any {
  const fn = MAPS[how];
  return how === 'async' ? input.map(async (value) => fn(value)) : input.map(fn);
}

export function flatMapped(input: Any, { how }: Of<'flatMap'>): Any {
  switch (how) {
    case 'array':
      return input.flatMap(several);
    case 'generator':
      return input.flatMap(function* (value) {
        yield* several(value);
      });
    case 'async':
      return input.flatMap(async function* (value) {
        for (const one of several(value)) yield one;
      });
    case 'set':
      return input.flatMap((value) => new Set(several(value)));
    case 'promise':
      return input.flatMap(async (value) => several(value));
  }
}

/** One of several parts. */
export function part(input: Any, { how, parts, take }: Of<'split'>): Any {
  const wanted = take % parts;
  if (how === 'partition') {
    return input.apply(partition((value) => partOf(value, parts), parts))[wanted]!;
  }
  const tags = Array.from({ length: parts }, (_, i) => `t${i}`);
  if (how === 'split') {
    const tagged = input.map(
      (value): Record<string, unknown> => ({ [tags[partOf(value, parts)]!]: value }),
    );
    return tagged.apply(split(tags))[tags[wanted]!]!;
  }
  const doFn = parDo({
    process: (value: unknown) => [new TaggedOutput(tags[partOf(value, parts)]!, value)],
  });
  const outputs = input.apply(doFn.withOutputs<Record<string, unknown>>({ main: 'main', tags }));
  return outputs[tags[wanted]!]!;
}
