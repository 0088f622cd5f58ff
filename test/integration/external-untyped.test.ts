// SPDX-License-Identifier: Apache-2.0
// What Python leaves untyped is what the program declares. Starts the managed Python host.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BeamBridgeError } from '../../src/base/index.ts';
import { type Coder, KVCoder, StrUtf8Coder, VarIntCoder } from '../../src/coders/index.ts';
import { type OutputType, pythonCallable, pythonTransform } from '../../src/external/index.ts';
import type { PCollection, Root } from '../../src/pipeline/index.ts';
import { createRunner, type Runner } from '../../src/runners/index.ts';
import * as s from '../../src/schema/index.ts';
import { create, withCoder } from '../../src/transforms/index.ts';

const runners: Record<string, Runner> = {
  node: createRunner({ runner: 'node', progress: false }),
  direct: createRunner({ runner: 'direct', progress: false }),
};

const counts = new KVCoder(new StrUtf8Coder(), new VarIntCoder());
const words = (root: Root) =>
  root.apply(create(['a', 'bb'])).apply(withCoder(new StrUtf8Coder() as Coder<string>));
const pairs = (root: Root) =>
  root
    .apply(
      create([
        { key: 'a', value: 1 },
        { key: 'a', value: 2 },
      ]),
    )
    .apply(withCoder(counts as Coder<{ key: string; value: number }>));

type Outputs = Record<string, PCollection<unknown>>;

const several = (source: string, outputs: Record<string, OutputType>) => (root: Root) =>
  words(root).apply(
    pythonTransform<PCollection<string>, Outputs>('__callable__', { source }, undefined, {
      outputs,
    }),
  );
const one = (source: string, output: OutputType) => (root: Root) => ({
  main: words(root).apply(pythonTransform('__callable__', { source }, undefined, { output })),
});

interface Case {
  name: string;
  apply(root: Root): Outputs;
  expected: Record<string, unknown[]>;
}

const cases: Case[] = [
  {
    name: 'a partition',
    apply: several(
      `
def f(p):
  even, odd = p | beam.Partition(lambda s, n: len(s) % 2, 2)
  return {'even': even, 'odd': odd}
`,
      { even: s.string, odd: s.string },
    ),
    expected: { even: ['bb'], odd: ['a'] },
  },
  {
    name: 'tagged outputs, of dicts and numbers',
    apply: several(
      `
def f(p):
  def split(s):
    yield {'word': s}
    yield beam.pvalue.TaggedOutput('length', len(s))
  r = p | beam.FlatMap(split).with_outputs('length', main='word')
  return {'word': r.word, 'length': r.length}
`,
      { word: s.row({ word: s.string }), length: s.int64 },
    ),
    expected: { word: [{ word: 'a' }, { word: 'bb' }], length: [1, 2] },
  },
  {
    name: 'tagged outputs that are given as they are',
    apply: several(
      `
def f(p):
  def split(s):
    yield s
    yield beam.pvalue.TaggedOutput('length', len(s))
  return p | beam.FlatMap(split).with_outputs('length', main='word')
`,
      { word: s.string, length: s.int64 },
    ),
    expected: { word: ['a', 'bb'], length: [1, 2] },
  },
  {
    name: 'dicts as rows, nested',
    apply: one(
      `
def f(p):
  return p | beam.Map(lambda s: {'word': s, 'sizes': [{'n': len(s)}], 'none': None})
`,
      s.row({ word: s.string, sizes: s.array(s.row({ n: s.int64 })), none: s.nullable(s.string) }),
    ),
    expected: {
      main: [
        { word: 'a', sizes: [{ n: 1 }], none: null },
        { word: 'bb', sizes: [{ n: 2 }], none: null },
      ],
    },
  },
  {
    name: 'a combiner by name',
    apply: (root) => ({
      main: pairs(root).apply(
        pythonTransform(
          'apache_beam.CombinePerKey',
          [pythonCallable('sum')],
          {},
          { output: counts },
        ),
      ),
    }),
    expected: { main: [{ key: 'a', value: 3 }] },
  },
  {
    name: 'the top of each key',
    apply: (root) => ({
      main: pairs(root).apply(
        pythonTransform(
          'apache_beam.transforms.combiners.Top.PerKey',
          [1],
          {},
          { output: new KVCoder(new StrUtf8Coder(), s.coderOf(s.array(s.int64))) },
        ),
      ),
    }),
    expected: { main: [{ key: 'a', value: [2] }] },
  },
];

