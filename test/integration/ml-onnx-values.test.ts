// SPDX-License-Identifier: Apache-2.0
// What a saved ONNX model is given of an example, by Python's onnxruntime and by this process's: the same value, or the same
// refusal, in batches of any size, with keys and with dead letters. Installs the frameworks' environment.
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import {
  type ModelHandler,
  type OnnxLocalOptions,
  onnx,
  onnxLocal,
  RunInference,
} from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  array,
  bigint64,
  boolean,
  float32,
  float64,
  int64,
  map,
  nullable,
  row,
  type SchemaType,
  string,
  tensor,
} from '../../src/schema/index.ts';
import { create } from '../../src/transforms/index.ts';
import { SKIP_HEAVY } from '../helpers/frameworks.ts';
import { outcomes } from '../helpers/outcomes.ts';

const options = { skip: SKIP_HEAVY };
const modelAt = (name: string) => resolve(import.meta.dirname, `../fixtures/onnx/${name}.onnx`);
type Options = OnnxLocalOptions<unknown, unknown>;
const HANDLERS: Record<string, (options: Options) => ModelHandler<unknown, unknown>> = {
  onnx: ({ modelUri, example, inference }) => onnx({ modelUri, example, inference }),
  onnxLocal,
};
const REFUSED = 'ROW_MISMATCH';

