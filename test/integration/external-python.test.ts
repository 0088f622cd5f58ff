// SPDX-License-Identifier: Apache-2.0
// Starts the managed Python host and expands Python transforms in it, then runs them there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../src/base/index.ts';
import { StrUtf8Coder, VarIntCoder } from '../../src/coders/index.ts';
import { pythonCallable, pythonTransform, typed } from '../../src/external/index.ts';
import { P, type PCollection, type Root } from '../../src/pipeline/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import * as s from '../../src/schema/index.ts';
import { create, withCoder } from '../../src/transforms/index.ts';

const runner = createRunner({ runner: 'direct' });
const strings = (root: Root, ...values: string[]) =>
  root.apply(create(values)).apply(withCoder(new StrUtf8Coder()));
const numbers = (root: Root, ...values: number[]) =>
  root.apply(create(values)).apply(withCoder(new VarIntCoder()));

/** Runs a pipeline and gives what it collected, in any order. */
async function collect(
  build: (root: Root) => PCollection<unknown>[] | Promise<PCollection<unknown>[]>,
): Promise<unknown[]> {
  const out: unknown[] = [];
  await runner.run(async (root) => {
    for (const pcoll of await build(root)) {
      pcoll.map((value) => out.push(value));
    }
  });
  return out.sort();
}

/** Python's `repr` of the arguments that it was given. */
const ECHO = `
import apache_beam as beam
def plain(value):
  if hasattr(value, '_asdict'):
    return {name: plain(part) for name, part in value._asdict().items()}
  if isinstance(value, beam.utils.python_callable.PythonCallableWithSource):
    return value(4)
  return [plain(part) for part in value] if isinstance(value, list) else value
def make(*args, **kwargs):
  text = repr(([plain(arg) for arg in args], {name: plain(value) for name, value in kwargs.items()}))
  return beam.Map(lambda _: text).with_output_types(str)
`;

test('arguments of all types arrive as what they are in Python', async () => {
  const args = [1, 'x'];
  const kwargs = {
    fraction: 1.5,
    flag: true,
    bytes: new Uint8Array([1, 255]),
    big: 2n ** 60n,
    list: [1, 2],
    mixed: [1, 2.5],
    map: new Map([['k', 1]]),
    row: { a: 1, b: { c: 'deep' } },
    rows: [{ a: 1 }, { a: 2 }],
    floats: Float32Array.of(0.5),
    exact: s.Decimal.from('1.50'),
    at: new Date(1500),
    micros: s.MicrosInstant.fromDate(new Date(1500)),
    fn: pythonCallable('lambda x: x * x'),
    fns: [pythonCallable('math.sqrt')],
    none: typed(s.nullable(s.string), null),
    present: typed(s.nullable(s.int64), 5),
    empty: typed(s.array(s.string), []),
    small: typed(s.int32, -5),
    smaller: typed(s.int16, -5),
    smallest: typed(s.byte, 5),
    single: typed(s.float32, 0.5),
    fixed: typed(s.fixedBytes(2), Uint8Array.of(1, 2)),
    short: typed(s.varString(5), 'abc'),
    iterable: typed(s.iterable(s.int64), [1]),
    choice: typed(s.enumeration(['a', 'b']), 'a'),
  };
  const [text] = await collect((root) => [
    strings(root, 'only').apply(
      pythonTransform('__constructor__', [ECHO, ...args], kwargs, { output: s.string }),
    ),
  ]);
  assert.equal(
    text,
    "([1, 'x'], {'fraction': 1.5, 'flag': True, 'bytes': b'\\x01\\xff', 'big': 1152921504606846976, " +
      "'list': [1, 2], 'mixed': [1.0, 2.5], 'map': {'k': 1}, 'row': {'a': 1, 'b': {'c': 'deep'}}, " +
      "'rows': [{'a': 1}, {'a': 2}], 'floats': [0.5], 'exact': Decimal('1.50'), 'at': Timestamp(1.500000), " +
      "'micros': Timestamp(1.500000), 'fn': 16, 'fns': [2.0], 'none': None, 'present': 5, 'empty': [], " +
      "'small': -5, 'smaller': -5, 'smallest': 5, 'single': 0.5, 'fixed': b'\\x01\\x02', 'short': 'abc', " +
      "'iterable': [1], 'choice': 'a'})",
  );
});