for (const [name, runner] of Object.entries(runners)) {
  describe(`untyped outputs of Python on ${name}`, () => {
    for (const { name: what, apply, expected } of cases) {
      test(what, async () => {
        const found: Record<string, unknown[]> = {};
        await runner.run((root) => {
          for (const [tag, output] of Object.entries(apply(root))) {
            found[tag] = [];
            output.map((value) => {
              found[tag]?.push(value);
            });
          }
        });
        for (const values of Object.values(found)) {
          values.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
        }
        assert.deepEqual(found, expected);
      });
    }

    test('a bare narrow number, one in a key-value and a time are held to what is declared', async () => {
      const at = (body: string, output: OutputType) =>
        one(
          `def f(p):\n  from apache_beam.utils.timestamp import Timestamp\n  return p | beam.Map(lambda s: ${body})`,
          output,
        );
      const pair = new KVCoder(new StrUtf8Coder(), s.coderOf(s.array(s.int16)));
      for (const [body, output, says] of [
        ['2**31', s.int32, /int 2147483648, where a whole number of 32 bits/],
        ['1e39', s.float32, /more than a float of 32 bits/],
        ["('k', [2**15])", pair, /Python\[1\]\[\] is int 32768/],
        ["{'t': Timestamp(micros=1001)}", s.row({ t: s.millisInstant }), /microseconds/],
      ] as const) {
        await assert.rejects(
          runner.run((root) => at(body, output)(root).main),
          (error: BeamBridgeError) =>
            error.code === 'ROW_MISMATCH' &&
            says.test(error.message) &&
            error.transform === 'Python',
        );
      }
      const found: unknown[] = [];
      await runner.run((root) => {
        at('len(s) / 10', s.float32)(root).main.map((value) => found.push(value));
        at(
          "{'t': Timestamp(micros=-5000)}",
          s.row({ t: s.millisInstant }),
        )(root).main.map((value) => found.push(value));
      });
      const time = { t: new Date(-5) };
      assert.deepEqual(found.sort(), [Math.fround(0.1), Math.fround(0.2), time, time]);
    });

    test('values outside an enumeration are refused wherever it is declared, typed in Python or not', async () => {
      const known = s.enumeration(['a', 'b']);
      const pair = new KVCoder(new StrUtf8Coder(), s.coderOf(known));
      const at = (body: string, hint: string, output: OutputType) =>
        one(`def f(p):\n  import typing\n  return p | beam.Map(lambda s: ${body})${hint}`, output);
      const text = '.with_output_types(str)';
      const pairs = '.with_output_types(typing.Tuple[str, str])';
      for (const [of, hint, output, good] of [
        [(v: string) => v, '', known, 'a'],
        [(v: string) => v, text, known, 'a'],
        [(v: string) => `[${v}]`, '', s.array(known), ['a']],
        [(v: string) => v, '', s.nullable(known), 'a'],
        [(v: string) => `('k', ${v})`, pairs, pair, { key: 'k', value: 'a' }],
        [(v: string) => `{'e': ${v}}`, '', s.row({ e: known }), { e: 'a' }],
      ] as const) {
        await assert.rejects(
          runner.run((root) => {
            // That of a row is looked at where it is read.
            at(of("'a' if len(s) == 1 else 'z'"), hint, output)(root).main.map(() => {});
          }),
          (error: BeamBridgeError) => error.code === 'ROW_MISMATCH' && /z/.test(error.message),
          `${of('v')}${hint}`,
        );
        const found: unknown[] = [];
        await runner.run((root) => {
          at(of("'a'"), hint, output)(root).main.map((value) => found.push(value));
        });
        assert.deepEqual(found, [good, good]);
      }
    });

    test('a value that is not what is declared ends the run', async () => {
      const source = "def f(p):\n  return p | beam.Map(lambda s: {'n': s})";
      await assert.rejects(
        runner.run((root) => one(source, s.row({ n: s.int64 }))(root).main),
        (error: unknown) =>
          error instanceof BeamBridgeError &&
          error.code === 'ROW_MISMATCH' &&
          /an output of Python\.n is str 'b?[ab]', where a whole number is declared/.test(
            error.message,
          ),
      );
    });
  });
}
