// SPDX-License-Identifier: Apache-2.0
// One prediction that does not fit its declared type, with the managed Python and with models of this process:
// with dead letters its row fails and no other, without them the run says which value it was. What the handler gives
// are the Python expressions that it is sent. python-env/tests/test_misfits.py has many more of them.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BeamBridgeError } from '../../src/base/index.ts';
import { pythonCallable } from '../../src/external/index.ts';
import { custom, type FailedInference, modelHandler, RunInference } from '../../src/ml/index.ts';
import type { PCollection } from '../../src/pipeline/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  Decimal,
  decimal,
  enumeration,
  fixedBytes,
  float32,
  int16,
  int32,
  int64,
  iterable,
  MicrosInstant,
  map,
  microsInstant,
  millisInstant,
  nullable,
  row,
  type SchemaType,
  string,
  Tensor,
  tensor,
  typedArray,
  varString,
} from '../../src/schema/index.ts';
import { create, withName } from '../../src/transforms/index.ts';

const GIVES = `
import datetime
import decimal
import enum
import typing

import numpy as np
from apache_beam.ml.inference.base import ModelHandler
from apache_beam.utils.timestamp import Timestamp

class Label(str, enum.Enum):
  A = 'a'

class Key(typing.NamedTuple):
  n: int

class Gives(ModelHandler):
  def load_model(self):
    return {'Key': Key, 'Label': Label, 'np': np, 'datetime': datetime, 'Decimal': decimal.Decimal, 'Timestamp': Timestamp}
  def run_inference(self, batch, model, inference_args=None):
    return [eval(row, model) for row in batch]
`;
/** The same, all rows of a call in one array. */
const GIVES_ARRAY = GIVES.replace(
  '[eval(row, model) for row in batch]',
  'np.array([eval(row, model) for row in batch])',
);

const known = enumeration(['a', 'b']);
/** 1970 in Greenwich. */
const ZONED =
  'datetime.datetime(1970, 1, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))';