/** The type of the model's elements, the declared one, and what becomes of elements. */
const CASTS: [string, SchemaType<never>, SchemaType<never>, [unknown, unknown][]][] = [
  [
    'int64',
    float64,
    int64,
    [
      [1.7, REFUSED],
      [3, 3],
      [-0.5, REFUSED],
      [Number.NaN, REFUSED],
      [2 ** 53 - 1, 2 ** 53 - 1],
      [1e300, REFUSED],
      [Number.POSITIVE_INFINITY, REFUSED],
    ],
  ],
  [
    'uint8',
    float64,
    int64,
    [
      [300, REFUSED],
      [-1, REFUSED],
      [255, 255],
      [1.5, REFUSED],
    ],
  ],
  [
    'uint8',
    int64,
    int64,
    [
      [300, REFUSED],
      [-1, REFUSED],
      [255, 255],
      [44, 44],
    ],
  ],
  [
    'int8',
    int64,
    int64,
    [
      [128, REFUSED],
      [-128, -128],
      [-129, REFUSED],
    ],
  ],
  [
    'uint32',
    int64,
    int64,
    [
      [2 ** 32, REFUSED],
      [2 ** 32 - 1, 2 ** 32 - 1],
      [-1, REFUSED],
    ],
  ],
  [
    'uint64',
    int64,
    int64,
    [
      [-1, REFUSED],
      [5, 5],
    ],
  ],
  [
    'uint64',
    bigint64,
    bigint64,
    [
      [-1n, REFUSED],
      [2n ** 62n + 1n, 2n ** 62n + 1n],
    ],
  ],
  [
    'float',
    int64,
    float64,
    [
      [2 ** 24 + 1, REFUSED],
      [2 ** 24, 2 ** 24],
      [2 ** 24 + 2, 2 ** 24 + 2],
    ],
  ],
  [
    'float',
    float64,
    float64,
    [
      [2 ** 24 + 1, 2 ** 24],
      [0.1, Math.fround(0.1)],
      [1e300, REFUSED],
      [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ],
  ],
  [
    'double',
    bigint64,
    float64,
    [
      [2n ** 53n + 1n, REFUSED],
      [2n ** 53n, 2 ** 53],
    ],
  ],
  [
    'float',
    nullable(float64) as never,
    float64,
    [
      [null, Number.NaN],
      [0.5, 0.5],
    ],
  ],
  [
    'int64',
    nullable(float64) as never,
    int64,
    [
      [null, REFUSED],
      [4, 4],
    ],
  ],
  [
    'int64',
    nullable(int64) as never,
    int64,
    [
      [null, REFUSED],
      [4, 4],
    ],
  ],
  [
    'bool',
    int64,
    boolean,
    [
      [2, REFUSED],
      [1, true],
      [0, false],
    ],
  ],
  [
    'float',
    boolean,
    float64,
    [
      [true, 1],
      [false, 0],
    ],
  ],
  [
    'string',
    string,
    string,
    [
      ['', ''],
      ['a\0', 'a\0'],
      ['å', 'å'],
    ],
  ],
  ['string', int64, string, [[1, REFUSED]]],
  ['float', string, float64, [['1.5', REFUSED]]],
] as never;

for (const [name, handlerOf] of Object.entries(HANDLERS)) {
  test(
    `${name}: each element keeps its value in the type of the model, or its row is refused`,
    options,
    async () => {
      const handlers = CASTS.map(([model, example, inference]) =>
        handlerOf({
          modelUri: modelAt(`same_${model}`),
          example: array(example),
          inference: array(inference),
        }),
      );
      // Two elements each, the second of which is the case: a list travels packed, and with nulls or texts row by row.
      const listed = CASTS.map(([, , , cases]) => {
        const good = cases.find(([, right]) => right !== REFUSED)?.[0] ?? cases[0]![0];
        return cases.map(([value]) => [good, value]);
      });
      const found = await outcomes(handlers, listed);
      CASTS.forEach(([model, example, , cases], at) => {
        cases.forEach(([value, right], i) => {
          const what = `${String(value)} of ${example.kind} for ${model}`;
          const outcome = found[at]![i];
          if (value === 'a\0' && name === 'onnxLocal') {
            // onnxruntime-node would cut it.
            assert.equal(outcome, REFUSED);
            return;
          }
          assert.deepEqual(Array.isArray(outcome) ? outcome[1] : outcome, right, what);
        });
      });
    },
  );

  test(
    `${name}: what is refused is named: the input, the row, the place, the value and both types`,
    options,
    async () => {
      const refused = (
        model: string,
        example: SchemaType<unknown>,
        value: unknown,
        message: RegExp,
      ) => {
        const handler = handlerOf({
          modelUri: modelAt(`same_${model}`),
          example,
          inference: array(float64),
        });
        return assert.rejects(
          createRunner().run((root) => {
            root.apply(create([value as never])).apply(RunInference.of(handler));
          }),
          { code: REFUSED, message },
        );
      };
      await refused(
        'int64',
        array(float64),
        [3, 1.7],
        /input x of the model takes int64, and row 1 of 1 has 1.7 at \[1\] \(.*float64.*\): it is not a whole number/,
      );
      await refused(
        'uint8',
        array(int64),
        [300],
        /takes uint8, and row 1 of 1 has 300 at \[0\] \(.*int64.*\): it is out of range/,
      );
      await refused(
        'float',
        array(int64),
        [2 ** 24 + 1],
        /takes float32, and row 1 of 1 has 16777217 at \[0\] \(.*int64.*\): it would be rounded/,
      );
    },
  );

  test(`${name}: lists of several lengths are refused, in any batch`, options, async () => {
    const tables = handlerOf({
      modelUri: modelAt('table'),
      example: array(array(float64)),
      inference: array(array(float32)),
    });
    const good = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    const negative = [
      [-1, -2, -3],
      [-4, -5, -6],
    ];
    const ragged = [
      [1, 2, 3, 4],
      [5, 6],
    ];
    assert.deepEqual(
      await outcomes([tables, tables, tables], [[ragged], [good, ragged, good], [good]]),
      [[REFUSED], [negative, REFUSED, negative], [negative]],
    );
  });

  test(
    `${name}: scalars, a batch of one size, several shapes and tensors, in batches of every size`,
    options,
    async () => {
      const column = { modelUri: modelAt('column'), example: float64, inference: float64 };
      const four = { modelUri: modelAt('four'), example: array(float32), inference: float32 };
      const shapes = {
        modelUri: modelAt('same_double'),
        example: array(float64),
        inference: array(float64),
      };
      const table = {
        modelUri: modelAt('table'),
        example: tensor(float32, [2, 3]),
        inference: tensor(float32, [2, 3]),
      };
      const image = { modelUri: modelAt('one_image'), example: array(float32), inference: float32 };
      const two = {
        modelUri: modelAt('two_inputs'),
        example: row({ bias: array(float32), ids: array(int64) }),
        inference: row({ sum: array(float32) }),
      };
      const sizes = [1, 2, 3, 4, 5, 9, 17];
      for (const runner of ['node', 'direct'] as const) {
        const rowsOf = (size: number) => Array.from({ length: size }, (_, i) => i);
        const cases = sizes.flatMap((size) => [
          [column, rowsOf(size), rowsOf(size).map((i) => -i)],
          [four, rowsOf(size).map((i) => [i, 1, 2]), rowsOf(size).map((i) => i + 3)],
          [
            shapes,
            rowsOf(size).map((i) => new Array(1 + (i % 3)).fill(i)),
            rowsOf(size).map((i) => new Array(1 + (i % 3)).fill(i)),
          ],
          [image, rowsOf(size).map((i) => [i, 1, 2, 3]), rowsOf(size).map((i) => i + 6)],
          [
            two,
            rowsOf(size).map((i) => ({ ids: [i, 1, 2, 3], bias: [0.5, 0, 0, 0] })),
            rowsOf(size).map((i) => ({ sum: [i + 0.5, 1, 2, 3] })),
          ],
        ]) as [Options, unknown[], unknown[]][];
        const found = await outcomes(
          cases.map(([each]) => handlerOf(each as Options)),
          cases.map(([, rows]) => rows),
          runner,
        );
        cases.forEach(([each, rows, right], at) => {
          // Negative zero is zero.
          assert.deepEqual(
            JSON.stringify(found[at]),
            JSON.stringify(right),
            `${each.modelUri} ${rows.length} ${runner}`,
          );
        });
        const [tables] = (await outcomes(
          [handlerOf(table as never)],
          [
            [
              [
                [1, 2, 3],
                [4, 5, 6],
              ],
            ],
          ],
          runner,
        )) as never as [{ toArray(): unknown }[]];
        assert.deepEqual(tables[0]!.toArray(), [
          [-1, -2, -3],
          [-4, -5, -6],
        ]);
      }
    },
  );
}

test(
  'a ZipMap: Python gives the maps, onnxruntime-node names the output that it does not read',
  options,
  async () => {
    const modelUri = modelAt('zipmap');
    const example = array(float32);
    const maps = map(int64, float32);
    const whole = row({ label: int64, probabilities: maps });
    const rows = [
      [0.25, 0.75],
      [0.5, 0.25],
    ];
    const right = [
      new Map([
        [0, 0.25],
        [1, 0.75],
      ]),
      new Map([
        [0, 0.5],
        [1, 0.25],
      ]),
    ];
    const [all] = await outcomes([onnx({ modelUri, example, inference: whole }) as never], [rows]);
    assert.deepEqual(all, [
      { label: 1, probabilities: right[0] },
      { label: 0, probabilities: right[1] },
    ]);
    for (const handler of [
      onnxLocal({ modelUri, example, inference: whole }),
      onnxLocal({ modelUri, example, inference: maps, output: 'probabilities' }),
    ]) {
      await assert.rejects(outcomes([handler as never], [rows]), {
        code: 'INFERENCE_MISMATCH',
        message: /the output probabilities of the model is no tensor but a map or a sequence/,
        hint: /zipmap/,
      });
    }
    assert.deepEqual(
      await outcomes([onnxLocal({ modelUri, example, inference: int64 }) as never], [rows]),
      [[1, 0]],
    );
  },
);
