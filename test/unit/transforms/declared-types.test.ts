// SPDX-License-Identifier: Apache-2.0
// A type that a program declares holds on every runner, `node` among them, which encodes nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BeamBridgeError } from '../../../src/base/index.ts';
import { KVCoder, limitOf, StrUtf8Coder, VarIntCoder } from '../../../src/coders/index.ts';
import { RunInference } from '../../../src/ml/index.ts';
import { P, type PCollection, type Root } from '../../../src/pipeline/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import {
  array,
  byte,
  coderOf,
  enumeration,
  float32,
  float64,
  int16,
  int32,
  int64,
  nullable,
  row,
  string,
} from '../../../src/schema/index.ts';
import { withTestModel } from '../../../src/testing/index.ts';
import {
  create,
  flatten,
  fromAsyncIterable,
  groupByKey,
  parDo,
  withCoder,
  withRowCoder,
  withSchema,
} from '../../../src/transforms/index.ts';

async function collect(build: (root: Root) => PCollection<unknown>): Promise<unknown[]> {
  const seen: unknown[] = [];
  await createRunner({ runner: 'node' }).run((root) => {
    build(root).map((element) => seen.push(element));
  });
  return seen;
}

function refused(code: string, transform: RegExp, build: (root: Root) => PCollection<unknown>) {
  return assert.rejects(collect(build), (error: BeamBridgeError) => {
    assert.equal(error.code, code);
    assert.match(error.transform ?? '', transform);
    return true;
  });
}

const odd = <T>(...elements: unknown[]) => create(elements as T[]);

test('withSchema refuses elements of another type', async () => {
  await refused('CODER_MISMATCH', /withSchema/, (root) =>
    root.apply(odd<number>(1.5)).apply(withSchema(int64)),
  );
  await refused('ROW_MISMATCH', /withSchema/, (root) =>
    root.apply(odd<{ a: number }>({ a: 'x' })).apply(withSchema(row({ a: int64 }))),
  );
  await refused('ROW_MISMATCH', /withSchema/, (root) =>
    root.apply(odd<{ a: number }>({ a: 1, extra: 1 })).apply(withSchema(row({ a: int64 }))),
  );
  await refused('ROW_MISMATCH', /withSchema/, (root) =>
    root.apply(odd<'a'>('z')).apply(withSchema(enumeration(['a', 'b']))),
  );
});

test('an element that fits is from there on what the type says', async () => {
  const type = row({ a: float32, b: nullable(string) });
  const found = await collect((root) =>
    root.apply(odd<{ a: number; b: string | null }>({ a: 0.1 })).apply(withSchema(type)),
  );
  assert.deepEqual(found, [{ a: Math.fround(0.1), b: null }]);
});

test('a float32 rounds fractions and refuses whole numbers that it would round, bare as in a row', async () => {
  const bare = (value: number) => (root: Root) =>
    root.apply(odd<number>(value)).apply(withSchema(float32));
  for (const value of [0.1, 2 ** 24, 2 ** 30, 2 ** 24 + 1.5, 1e30, 2 ** 60 + 2 ** 20, Infinity]) {
    assert.deepEqual(await collect(bare(value)), [Math.fround(value)]);
  }
  for (const value of [2 ** 24 + 1, -(2 ** 24) - 1, Number.MAX_SAFE_INTEGER, 1e39]) {
    await refused('ROW_MISMATCH', /withSchema/, bare(value));
    await refused('ROW_MISMATCH', /withSchema/, (root) =>
      root.apply(odd<{ a: number }>({ a: value })).apply(withSchema(row({ a: float32 }))),
    );
  }
});

test('keys declared float32 that are one in its precision are one key', async () => {
  const found = await collect((root) =>
    root
      .apply(create([0.1, Math.fround(0.1)]))
      .map((key) => ({ key, value: 1 }))
      .apply(withCoder(new KVCoder(coderOf(float32), coderOf(int64))))
      .apply(groupByKey()),
  );
  assert.deepEqual(found.length, 1);
});

