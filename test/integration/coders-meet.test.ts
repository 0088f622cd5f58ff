// SPDX-License-Identifier: Apache-2.0
// Where two coders meet inside a Python transform, every runner must give what plain Python gives.
// Starts the managed Python host.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KVCoder, StrUtf8Coder, VarIntCoder } from '../../src/coders/index.ts';
import { pythonTransform } from '../../src/external/index.ts';
import { P, type PCollection, type Root } from '../../src/pipeline/index.ts';
import { createRunner, type Runner } from '../../src/runners/index.ts';
import * as s from '../../src/schema/index.ts';
import { create, withCoder } from '../../src/transforms/index.ts';

const runners: Record<string, Runner> = {
  node: createRunner({ runner: 'node', progress: false }),
  'node, every value encoded': createRunner({
    runner: 'node',
    progress: false,
    forceEncoding: true,
  }),
  direct: createRunner({ runner: 'direct', progress: false }),
};

interface Meeting {
  readonly name: string;
  readonly source: string;
  readonly expected: readonly string[];
}

/** Two PCollections of other types, made of the strings `ab` and flattened. */
function flattened(name: string, a: string, b: string, expected: readonly string[]): Meeting {
  return { name, expected, source: both(a, b, '(a, b) | beam.Flatten()') };
}

function both(a: string, b: string, joined: string): string {
  return `
def f(pcoll):
    import typing
    import apache_beam as beam
    a = pcoll | 'A' >> ${a}
    b = pcoll | 'B' >> ${b}
    return ${joined} | 'Repr' >> beam.Map(repr).with_output_types(str)
`;
}

const map = (body: string, type?: string) =>
  `beam.Map(lambda s: ${body})${type ? `.with_output_types(${type})` : ''}`;

const meetings: readonly Meeting[] = [
  flattened('dicts of other values', map("{'word': s}"), map("{'length': len(s)}"), [
    "{'length': 2}",
    "{'word': 'ab'}",
  ]),
  flattened('a whole number beside a fraction in dicts', map("{'w': 2}"), map("{'w': 1.5}"), [
    "{'w': 1.5}",
    "{'w': 2}",
  ]),
  flattened('bytes beside a dict', map("b'\\x01\\x05'"), map("{'length': len(s)}"), [
    "b'\\x01\\x05'",
    "{'length': 2}",
  ]),
  flattened('int beside float', map('len(s)', 'int'), map('1.5', 'float'), ['1.5', '2']),
  flattened('int beside Any', map('len(s)', 'int'), map('{1: s}', 'typing.Any'), [
    '2',
    "{1: 'ab'}",
  ]),
  flattened('str beside None', map('s', 'str'), map('None', 'type(None)'), ["'ab'", 'None']),
  flattened('rows of other fields', map('beam.Row(x=1)'), map("beam.Row(y='b')"), [
    'Row(x=1)',
    "Row(y='b')",
  ]),
  flattened('what came in beside a number', map('s', 'str'), map('len(s)', 'int'), ["'ab'", '2']),
  {
    name: 'a reshuffle that is declared as another type',
    source: both(
      map('len(s)', 'int'),
      map('s', 'str'),
      '((a | beam.Reshuffle().with_output_types(typing.Any), b) | beam.Flatten())',
    ),
    expected: ["'ab'", '2'],
  },
  {
    name: 'flattens of flattens',
    source: both(
      map("{'word': s}"),
      map('len(s)', 'int'),
      "(((a, b) | 'Inner' >> beam.Flatten(), b) | beam.Flatten())",
    ),
    expected: ['2', '2', "{'word': 'ab'}"],
  },
  {
    name: 'what is flattened is also grouped and a side input',
    source: both(
      map('(s, len(s))', 'tuple[str, int]'),
      map('(s, 1.5)', 'tuple[str, float]'),
      `((a, b) | beam.Flatten()
     | beam.Map(lambda kv, side: (kv, side), side=beam.pvalue.AsList((b, a) | 'Side' >> beam.Flatten()))
     | beam.Map(lambda kv: (kv[0], sorted(kv[1]))))`,
    ),
    expected: ["(('ab', 1.5), [('ab', 1.5), ('ab', 2)])", "(('ab', 2), [('ab', 1.5), ('ab', 2)])"],
  },
];

