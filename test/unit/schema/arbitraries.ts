// SPDX-License-Identifier: Apache-2.0
// Any schema type together with values of it, for property tests.

import fc, { type Arbitrary } from 'fast-check';
import {
  array,
  bigint64,
  boolean,
  byte,
  bytes,
  Decimal,
  decimal,
  enumeration,
  fixedBytes,
  fixedString,
  float32,
  float64,
  int16,
  int32,
  int64,
  iterable,
  MicrosInstant,
  map,
  microsInstant,
  millisInstant,
  nullable,
  pythonCallableType,
  row,
  type SchemaType,
  string,
  Tensor,
  type TensorElement,
  tensor,
  typedArray,
  varBytes,
  varString,
} from '../../../src/schema/index.ts';
import { int64s, safeIntegers, texts } from '../coders/arbitraries.ts';

export interface TypeCase {
  readonly type: SchemaType;
  readonly values: Arbitrary<unknown>;
}

function of<T>(type: SchemaType<T>, values: Arbitrary<T>): TypeCase {
  return { type, values };
}

const shortTexts = fc.string({ maxLength: 5 });

/** The types that have no parts, each with its values. */
export const SIMPLE: readonly TypeCase[] = [
  of(byte, fc.integer({ min: -128, max: 127 })),
  of(int16, fc.integer({ min: -32768, max: 32767 })),
  of(int32, fc.integer()),
  of(int64, safeIntegers),
  of(bigint64, int64s),
  of(float32, fc.float()),
  of(float64, fc.double()),
  of(string, texts),
  of(boolean, fc.boolean()),
  of(bytes, fc.uint8Array()),
  of(enumeration(['red', 'green', 'blue']), fc.constantFrom('red', 'green', 'blue')),
  of(millisInstant, fc.date({ noInvalidDate: true })),
  of(
    microsInstant,
    fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }).map((micros) => new MicrosInstant(micros)),
  ),
  of(
    decimal,
    fc
      .tuple(fc.bigInt(), fc.nat({ max: 40 }))
      .map(([unscaled, scale]) => new Decimal(unscaled, scale)),
  ),
  of(fixedBytes(4), fc.uint8Array({ minLength: 4, maxLength: 4 })),
  of(varBytes(4), fc.uint8Array({ maxLength: 4 })),
  of(
    fixedString(5),
    shortTexts.map((text) => text.padEnd(5, '.')),
  ),
  of(varString(5), shortTexts),
  of(
    pythonCallableType,
    texts.map((expr) => ({ expr })),
  ),
  of(typedArray('byte'), fc.int8Array()),
  of(typedArray('int16'), fc.int16Array()),
  of(typedArray('int32'), fc.int32Array()),
  of(typedArray('bigint64'), fc.bigInt64Array()),
  of(typedArray('float32'), fc.float32Array()),
  of(typedArray('float64'), fc.float64Array()),
  ...tensorCases(),
];

/** Tensors of every element type, of a declared shape and with an open dimension. */
function tensorCases(): TypeCase[] {
  const elements = {
    float32: fc.float32Array(sized(6)),
    float64: fc.float64Array(sized(6)),
    byte: fc.int8Array(sized(6)),
    int16: fc.int16Array(sized(6)),
    int32: fc.int32Array(sized(6)),
    int64: fc.array(safeIntegers, sized(6)).map((values) => Float64Array.from(values)),
    bigint64: fc.bigInt64Array(sized(6)),
    uint8: fc.uint8Array(sized(6)),
    boolean: fc.uint8Array({ ...sized(6), max: 1 }),
  } as const;
  return (Object.keys(elements) as TensorElement[]).flatMap((kind) => {
    const data = elements[kind] as Arbitrary<never>;
    const shapes = fc.constantFrom([2, 3], [6, 1], [1, 6]);
    return [
      of(
        tensor({ kind }, [2, 3]),
        data.map((values) => new Tensor(kind, [2, 3], values)),
      ),
      of(
        tensor({ kind }, [null, null]),
        fc.tuple(shapes, data).map(([shape, values]) => new Tensor(kind, shape, values)),
      ),
    ];
  });
}

function sized(length: number) {
  return { minLength: length, maxLength: length };
}

const names = fc.oneof(
  fc.stringMatching(/^[a-z]{1,5}$/),
  fc.constantFrom('__proto__', 'toString', 'two words', '0'),
);

/** Any type up to a few levels deep. */
const anyCase: Arbitrary<TypeCase> = fc.letrec<{ any: TypeCase }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(...SIMPLE),
    tie('any').map(({ type, values }) => of(array(type), fc.array(values, { maxLength: 4 }))),
    tie('any').map(({ type, values }) => of(iterable(type), fc.array(values, { maxLength: 4 }))),
    tie('any').map(({ type, values }) => of(nullable(type), fc.option(values))),
    tie('any').map(({ type, values }) => {
      const entries = fc.uniqueArray(fc.tuple(texts, values), {
        maxLength: 4,
        selector: ([key]) => key,
      });
      return of(
        map(string, type),
        entries.map((list) => new Map(list)),
      );
    }),
    fc
      .uniqueArray(fc.tuple(names, tie('any')), { maxLength: 5, selector: ([name]) => name })
      .map(rowCase),
  ),
})).any;

function rowCase(fields: readonly (readonly [string, TypeCase])[]): TypeCase {
  const type = row(Object.fromEntries(fields.map(([name, { type }]) => [name, type])));
  const values = fc.tuple(...fields.map(([, { values }]) => values)).map((items) => {
    return Object.fromEntries(fields.map(([name], index) => [name, items[index]]));
  });
  return of<unknown>(type, values);
}

/** Types with some values of each. */
export const typesWithValues = anyCase.chain(({ type, values }) =>
  fc.record({ type: fc.constant(type), values: fc.array(values, { minLength: 1, maxLength: 5 }) }),
);