const DATE_LIMIT = 864 * 10 ** 10;
/** What is declared, what fits it and what that is here, what does not fit, and what is said of it. */
const CASES: [SchemaType, string, unknown, string, RegExp][] = [
  [int64, '2**53 - 1', 2 ** 53 - 1, '2**53', /int 9007199254740992 .*int64.*declare bigint64/],
  [int64, 'np.int64(1)', 1, 'np.int64(-2**53)', /-9007199254740992 /],
  [nullable(int64), 'None', null, '2**53', /nullable\(int64\).*bigint64/],
  [array(int64), '[1]', [1], '[1, 2**53]', /inference\[1\]: int 9007199254740992/],
  [array(int64), 'np.array([1])', [1], 'np.array([-2**53])', /inference\[0\]/],
  [iterable(int64), '[1]', [1], '[2**53]', /inference\[0\]/],
  [array(nullable(int64)), '[None]', [null], '[None, 2**53]', /inference\[1\]/],
  [map(string, int64), "{'a': 1}", new Map([['a', 1]]), "{'a': 2**53}", /inference\['a'\]/],
  [map(int64, string), "{1: 'a'}", new Map([[1, 'a']]), "{2**53: 'a'}", /bigint64/],
  [row({ n: int64 }), "{'n': 1}", { n: 1 }, "{'n': 2**53}", /inference\.n: int/],
  [row({ n: nullable(int64) }), "{'n': None}", { n: null }, "{'n': 2**53}", /inference\.n: int/],
  [tensor(int64, [2]), '[1, 2]', [1, 2], '[1, 2**53]', /an element is 9007199254740992/],
  [nullable(tensor(int64, [null])), '[1]', [1], '[2**53]', /an element is 9007199254740992/],
  [int64, '1', 1, '2**63', /out of range/],
  [bigint64, '2**63 - 1', 2n ** 63n - 1n, '2**63', /bigint64: it is out of range/],
  [nullable(bigint64), '2**53', 2n ** 53n, '-2**63 - 1', /bigint64/],
  [tensor(bigint64, [1]), '[2**53]', [2n ** 53n], '[2**64]', /bigint64/],
  [typedArray('bigint64'), '[2**53]', BigInt64Array.of(2n ** 53n), '[2**63]', /inference\[0\]/],
  [
    map(row({ n: int64 }), int32),
    '{Key(1): 2, Key(3): 4}',
    new Map([
      [{ n: 1 }, 2],
      [{ n: 3 }, 4],
    ]),
    "{Key('a'): 2}",
    /inference\[Key\(n='a'\)\]\.n: str 'a'/,
  ],
  [map(array(string), int32), "{('a',): 2}", new Map([[['a'], 2]]), "{'a': 2}", /inference\['a'\]/],
  [int64, '5', 5, "np.datetime64(5, 'ns')", /datetime64.*int64: a time is no number/],
  [nullable(float32), 'None', null, "np.timedelta64(5, 's')", /a time is no number/],
  [millisInstant, ZONED, new Date(0), "np.datetime64('NaT')", /it is no time/],
  [nullable(microsInstant), "np.datetime64('NaT')", null, "np.datetime64(0, 's')", /no time zone/],
  [known, 'Label.A', 'a', "'c'", /str 'c' .*enumeration\("a", "b"\)/],
  [string, 'Label.A', 'a', "'\\udfff'", /half a surrogate/],
  [known, "'b'", 'b', "'c'", /str 'c' .*enumeration\("a", "b"\)/],
  [nullable(known), 'None', null, "'c'", /str 'c'/],
  [array(known), "['a']", ['a'], "['a', 'c']", /inference\[1\]: str 'c'/],
  [
    map(known, known),
    "{'a': 'b'}",
    new Map([['a', 'b']]),
    "{'a': 'c'}",
    /inference\['a'\]: str 'c'/,
  ],
  [map(known, int32), "{'a': 1}", new Map([['a', 1]]), "{'c': 1}", /inference\['c'\]: str 'c'/],
  [
    row({ e: known, n: int32 }),
    "{'e': 'a', 'n': 1}",
    { e: 'a', n: 1 },
    "{'e': 'c', 'n': 1}",
    /inference\.e/,
  ],
  [string, "'ä\\U0001f600'", 'ä😀', "'a\\ud800'", /str 'a\\ud800' .*half a surrogate pair/],
  [nullable(string), 'None', null, "'\\udfff'", /half a surrogate/],
  [array(string), "['a']", ['a'], "['\\ud800']", /inference\[0\]/],
  [
    map(string, string),
    "{'a': 'b'}",
    new Map([['a', 'b']]),
    "{'a': '\\ud800'}",
    /inference\['a'\]/,
  ],
  [varString(3), "'abc'", 'abc', "'\\ud800'", /half a surrogate/],
  [
    decimal,
    "Decimal('1.50')",
    Decimal.from('1.50'),
    "Decimal('NaN')",
    /Decimal\('NaN'\).*decimal: it is not finite/,
  ],
  [decimal, "Decimal('1E+2')", Decimal.from('100'), "Decimal('-Infinity')", /not finite/],
  [
    array(decimal),
    "[Decimal('1')]",
    [Decimal.from('1')],
    "[Decimal('1E+100001')]",
    /inference\[0\].*exponent/,
  ],
  [
    millisInstant,
    `Timestamp(${DATE_LIMIT})`,
    new Date(8.64e15),
    `Timestamp(${DATE_LIMIT + 1})`,
    /a Date of TypeScript/,
  ],
  [nullable(millisInstant), 'None', null, 'Timestamp(10**20)', /a Date of TypeScript/],
  [millisInstant, 'Timestamp(1)', new Date(1000), 'datetime.datetime(2026, 1, 1)', /no time zone/],
  [
    microsInstant,
    'Timestamp(1)',
    new MicrosInstant(1_000_000n),
    'Timestamp(10**20)',
    /OverflowError/,
  ],
  [int32, '-2**31', -(2 ** 31), '2**31', /int32: it is out of range/],
  [nullable(int16), '1', 1, '-2**15 - 1', /out of range/],
  [float32, '0.5', 0.5, '1e39', /out of range/],
  [int32, '1', 1, 'True', /bool True/],
  [boolean, 'True', true, '1', /int 1/],
  [int64, '1', 1, "float('nan')", /not a whole number/],
  [tensor(float32, [2]), '[1, 2]', [1, 2], '[1, 2, 3]', /its shape is \[3\]/],
  [fixedBytes(2), "b'ab'", Buffer.from('ab'), "b'abc'", /longer than 2/],
  [bytes, "b'a'", Buffer.from('a'), "'a'", /str 'a'/],
  [
    row({ a: int32, b: string }),
    "{'a': 1, 'b': ''}",
    { a: 1, b: '' },
    "{'a': 1}",
    /inference\.b.*missing/,
  ],
  [
    row({ a: int32, b: string }),
    "{'a': 1, 'b': ''}",
    { a: 1, b: '' },
    "{'a': 1, 'c': ''}",
    /undeclared field 'c'/,
  ],
  [map(string, int32), "{'a': 1}", new Map([['a', 1]]), '{1: 1}', /int 1/],
];

