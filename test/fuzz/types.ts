// SPDX-License-Identifier: Apache-2.0
// Element types of random pipelines as plain data, and values of each that follow from a number: so
// a pipeline can be printed, shrunk and built again, and any value can be made one of any type.

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
  fixedString,
  float32,
  float64,
  int16,
  int32,
  int64,
  MicrosInstant,
  map,
  microsInstant,
  millisInstant,
  nullable,
  row,
  type SchemaType,
  string,
  typedArray,
} from '../../src/schema/index.ts';

interface Simple {
  readonly type: SchemaType;
  /** Whether equal values have equal bytes and Python can read them: fit for any step. */
  readonly isPortable: boolean;
  value(n: number): unknown;
}

const pick =
  <T>(...values: readonly T[]) =>
  (n: number): T =>
    values[n % values.length] as T;

/** Types without parts. */
const SIMPLE = {
  int64: {
    type: int64,
    isPortable: true,
    value: pick(0, 1, -1, 7, 300, -70_000, 2 ** 40, Number.MAX_SAFE_INTEGER),
  },
  int32: { type: int32, isPortable: true, value: pick(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)) },
  int16: { type: int16, isPortable: true, value: pick(0, 1, -1, 32_767, -32_768) },
  byte: { type: byte, isPortable: true, value: pick(0, 1, 5, 127) },
  bigint64: { type: bigint64, isPortable: true, value: pick(0n, 1n, -1n, 2n ** 62n, -(2n ** 63n)) },
  float64: {
    type: float64,
    isPortable: true,
    value: pick(0, 1.5, -2.25, 3, Number.NaN, Number.POSITIVE_INFINITY, 1e300),
  },
  float32: { type: float32, isPortable: true, value: pick(0, 0.5, -4, 1024.25) },
  string: { type: string, isPortable: true, value: pick('', 'a', 'ä', 'b b', '😀', 'a\u0000') },
  boolean: { type: boolean, isPortable: true, value: pick(false, true) },
  bytes: {
    type: bytes,
    isPortable: true,
    value: (n) => new Uint8Array(pick<number[]>([], [0], [1, 255])(n)),
  },
  enumeration: {
    type: enumeration(['red', 'green']),
    isPortable: true,
    value: pick('red', 'green'),
  },
  fixedString: { type: fixedString(3), isPortable: false, value: pick('abc', 'x y', 'äöü') },
  millisInstant: { type: millisInstant, isPortable: false, value: (n) => new Date(n - 3) },
  microsInstant: {
    type: microsInstant,
    isPortable: false,
    value: (n) => new MicrosInstant(BigInt(n) - 2n),
  },
  decimal: {
    type: decimal,
    isPortable: false,
    value: (n) => new Decimal(BigInt(n % 100) - 5n, n % 3),
  },
  floats: {
    type: typedArray('float32'),
    isPortable: true,
    value: (n) => new Float32Array([n % 7, 0.5]),
  },
} satisfies Record<string, Simple>;

export type SimpleName = keyof typeof SIMPLE;

/** A type as data. `js` is no type: what programs that declare nothing have. */
export type Type =
  | 'js'
  | SimpleName
  | { readonly array: Type }
  | { readonly nullable: Type }
  | { readonly map: Type }
  | { readonly row: readonly Type[] };

/** The schema type, or undefined for what declares nothing. */
export function schemaOf(type: Type): SchemaType | undefined {
  if (type === 'js') return undefined;
  if (typeof type === 'string') return SIMPLE[type].type;
  if ('array' in type) return array(inner(type.array));
  if ('nullable' in type) return nullable(inner(type.nullable));
  if ('map' in type) return map(string, inner(type.map));
  return row(Object.fromEntries(type.row.map((part, i) => [`f${i}`, inner(part)])));
}

function inner(type: Type): SchemaType {
  return schemaOf(type) ?? string;
}

/** Whether Python can be given it at the top level of a PCollection. */
export function isPortableType(type: Type): boolean {
  if (type === 'js') return false;
  if (typeof type === 'string') return SIMPLE[type].isPortable;
  if ('array' in type) return isPortableType(type.array);
  if ('nullable' in type) return isPortableType(type.nullable);
  if ('map' in type) return false;
  return type.row.every((part) => part !== 'floats');
}

/** The n-th value of a type; different numbers may give the same. */
export function nthValue(type: Type, n: number): unknown {
  if (type === 'js') return jsValue(n);
  if (typeof type === 'string') return SIMPLE[type].value(n);
  const less = Math.floor(n / 3);
  const part = (one: Type, m: number) => nthValue(one === 'js' ? 'string' : one, m);
  if ('array' in type) {
    return Array.from({ length: n % 3 }, (_, i) => part(type.array, less + i));
  }
  if ('nullable' in type) return n % 3 === 0 ? null : part(type.nullable, less);
  if ('map' in type) {
    const entries = Array.from({ length: n % 3 }, (_, i) => [`k${i}`, part(type.map, less + i)]);
    return new Map(entries as [string, unknown][]);
  }
  return Object.fromEntries(type.row.map((one, i) => [`f${i}`, part(one, n + i)]));
}

const jsValue = (n: number): unknown =>
  [
    () => n,
    () => `t${n % 5}`,
    () => n % 2 === 0,
    () => null,
    () => undefined,
    () => (n % 4) / 4 - 0.5,
    () => BigInt(n),
    () => ({ id: n % 3, name: `n${n % 2}` }),
    () => [n % 3, [`x`]],
    () => new Map([[n % 2, 'm']]),
    () => new Set([n % 3, 'x']),
    () => new Date(n),
    () => new Uint8Array([n % 256]),
    () => new Float64Array([n / 2]),
    () => ({ key: n % 2, value: `v${n % 3}` }),
    () => '\ud800',
  ][n % 16]!();

const leaf: Arbitrary<Type> = fc.constantFrom<Type>(...(Object.keys(SIMPLE) as SimpleName[]));

/** Any type up to two levels deep. */
export const types: Arbitrary<Type> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Type>('js') },
  { weight: 8, arbitrary: leaf },
  { weight: 1, arbitrary: leaf.map((one): Type => ({ array: one })) },
  { weight: 1, arbitrary: leaf.map((one): Type => ({ nullable: one })) },
  { weight: 1, arbitrary: leaf.map((one): Type => ({ map: one })) },
  {
    weight: 2,
    arbitrary: fc
      .array(
        fc.oneof(
          leaf,
          leaf.map((one): Type => ({ nullable: one })),
          leaf.map((one): Type => ({ array: one })),
        ),
        { minLength: 1, maxLength: 3 },
      )
      .map((parts): Type => ({ row: parts })),
  },
);