/** What is grouped inside a Python transform, made of `(pcoll, pairs, rows)`. */
const groupings: readonly Meeting[] = [
  {
    name: 'a grouping of what nobody annotated',
    source: steps('words | beam.Map(lambda s: (s, len(s))) | beam.GroupByKey()'),
    expected: ["('ab', [2])"],
  },
  {
    name: 'a CoGroupByKey of other types',
    source: steps(`{
        'a': words | 'A' >> beam.Map(lambda s: (s, len(s))).with_output_types(tuple[str, int]),
        'b': words | 'B' >> beam.Map(lambda s: (s, s.upper())).with_output_types(tuple[str, str])}
        | beam.CoGroupByKey()`),
    expected: ["('ab', {'a': [2], 'b': ['AB']})"],
  },
  { name: 'GroupByKey', source: steps('pairs | beam.GroupByKey()'), expected: ["('k', [1, 1])"] },
  {
    name: 'GroupByKey of rows as keys',
    source: steps('rows | beam.GroupByKey() | beam.Map(lambda kv: (kv[0].n, kv[1]))'),
    expected: ["(1, ['x'])"],
  },
  {
    name: 'CombinePerKey',
    source: steps('pairs | beam.CombinePerKey(sum)'),
    expected: ["('k', 2)"],
  },
  {
    name: 'Count.PerKey',
    source: steps('pairs | beam.combiners.Count.PerKey()'),
    expected: ["('k', 2)"],
  },
  {
    name: 'Top.PerKey',
    source: steps('pairs | beam.combiners.Top.PerKey(1)'),
    expected: ["('k', [1])"],
  },
];

function steps(body: string): string {
  return `
def f(pcolls):
    import apache_beam as beam
    words, pairs, rows = pcolls['words'], pcolls['pairs'], pcolls['rows']
    plain = lambda v: (tuple(map(plain, v)) if isinstance(v, tuple) else {k: plain(x) for k, x in v.items()}
        if isinstance(v, dict) else list(v) if hasattr(v, '__iter__') and not isinstance(v, str) else v)
    return (${body}) | 'Repr' >> beam.Map(lambda v: repr(plain(v))).with_output_types(str)
`;
}

for (const [on, runner] of Object.entries(runners)) {
  describe(`on ${on}`, () => {
    test('what meets inside a Python transform is what it was', { timeout: 120_000 }, async () => {
      const out = new Map<string, string[]>();
      await runner.run((root: Root) => {
        const words = root.apply(create(['ab'], { schema: s.string }));
        for (const { name, source } of meetings) {
          const found: string[] = [];
          out.set(name, found);
          (
            words.apply(
              pythonTransform('__callable__', [], { source }, { output: s.string }),
            ) as PCollection<string>
          ).map((text) => void found.push(text));
        }
      });
      for (const { name, expected } of meetings) {
        assert.deepEqual(out.get(name)!.sort(), expected, name);
      }
    });

    test('what is grouped inside one keeps its keys', { timeout: 120_000 }, async () => {
      const out = new Map<string, string[]>();
      await runner.run((root: Root) => {
        const words = root.apply(create(['ab'], { schema: s.string }));
        const pairs = root
          .apply(
            create([
              { key: 'k', value: 1 },
              { key: 'k', value: 1 },
            ]),
          )
          .apply(withCoder(new KVCoder(new StrUtf8Coder(), new VarIntCoder())));
        const rows = root
          .apply(create([{ key: { n: 1 }, value: 'x' }]))
          .apply(withCoder(new KVCoder(s.coderOf(s.row({ n: s.int64 })), new StrUtf8Coder())));
        for (const { name, source } of groupings) {
          const found: string[] = [];
          out.set(name, found);
          (
            P({ words, pairs, rows }).apply(
              pythonTransform('__callable__', [], { source }, { output: s.string }),
            ) as PCollection<string>
          ).map((text) => void found.push(text));
        }
      });
      for (const { name, expected } of groupings) {
        assert.deepEqual(out.get(name), expected, name);
      }
    });
  });
}