let scratch: string;
let gives: string;
before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-misfits-'));
  gives = join(scratch, 'gives.py');
  writeFileSync(gives, GIVES);
});
after(() => rmSync(scratch, { recursive: true, force: true }));

/** What assertions compare: of bytes and tensors the content. */
function plain(value: unknown): unknown {
  if (value instanceof Tensor) return value.toArray();
  return value instanceof Uint8Array ? Buffer.from(value) : value;
}

type Failed = FailedInference<unknown>;

function checkFailure(failure: Failed, element: unknown, says: RegExp) {
  const { step, index, errorType, message, traceback } = failure;
  assert.deepEqual(failure.element, element);
  assert.deepEqual(
    [step, index, errorType, traceback],
    ['prediction', 0, 'INFERENCE_MISMATCH', ''],
  );
  assert.match(message, says);
}

describe('with dead letters its row fails and no other', () => {
  test('on node, in batches', async () => {
    const seen = CASES.map(() => ({ good: [] as unknown[], bad: [] as Failed[] }));
    await createRunner({ runner: 'node' }).run((root) => {
      CASES.forEach(([inference, fits, , misfit], i) => {
        const handler = custom({ file: gives, example: string, inference });
        const { predictions, failed } = root
          .apply(withName(`Rows${i}`, create([fits, misfit, fits, fits])))
          .apply(withName(`Score${i}`, RunInference.of(handler).withDeadLetters()));
        predictions.map((each) => void seen[i]!.good.push(plain(each.inference)));
        failed.map((failure) => void seen[i]!.bad.push(failure));
      });
    });
    CASES.forEach(([, , value, misfit, says], i) => {
      assert.deepEqual(seen[i]!.good, [value, value, value].map(plain), misfit);
      assert.equal(seen[i]!.bad.length, 1, misfit);
      checkFailure(seen[i]!.bad[0]!, misfit, says);
    });
  });

  test('on direct, under keys and one by one', async () => {
    // A third of them: the types do not know which runner they are on.
    const some = CASES.filter((_, i) => i % 3 === 0);
    const seen = some.map(() => ({ good: [] as unknown[], bad: [] as Failed[] }));
    await createRunner({ runner: 'direct' }).run((root) => {
      some.forEach(([inference, fits, , misfit], i) => {
        const handler = custom({ file: gives, example: string, inference });
        const scoring = RunInference.ofKVs(handler, int32).withBatching('none').withDeadLetters();
        const rows = [fits, misfit, fits].map((value, key) => ({ key, value }));
        const { predictions, failed } = root
          .apply(withName(`Rows${i}`, create(rows)))
          .apply(withName(`Score${i}`, scoring));
        predictions.map(({ key, value }) => void seen[i]!.good.push([key, plain(value.inference)]));
        failed.map((failure) => void seen[i]!.bad.push(failure));
      });
    });
    some.forEach(([, , value, misfit, says], i) => {
      const good = [0, 2].map((key) => [key, plain(value)]);
      assert.deepEqual(seen[i]!.good.sort(), good, misfit);
      assert.equal(seen[i]!.bad.length, 1, misfit);
      checkFailure(seen[i]!.bad[0]!, { key: 1, value: misfit }, says);
    });
  });

  test('in one array of a model, and behind a function of Python', async () => {
    const good: unknown[] = [];
    const failures: Failed[] = [];
    await createRunner({ runner: 'node' }).run((root) => {
      const types = { example: string, inference: nullable(int64) };
      const rows = root.apply(create(['1', '2**53', '3']));
      const whole = RunInference.of(GIVES_ARRAY, types).withDeadLetters();
      const behind = RunInference.of(GIVES, types)
        .withPostprocess(pythonCallable("lambda n: '\\ud800' if n > 2**50 else n"))
        .withDeadLetters();
      for (const { predictions, failed } of [rows.apply(whole), rows.apply(behind)]) {
        predictions.map(({ inference }) => void good.push(inference));
        failed.map((failure) => void failures.push(failure));
      }
    });
    assert.deepEqual(good.sort(), [1, 1, 3, 3]);
    assert.equal(failures.length, 2);
    for (const failure of failures)
      checkFailure(failure, '2**53', /int64 9007199254740992|str '\\ud800'/);
  });
});

