// SPDX-License-Identifier: Apache-2.0
// Saved TensorFlow models of the forms that models have: inputs of one number, batches of one size, several inputs and outputs,
// texts, bytes, and types that not every number has. Installs the frameworks' environment.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ModelHandler, tensorflow } from '../../src/ml/index.ts';
import {
  array,
  bytes,
  float32,
  float64,
  int64,
  nullable,
  row,
  type SchemaType,
  string,
  tensor,
} from '../../src/schema/index.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { SKIP_HEAVY, WITHOUT_TORCH } from '../helpers/frameworks.ts';
import { outcomes } from '../helpers/outcomes.ts';

const options = { skip: SKIP_HEAVY };
const REFUSED = 'ROW_MISMATCH';
const MODELS = `
import sys
import tensorflow as tf

def save(name, function, *specs):
  module = tf.Module()
  module.call = tf.function(function, input_signature=specs)
  tf.saved_model.save(module, sys.argv[1] + '/' + name, signatures=module.call)

def spec(name, dtype, *shape):
  return tf.TensorSpec(shape, dtype, name=name)

save('column', lambda x: {'y': -x}, spec('x', tf.float32, None, 1))
save('four', lambda x: {'total': tf.reduce_sum(x, axis=1)}, spec('x', tf.float32, 4, 3))
save('two', lambda a, b: {'sum': tf.cast(a, tf.float32) + b[:, None], 'low': tf.reduce_min(a, axis=1)},
     spec('a', tf.int64, None, 2), spec('b', tf.float32, None))
save('text', lambda x: {'upper': tf.strings.upper(x), 'length': tf.strings.length(x)}, spec('x', tf.string, None))
save('table', lambda x: {'y': -x}, spec('x', tf.float32, None, 2, 3))
save('open', lambda x: {'y': x}, spec('x', tf.float64, None, None))
for name in ('uint8', 'int32', 'float32', 'bool'):
  save('same_' + name, lambda x: {'y': tf.identity(x)}, spec('x', getattr(tf, name), None, 2))
i = tf.keras.Input((2,), dtype='int32')
tf.keras.Model(i, i * 1).save(sys.argv[1] + '/int32.keras')
i = tf.keras.Input((1,))
tf.keras.Model(i, [i * -1, i * 2]).save(sys.argv[1] + '/two.keras')
`;

let folder: string;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'beambridge-saved-models-'));
  if (SKIP_HEAVY) return;
  const { python } = await ensurePythonEnvironment({ extras: [...WITHOUT_TORCH] });
  execFileSync(python, ['-c', MODELS, folder], { stdio: ['ignore', 'ignore', 'pipe'] });
});
after(() => rmSync(folder, { recursive: true, force: true }));

type Case = [string, SchemaType<never>, SchemaType<never>, unknown[], unknown[]];

async function check(cases: Case[], runner: 'node' | 'direct'): Promise<void> {
  for (const input of ['numpy', 'tensor'] as const) {
    const handlers = cases.map(([name, example, inference]) =>
      tensorflow({ modelUri: join(folder, name), example, inference, input }),
    ) as unknown as ModelHandler<unknown, unknown>[];
    const found = await outcomes(
      handlers,
      cases.map(([, , , rows]) => rows),
      runner,
    );
    cases.forEach(([name, , , rows, right], at) => {
      const plain = found[at]!.map((each) =>
        typeof (each as { toArray?: unknown })?.toArray === 'function'
          ? (each as { toArray(): unknown }).toArray()
          : each,
      );
      assert.deepEqual(
        JSON.stringify(plain),
        JSON.stringify(right),
        `${name} ${rows.length} ${input} ${runner}`,
      );
    });
  }
}

test(
  'scalars, a batch of one size, several inputs and outputs, texts and shapes, in batches of every size',
  options,
  async () => {
    for (const runner of ['node', 'direct'] as const) {
      const cases = [1, 2, 4, 5, 9].flatMap((size) => {
        const n = Array.from({ length: size }, (_, i) => i);
        const lists = n.map((i) => new Array(1 + (i % 3)).fill(i));
        return [
          ['column', float64, float64, n, n.map((i) => -i)],
          ['column', array(float32), array(float32), n.map((i) => [i]), n.map((i) => [-i])],
          ['four', array(float32), float32, n.map((i) => [i, 1, 2]), n.map((i) => i + 3)],
          [
            'two',
            row({ b: float64, a: array(int64) }),
            row({ low: int64, sum: array(float32) }),
            n.map((i) => ({ b: 0.5, a: [i, 7] })),
            n.map((i) => ({ low: Math.min(i, 7), sum: [i + 0.5, 7.5] })),
          ],
          [
            'text',
            string,
            row({ upper: string, length: int64 }),
            n.map((i) => `a\0${i}`),
            n.map((i) => ({ upper: `A\0${i}`, length: 3 })),
          ],
          [
            'text',
            bytes,
            row({ length: int64 }),
            n.map(() => new Uint8Array([97, 0, 0])),
            n.map(() => ({ length: 3 })),
          ],
          [
            'table',
            tensor(float32, [2, 3]),
            tensor(float32, [2, 3]),
            n.map((i) => [
              [i, 1, 2],
              [3, 4, 5],
            ]),
            n.map((i) => [
              [-i, -1, -2],
              [-3, -4, -5],
            ]),
          ],
          ['open', array(float64), array(float64), lists, lists],
          [
            'two.keras',
            float64,
            row({ a: array(float32), b: float64 }),
            n,
            n.map((i) => ({ a: [-i], b: 2 * i })),
          ],
        ];
      }) as unknown as Case[];
      await check(cases, runner);
    }
  },
);

test(
  'each element keeps its value in the type of the model, or its row is refused',
  options,
  async () => {
    const of = (values: unknown[], first: unknown) => values.map((value) => [first, value]);
    const cases = [
      [
        'same_uint8',
        array(int64),
        array(int64),
        of([300, -1, 255], 1),
        [REFUSED, REFUSED, [1, 255]],
      ],
      ['same_uint8', array(float64), array(int64), of([1.7, 44], 1), [REFUSED, [1, 44]]],
      [
        'same_int32',
        array(float64),
        array(int64),
        of([1.7, Number.NaN, 2 ** 31, -(2 ** 31)], 1),
        [REFUSED, REFUSED, REFUSED, [1, -(2 ** 31)]],
      ],
      ['same_int32', array(nullable(int64)), array(int64), of([null, 5], 1), [REFUSED, [1, 5]]],
      [
        'same_float32',
        array(int64),
        array(float64),
        of([2 ** 24 + 1, 2 ** 24], 1),
        [REFUSED, [1, 2 ** 24]],
      ],
      [
        'same_float32',
        array(float64),
        array(float64),
        of([2 ** 24 + 1, 0.1, 1e300], 1),
        [[1, 2 ** 24], [1, Math.fround(0.1)], REFUSED],
      ],
      ['same_bool', array(int64), array(int64), of([2], 1), [REFUSED]],
      [
        'int32.keras',
        array(float64),
        array(int64),
        of([1.7, 2 ** 40, 3], 1),
        [REFUSED, REFUSED, [1, 3]],
      ],
      ['text', float64, row({ length: int64 }), [1], [REFUSED]],
      ['same_float32', array(string), array(float64), [['1', '2']], [REFUSED]],
    ] as unknown as Case[];
    await check(cases, 'node');
  },
);
