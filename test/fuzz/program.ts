// SPDX-License-Identifier: Apache-2.0
// A random batch pipeline as plain data. Any list of steps is one: a step names its inputs by numbers
// that are taken modulo what there is (see plan.ts), so that dropping steps while shrinking leaves a
// pipeline, and what a step cannot do to its input is left out.

import fc, { type Arbitrary } from 'fast-check';
import { type Type, types } from './types.ts';

export interface Source {
  readonly type: Type;
  /** Values by number: see nthValue. */
  readonly numbers: readonly number[];
  /** Where they are read from files, whose rows they are then. */
  readonly file?: FileSource;
}

export interface FileSource {
  readonly format: 'csv' | 'json' | 'parquet' | 'avro';
  readonly numShards: number;
  readonly splitBytes: number;
}

export type WindowSpec =
  | { readonly kind: 'global' }
  | { readonly kind: 'fixed'; readonly size: number; readonly offset: number }
  | { readonly kind: 'sliding'; readonly size: number; readonly period: number }
  | { readonly kind: 'sessions'; readonly gap: number };

export const COMBINERS = [
  'sum',
  'count',
  'max',
  'min',
  'mean',
  'toList',
  'top',
  'own',
  'two',
] as const;
export type CombinerName = (typeof COMBINERS)[number];

export const TRIGGERS = [
  'default',
  'count 1',
  'count 3',
  'watermark early',
  'any',
  'or finally',
] as const;

/** What a step does to its input, which `on` names. */
export type Step = { readonly on: number } & (
  | { readonly op: 'map'; readonly how: 'wrap' | 'text' | 'hash' | 'async' | 'same' }
  | { readonly op: 'flatMap'; readonly how: 'array' | 'generator' | 'async' | 'set' | 'promise' }
  | { readonly op: 'filter'; readonly modulus: number }
  | { readonly op: 'to'; readonly type: Type; readonly how: 'schema' | 'coder' }
  | { readonly op: 'flatten'; readonly with: readonly number[] }
  | { readonly op: 'reshuffle' }
  | {
      readonly op: 'group';
      readonly keys: Type;
      readonly buckets: number;
      readonly how: 'by' | 'typed' | 'fields';
    }
  | {
      readonly op: 'combine';
      readonly keys: Type;
      readonly buckets: number;
      readonly combiner: CombinerName;
      readonly how: 'perKey' | 'globally' | 'groupBy' | 'together';
    }
  | {
      readonly op: 'coGroup';
      readonly with: readonly number[];
      readonly keys: Type;
      readonly buckets: number;
    }
  | {
      readonly op: 'side';
      readonly from: number;
      readonly how: 'iterable' | 'list' | 'singleton' | 'map' | 'multimap';
    }
  | { readonly op: 'timestamps'; readonly span: number }
  /** Out of the window, which stays. */
  | { readonly op: 'move'; readonly by: number }
  | {
      readonly op: 'window';
      readonly into: WindowSpec;
      readonly stamp: 'endOfWindow' | 'earliest' | 'latest';
      readonly trigger: (typeof TRIGGERS)[number];
      readonly accumulates: boolean;
    }
  | {
      readonly op: 'state';
      readonly buckets: number;
      readonly how: 'bag' | 'combining' | 'value' | 'set' | 'map' | 'multimap' | 'list';
      readonly timer: 'end' | 'tags' | 'again';
    }
  | {
      readonly op: 'split';
      readonly parts: number;
      readonly how: 'partition' | 'split' | 'tagged';
      readonly take: number;
    }
  | {
      readonly op: 'emit';
      readonly how:
        | 'timestamped'
        | 'tagged'
        | 'timestamped(tagged)'
        | 'tagged(timestamped)'
        | 'finish';
    }
  | {
      readonly op: 'splittable';
      readonly most: number;
      readonly how: 'claims' | 'splits' | 'resumes';
    }
  | { readonly op: 'observe' }
  | {
      readonly op: 'python';
      readonly how: 'identity' | 'change' | 'flatten' | 'coGroup' | 'count' | 'keep' | 'side';
    }
);

export interface Program {
  readonly sources: readonly Source[];
  readonly steps: readonly Step[];
}

const on = fc.nat({ max: 40 });
const buckets = fc.integer({ min: 1, max: 4 });
const keys = types;

const windows: Arbitrary<WindowSpec> = fc.oneof(
  fc.constant<WindowSpec>({ kind: 'global' }),
  fc.record(
    {
      kind: fc.constant('fixed' as const),
      size: fc.constantFrom(1, 10, 60),
      offset: fc.constantFrom(0, 3),
    },
    { noNullPrototype: true },
  ),
  fc.record(
    {
      kind: fc.constant('sliding' as const),
      size: fc.constantFrom(10, 30),
      period: fc.constantFrom(5, 10, 30, 40),
    },
    { noNullPrototype: true },
  ),
  fc.record(
    { kind: fc.constant('sessions' as const), gap: fc.constantFrom(1, 5, 20) },
    { noNullPrototype: true },
  ),
);