describe('without dead letters the run says which value it was', () => {
  const some: [SchemaType, string, RegExp][] = [
    [known, "'c'", /str 'c' does not fit the declared type enumeration\("a", "b"\)/],
    [row({ n: array(int64) }), "{'n': [1, 2**53]}", /inference\.n\[1\]: int 9007199254740992/],
    [array(string), "['a', '\\ud800']", /inference\[1\]: str '\\ud800'/],
    [decimal, "Decimal('NaN')", /Decimal\('NaN'\)/],
    [microsInstant, 'Timestamp(10**20)', /OverflowError/],
  ];
  for (const runner of ['node', 'direct'] as const) {
    for (const batching of [{}, 'none'] as const) {
      test(`on ${runner}${batching === 'none' ? ', one by one' : ''}`, async () => {
        for (const [inference, misfit, says] of some) {
          const run = createRunner({ runner }).run((root) => {
            const scoring = RunInference.of(custom({ file: gives, example: string, inference }));
            root
              .apply(create([misfit]))
              .apply(
                withName('Score', batching === 'none' ? scoring.withBatching('none') : scoring),
              );
          });
          await assert.rejects(run, (error) => {
            assert.ok(error instanceof BeamBridgeError);
            assert.equal(error.code, 'INFERENCE_MISMATCH');
            assert.match(error.transform ?? '', /Score/);
            assert.match(error.message, says);
            assert.match(error.hint ?? '', /Declare the type that the model gives/);
            return true;
          });
        }
      });
    }
  }
});

describe('a model of this process', () => {
  const looped: unknown[] = [];
  looped.push(looped);
  const refusing = {
    get n(): never {
      throw new RangeError('not now');
    },
  };
  const cases: [SchemaType, unknown, unknown, string, RegExp][] = [
    [int64, 2 ** 53 - 1, 2 ** 53, 'INFERENCE_MISMATCH', /9007199254740992/],
    [nullable(int64), null, 2 ** 53, 'INFERENCE_MISMATCH', /9007199254740992/],
    [tensor(int64, [1]), [1], [2 ** 53], 'INFERENCE_MISMATCH', /9007199254740992/],
    [map(string, int64), { a: 1 }, { a: 2 ** 53 }, 'INFERENCE_MISMATCH', /9007199254740992/],
    [known, 'a', 'c', 'INFERENCE_MISMATCH', /enumeration\("a", "b"\) but holds string "c"/],
    [array(string), ['a'], ['\ud800'], 'INFERENCE_MISMATCH', /inference\[0\]/],
    [decimal, Decimal.from('1'), Number.NaN, 'INFERENCE_MISMATCH', /number NaN/],
    [
      millisInstant,
      new Date(0),
      new Date(Number.NaN),
      'INFERENCE_MISMATCH',
      /Date that is invalid/,
    ],
    [
      microsInstant,
      new MicrosInstant(1n),
      new MicrosInstant(10n ** 25n),
      'INFERENCE_MISMATCH',
      /MicrosInstant/,
    ],
    [array(int64), [1], looped, 'INFERENCE_MISMATCH', /holds array of 1/],
    [row({ n: int64 }), { n: 1 }, refusing, 'RangeError', /not now/],
  ];
  const handlerOf = (inference: SchemaType, good: unknown, bad: unknown) =>
    modelHandler({
      name: 'gives',
      example: boolean,
      inference,
      loadModel: () => null,
      runInference: (batch) => batch.map((fits) => (fits ? good : bad)),
    });

  test('with dead letters its row fails and no other', async () => {
    for (const [inference, good, bad, errorType, says] of cases) {
      const out: unknown[] = [];
      const failures: Failed[] = [];
      await createRunner({ runner: 'node' }).run((root) => {
        const { predictions, failed } = root
          .apply(create([true, false, true]))
          .apply(RunInference.of(handlerOf(inference, good, bad)).withDeadLetters());
        (predictions as PCollection<{ example: boolean }>).map(
          ({ example }) => void out.push(example),
        );
        failed.map((failure) => void failures.push(failure));
      });
      assert.deepEqual(out, [true, true], String(says));
      assert.deepEqual(
        failures.map(({ element, step, ...failure }) => [element, step, failure.errorType]),
        [[false, 'prediction', errorType]],
      );
      assert.match(failures[0]!.message, says);
    }
  });

  test('without dead letters the run says which value it was', async () => {
    for (const [inference, good, bad, errorType, says] of cases) {
      if (errorType !== 'INFERENCE_MISMATCH') continue;
      const run = createRunner({ runner: 'node' }).run((root) => {
        root.apply(create([true, false])).apply(RunInference.of(handlerOf(inference, good, bad)));
      });
      await assert.rejects(run, {
        code: 'INFERENCE_MISMATCH',
        message: says,
        transform: /RunInference/,
      });
    }
  });
});