test('a dotted name, a constructor and a function of PCollections', async () => {
  const upper = pythonTransform(
    'apache_beam.Map',
    [pythonCallable('str.upper')],
    {},
    { output: s.string },
  );
  const twice = pythonTransform(
    '__callable__',
    { source: "def twice(pcoll):\n  return pcoll | beam.FlatMap(lambda x: [x, x + '!'])" },
    undefined,
    { output: s.string },
  );
  const outputs = await collect((root) => [strings(root, 'a', 'b').apply(upper).apply(twice)]);
  assert.deepEqual(outputs, ['A', 'A!', 'B', 'B!']);
});

test('several inputs and several outputs, with TypeScript before, between and after', async () => {
  const source = `
def split(pcolls):
  words = pcolls['words'] | 'add' >> beam.Map(lambda word: word + '?').with_output_types(str)
  doubled = pcolls['numbers'] | 'double' >> beam.Map(lambda n: n * 2).with_output_types(int)
  return {'words': words, 'doubled': doubled}
`;
  const outputs = await collect((root) => {
    const { words, doubled } = P({ words: strings(root, 'a'), numbers: numbers(root, 1, 2) }).apply(
      pythonTransform<
        { words: PCollection<string>; numbers: PCollection<number> },
        { words: PCollection<string>; doubled: PCollection<number> }
      >('__callable__', { source }, undefined, { outputs: { words: s.string, doubled: s.int64 } }),
    );
    const more = doubled
      .map((n) => n + 1)
      .apply(withCoder(new VarIntCoder()))
      .apply(pythonTransform('apache_beam.Map', [pythonCallable('str')], {}, { output: s.string }));
    return [words, more];
  });
  assert.deepEqual(outputs, ['3', '5', 'a?']);
});

test('rows go to Python and come back with their types', async () => {
  const point = s.row({ x: s.int64, name: s.nullable(s.string), at: s.array(s.float64) });
  const source = `
def move(pcoll):
  return pcoll | beam.Map(lambda p: beam.Row(x=p.x + 1, name=p.name, at=[v * 2 for v in p.at]))
`;
  const outputs = await collect((root) => [
    root
      .apply(create([{ x: 1, name: null, at: [0.5] }]))
      .apply(withCoder(s.rowCoder(point)))
      .apply(pythonTransform('__callable__', { source }, undefined, { output: point })),
  ]);
  assert.deepEqual(outputs, [{ x: 2, name: null, at: [1] }]);
});

test('a Python source, and a transform that gives its input back', async () => {
  const same = pythonTransform('__callable__', { source: 'def same(p):\n  return p' }, undefined, {
    output: s.string,
  });
  const outputs = await collect((root) => [
    root.apply(pythonTransform('apache_beam.Create', [['x', 'y']], {}, { output: s.string })),
    strings(root, 'z').apply(same),
  ]);
  assert.deepEqual(outputs, ['x', 'y', 'z']);
});

test('applyAsync finds types and windows by itself', async () => {
  const outputs = await collect(async (root) => {
    const lengths = await strings(root, 'abc').applyAsync(
      pythonTransform<PCollection<string>, PCollection<number>>('apache_beam.Map', [
        pythonCallable('len'),
      ]),
    );
    assert.equal(lengths.coder.name, 'varint');
    const windowed = await lengths.applyAsync(
      pythonTransform<PCollection<number>, PCollection<number>>('__callable__', {
        source: 'def w(p):\n  return p | beam.WindowInto(beam.window.FixedWindows(5))',
      }),
    );
    assert.equal(
      windowed.node.windowing.windowFn.toProto()?.urn,
      'beam:window_fn:fixed_windows:v1',
    );
    return [windowed.map((n) => n + 1)];
  });
  assert.deepEqual(outputs, [4]);
});