test('withRowCoder and withCoder refuse elements of another type', async () => {
  await refused('ROW_MISMATCH', /withRowCoder/, (root) =>
    root.apply(odd<{ a: number }>({ a: 'x' })).apply(withRowCoder({ a: 0 })),
  );
  await refused('CODER_MISMATCH', /withCoder/, (root) =>
    root.apply(odd<string>(1)).apply(withCoder(new StrUtf8Coder())),
  );
});

test('the type of a postprocess function is checked, and a dead letter where there are some', async () => {
  const scoring = RunInference.of('my.Handler', {
    example: string,
    inference: float64,
  }).withPostprocess(({ inference }) => (inference > 1 ? inference : ('one' as never)), float64);
  const model = (texts: string[]) => texts.map((text) => text.length);
  await withTestModel(model, () =>
    refused('CODER_MISMATCH', /Postprocess/, (root) =>
      root.apply(create(['a', 'bee'])).apply(scoring),
    ),
  );
  const good: unknown[] = [];
  const failed = await withTestModel(model, () =>
    collect((root) => {
      const outputs = root.apply(create(['a', 'bee'])).apply(scoring.withDeadLetters());
      outputs.predictions.map((element) => good.push(element));
      return outputs.failed;
    }),
  );
  assert.deepEqual(good, [3]);
  assert.equal(failed.length, 1);
  assert.equal((failed[0] as { step: string }).step, 'postprocess');
});

test('enumerations and narrow integers keep their limits outside of rows', () => {
  for (const [value, type] of [
    ['z', enumeration(['a', 'b'])],
    [128, byte],
    [2 ** 15, int16],
    [2 ** 31, int32],
    [['z'], array(enumeration(['a', 'b']))],
  ] as const) {
    assert.throws(
      () => collectSync((root) => root.apply(create([value], { schema: type as never }))),
      { code: 'ROW_MISMATCH' },
    );
  }
});

function collectSync(build: (root: Root) => unknown): void {
  let thrown: unknown;
  void createRunner({ runner: 'node' })
    .run((root) => {
      try {
        build(root);
      } catch (error) {
        thrown = error;
      }
    })
    .catch(() => {});
  if (thrown) throw thrown;
}

test('the coders of outputs by tag, and of an async source, are declared too', async () => {
  await refused('CODER_MISMATCH', /parDo/, (root) => {
    const { main } = root.apply(odd<number>(1)).apply(
      parDo({ process: (): number[] => ['x' as never] }).withOutputs<{ main: number }>({
        main: 'main',
        tags: [],
        coders: { main: new VarIntCoder() },
      }),
    );
    return main;
  });
  await refused('CODER_MISMATCH', /fromAsyncIterable/, (root) =>
    root.apply(
      fromAsyncIterable(
        async function* () {
          yield 1.5;
        },
        { schema: int64 },
      ),
    ),
  );
});

test('PCollections of types that share their bytes have no narrower type together than each of them', async () => {
  let together: PCollection<number> | undefined;
  let pairs: PCollection<unknown> | undefined;
  let alike: PCollection<number> | undefined;
  const seen = await collect((root) => {
    const narrow = root.apply(create([1])).apply(withSchema(int16));
    const wide = root.apply(create([-70_000])).apply(withSchema(int64));
    together = P([narrow, wide]).apply(flatten());
    alike = P([narrow, root.apply(create([2])).apply(withSchema(int16))]).apply(flatten());
    const keyed = (type: typeof int16 | typeof int32) =>
      root
        .apply(create([{ key: 'a', value: 1 }]))
        .apply(withCoder(new KVCoder(new StrUtf8Coder(), coderOf(type))));
    pairs = P([keyed(int16), keyed(int32)]).apply(flatten());
    return together;
  });
  assert.deepEqual(seen.toSorted(), [-70_000, 1]);
  assert.equal(limitOf(together!.coder), undefined);
  assert.deepEqual(together!.coder.spec(), new VarIntCoder().spec());
  assert.equal(limitOf(alike!.coder), 'int16');
  assert.equal(limitOf(pairs!.coder.spec().components![1]), undefined);
});
