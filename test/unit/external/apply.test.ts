// SPDX-License-Identifier: Apache-2.0
// Cross-language transforms while a pipeline is built: nothing is sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KVCoder, StrUtf8Coder, VarIntCoder } from '../../../src/coders/index.ts';
import { pythonTransform, rawExternalTransform } from '../../../src/external/index.ts';
import { P, type PCollection, Pipeline, Root } from '../../../src/pipeline/index.ts';
import { int64, map, row, string } from '../../../src/schema/index.ts';
import { create, fixedWindows, windowInto, withCoder } from '../../../src/transforms/index.ts';

const newRoot = () => new Root(new Pipeline());
const strings = (root: Root) => root.apply(create(['a'])).apply(withCoder(new StrUtf8Coder()));

test('a declared output has the coder of its type and the windows of the input', () => {
  const input = strings(newRoot()).apply(windowInto(fixedWindows(10)));
  const output: PCollection<{ n: number }> = input.apply(
    pythonTransform('f', [], {}, { output: row({ n: int64 }) }),
  );
  assert.equal(output.coder.name, 'row{n: int64}');
  assert.equal(output.node.windowing, input.node.windowing);
  const counted: PCollection<number> = input.apply(
    pythonTransform('f', [], {}, { output: new VarIntCoder() }),
  );
  assert.equal(counted.coder.name, 'varint');
});

test('several outputs come as an object, none as an empty one', () => {
  const input = strings(newRoot());
  const { good, bad } = input.apply(
    pythonTransform<PCollection<string>, { good: PCollection<number>; bad: PCollection<string> }>(
      'f',
      [],
      {},
      { outputs: { good: int64, bad: string } },
    ),
  );
  assert.deepEqual([good.coder.name, bad.coder.name], ['varint', 'string_utf8']);
  assert.deepEqual(input.apply(pythonTransform('sink', [], {}, { outputs: {} })), {});
});

test('a source is applied to the root, several inputs are named', () => {
  const root = newRoot();
  const output = root.apply(
    rawExternalTransform('a:source', undefined, 'localhost:1', { output: int64 }),
  );
  assert.equal(output.coder.name, 'varint');
  P({ left: strings(root), right: strings(root) }).apply(
    pythonTransform('f', [], {}, { output: string }),
  );
  const node = root.pipeline.transforms.find((each) => each.name === 'Python(f)')!;
  assert.deepEqual([...node.inputs.keys()], ['left', 'right']);
});

test('an undeclared output needs applyAsync, and says so', () => {
  assert.throws(() => strings(newRoot()).apply(pythonTransform('f')), {
    code: 'INVALID_ARGUMENT',
    message: /type of the output is not declared.*applyAsync/s,
  });
});

test('an input that only TypeScript can read is refused, nested too', () => {
  const root = newRoot();
  const plain = strings(root).map((x) => ({ x }));
  const use = pythonTransform('f', [], {}, { output: string });
  assert.throws(() => plain.apply(use), {
    code: 'NO_PORTABLE_TYPE',
    transform: 'Python(f)',
    message: /map has elements that only TypeScript can read.*withRowCoder/s,
  });
  const keyed = strings(root)
    .map((x) => ({ key: x, value: x }))
    .apply(withCoder(new KVCoder(new StrUtf8Coder(), plain.coder)) as never) as PCollection<string>;
  assert.throws(() => keyed.apply(use), { code: 'NO_PORTABLE_TYPE' });
  assert.throws(() => P({ a: strings(root), b: plain }).apply(use), {
    code: 'NO_PORTABLE_TYPE',
    message: /input "b", the output of map/,
  });
});

test('an output that only TypeScript could read cannot be declared', () => {
  assert.throws(
    () => strings(newRoot()).apply(pythonTransform('f', [], {}, { output: map(string, int64) })),
    { code: 'NO_PORTABLE_TYPE' },
  );
});

test('windows of a function written in TypeScript cannot leave', () => {
  const own = { ...fixedWindows(1), toProto: () => undefined };
  const input = strings(newRoot()).apply(windowInto(own));
  assert.throws(() => input.apply(pythonTransform('f', [], {}, { output: string })), {
    code: 'UNSUPPORTED',
  });
});

test('options that contradict one another are refused', () => {
  for (const make of [
    () => pythonTransform('f', [], {}, { output: string, outputs: { a: string } }),
    () =>
      pythonTransform('f', [], {}, { output: string, expansionService: 'h:1', packages: ['x'] }),
    () => rawExternalTransform('u', undefined, 'no port', { output: string }),
  ]) {
    assert.throws(make, { code: 'INVALID_ARGUMENT' });
  }
});

test('rows whose fields Python cannot name are refused where they are declared', () => {
  for (const name of ['Beak Length (mm)', 'class', '_id', 'order-id', '1st', '']) {
    const type = row({ ok: int64, [name]: int64 });
    const rows = newRoot().apply(create([], { schema: type }));
    const words = strings(newRoot());
    const refused = { code: 'NO_PORTABLE_TYPE', message: /which is no name in Python/ };
    assert.throws(() => rows.apply(pythonTransform('f', [], {}, { output: int64 })), refused);
    assert.throws(() => words.apply(pythonTransform('f', [], {}, { output: type })), refused);
    const nested = map(string, type);
    assert.throws(
      () => words.apply(pythonTransform('f', [], {}, { output: row({ nested }) })),
      refused,
    );
    // Other languages have other names.
    rows.apply(rawExternalTransform('a:java:urn', {}, 'localhost:1', { output: type }));
  }
  const words = strings(newRoot());
  const misnamed = {
    code: 'INVALID_ARGUMENT',
    message: /"(class|a b)", which is no name in Python/,
  };
  assert.throws(() => pythonTransform('f', { class: 1 }), misnamed);
  assert.throws(() => pythonTransform('f', [{ nested: { 'a b': 1 } }]), misnamed);
  words.apply(pythonTransform('f', [new Map([['a b', 1]])], {}, { output: int64 }));
  const fine = row({ größe: int64, a_1: int64, soft: int64 });
  strings(newRoot()).apply(pythonTransform('f', [], {}, { output: fine }));
});