async function fails(code: string, message: RegExp, transform: ReturnType<typeof use>) {
  await assert.rejects(
    collect((root) => [strings(root, 'a').apply(transform)]),
    (error) => {
      assert.ok(error instanceof BeamBridgeError);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      assert.match(error.transform ?? '', /^Python/);
      assert.match(error.appliedAt ?? '', /external-python\.test\.ts/);
      return true;
    },
  );
}
const use = (name: string, ...args: unknown[]) =>
  pythonTransform(name, args, {}, { output: s.string });

test('names that Python does not know', async () => {
  await fails('UNKNOWN_PYTHON_CALLABLE', /no_such_module/, use('no_such_module.Thing'));
  await fails('UNKNOWN_PYTHON_CALLABLE', /Mapp/, use('apache_beam.Mapp'));
  await fails(
    'UNKNOWN_PYTHON_CALLABLE',
    /no_such_module/,
    use('apache_beam.Map', pythonCallable('no_such_module.f')),
  );
});

test('exceptions while a transform is built, and while it runs', async () => {
  await fails(
    'PYTHON_EXCEPTION',
    /^ValueError: not today/,
    use('__constructor__', 'def make():\n  raise ValueError("not today")'),
  );
  await fails('PYTHON_EXCEPTION', /SyntaxError/, use('__constructor__', 'def make(:\n  pass'));
  await fails(
    'PYTHON_EXCEPTION',
    /^ZeroDivisionError: /,
    use('apache_beam.Map', pythonCallable('lambda x: str(1 // 0)')),
  );
});

test('an output of another type than declared', async () => {
  await fails(
    'EXPANSION_FAILED',
    /gives elements of coder varint where string_utf8 is declared/,
    use('apache_beam.Map', pythonCallable('len')),
  );
});

test('an exception that quotes data keeps its own code and hint', async () => {
  const told = JSON.stringify({ code: 'ENVIRONMENT_OFFLINE', message: 'evil', hint: 'evil' });
  for (const name of ['direct', 'node'] as const) {
    const run = createRunner({ runner: name, progress: false }).run((root) => {
      strings(root, `\nBEAMBRIDGE_ERROR ${told}\n`, `\nBEAMBRIDGE_ERROR 0a1b ${told}\n`).apply(
        pythonTransform(
          '__callable__',
          [],
          {
            source: `
def f(pcoll):
  def parse(x):
    raise ValueError(f'cannot parse {x}')
  return pcoll | beam.Map(parse).with_output_types(str)
import apache_beam as beam
f`,
          },
          { output: s.string },
        ),
      );
    });
    await assert.rejects(run, (error) => {
      assert.ok(error instanceof BeamBridgeError);
      assert.equal(error.code, 'PYTHON_EXCEPTION', name);
      assert.equal(error.hint, undefined);
      return true;
    });
  }
});

test('a host that is lost each time that it expands is a host that died', async () => {
  const source = 'import os, signal\ndef f():\n  os.kill(os.getpid(), signal.SIGKILL)';
  for (const name of ['direct', 'node'] as const) {
    const run = createRunner({ runner: name, progress: false }).run((root) => {
      strings(root, 'x').apply(
        pythonTransform('__constructor__', [], { source }, { output: s.string }),
      );
    });
    await assert.rejects(run, { code: 'HOST_DIED' }, name);
  }
  const now = createRunner({ runner: 'node', progress: false }).run(async (root) => {
    await strings(root, 'x').applyAsync(pythonTransform('__constructor__', [], { source }));
  });
  await assert.rejects(now, { code: 'HOST_DIED' });
});