type Op = Step['op'];
type Fields<O extends Op> = Omit<Extract<Step, { op: O }>, 'on' | 'op'>;

function step<O extends Op>(
  op: O,
  fields: { [K in keyof Fields<O>]: Arbitrary<Fields<O>[K]> },
): Arbitrary<Step> {
  return fc.record(
    { op: fc.constant(op), on, ...(fields as object) },
    { noNullPrototype: true },
  ) as unknown as Arbitrary<Step>;
}

const others = fc.array(on, { minLength: 1, maxLength: 2 });

/** Steps whose code is TypeScript's, each with how often it comes. */
const OURS: { weight: number; arbitrary: Arbitrary<Step> }[] = [
  {
    weight: 4,
    arbitrary: step('map', { how: fc.constantFrom('wrap', 'text', 'hash', 'async', 'same') }),
  },
  {
    weight: 3,
    arbitrary: step('flatMap', {
      how: fc.constantFrom('array', 'generator', 'async', 'set', 'promise'),
    }),
  },
  { weight: 2, arbitrary: step('filter', { modulus: fc.integer({ min: 2, max: 4 }) }) },
  { weight: 4, arbitrary: step('to', { type: types, how: fc.constantFrom('schema', 'coder') }) },
  { weight: 4, arbitrary: step('flatten', { with: others }) },
  { weight: 2, arbitrary: step('reshuffle', {}) },
  {
    weight: 4,
    arbitrary: step('group', { keys, buckets, how: fc.constantFrom('by', 'typed', 'fields') }),
  },
  {
    weight: 4,
    arbitrary: step('combine', {
      keys,
      buckets,
      combiner: fc.constantFrom(...COMBINERS),
      how: fc.constantFrom('perKey', 'globally', 'groupBy', 'together'),
    }),
  },
  { weight: 2, arbitrary: step('coGroup', { with: others, keys, buckets }) },
  {
    weight: 4,
    arbitrary: step('side', {
      from: on,
      how: fc.constantFrom('iterable', 'list', 'singleton', 'map', 'multimap'),
    }),
  },
  { weight: 4, arbitrary: step('timestamps', { span: fc.constantFrom(1, 10_000, 100_000) }) },
  { weight: 3, arbitrary: step('move', { by: fc.constantFrom(-40_000, 4_000, 70_000) }) },
  {
    weight: 4,
    arbitrary: step('window', {
      into: windows,
      stamp: fc.constantFrom('endOfWindow', 'earliest', 'latest'),
      trigger: fc.oneof(
        { weight: 3, arbitrary: fc.constant('default' as const) },
        fc.constantFrom(...TRIGGERS),
      ),
      accumulates: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: step('state', {
      buckets,
      how: fc.constantFrom('bag', 'combining', 'value', 'set', 'map', 'multimap', 'list'),
      timer: fc.constantFrom('end', 'tags', 'again'),
    }),
  },
  {
    weight: 2,
    arbitrary: step('split', {
      parts: fc.integer({ min: 1, max: 3 }),
      how: fc.constantFrom('partition', 'split', 'tagged'),
      take: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: step('emit', {
      how: fc.constantFrom(
        'timestamped',
        'tagged',
        'timestamped(tagged)',
        'tagged(timestamped)',
        'finish',
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: step('splittable', {
      most: fc.integer({ min: 1, max: 5 }),
      how: fc.constantFrom('claims', 'splits', 'resumes'),
    }),
  },
  { weight: 1, arbitrary: step('observe', {}) },
];

const PYTHON = {
  weight: 14,
  arbitrary: step('python', {
    how: fc.constantFrom('identity', 'change', 'flatten', 'coGroup', 'count', 'keep', 'side'),
  }),
};

const source = { type: types, numbers: fc.array(fc.nat({ max: 30 }), { maxLength: 6 }) };
const file: Arbitrary<FileSource> = fc.record(
  {
    format: fc.constantFrom<FileSource['format']>('csv', 'json', 'parquet', 'avro'),
    numShards: fc.integer({ min: 1, max: 3 }),
    splitBytes: fc.integer({ min: 1, max: 200 }),
  },
  { noNullPrototype: true },
);

/** Random pipelines, with steps in Python or without, and sources that are files or none. */
export function programs(options: { python?: boolean; files?: boolean } = {}): Arbitrary<Program> {
  const kinds = options.python ? [...OURS, PYTHON] : OURS;
  const plain = fc.record(source, { noNullPrototype: true });
  const ofFile = fc.record({ ...source, file }, { noNullPrototype: true });
  const one: Arbitrary<Source> = options.files ? ofFile : plain;
  return fc.record(
    {
      sources: fc.array(one, { minLength: 1, maxLength: 3 }),
      steps: fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: 9, size: 'max' }),
    },
    { noNullPrototype: true },
  );
}
