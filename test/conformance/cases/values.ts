// SPDX-License-Identifier: Apache-2.0
// Values that must come through the wire as they went in.

import {
  BoolCoder,
  BytesCoder,
  type Coder,
  DoubleCoder,
  IterableCoder,
  KVCoder,
  NullableCoder,
  StrUtf8Coder,
  VarIntCoder,
} from '../../../src/coders/index.ts';
import type { Root } from '../../../src/pipeline/index.ts';
import {
  array,
  boolean,
  bytes,
  float64,
  int64,
  map as mapType,
  millisInstant,
  nullable,
  row,
  string,
  typedArray,
} from '../../../src/schema/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import {
  create,
  groupByKey,
  reshuffle,
  withCoder,
  withRowCoder,
  withSchema,
} from '../../../src/transforms/index.ts';
import type { Case, Cases } from '../case.ts';

const PLAIN: Readonly<Record<string, unknown>> = {
  'null and undefined': [null, undefined, { a: undefined }],
  numbers: [0, -0, 1, -1, 0.1, 2 ** 53, Number.MAX_VALUE, Number.NaN, -Infinity],
  bigints: [0n, -1n, 2n ** 100n],
  strings: ['', 'ascii', 'Grüße, 世界 🌍', '\ud800'],
  booleans: [true, false],
  dates: new Date('2026-11-21T10:00:00.123Z'),
  maps: new Map<unknown, unknown>([
    ['a', 1],
    [{ b: 2 }, new Map([[1, 2]])],
  ]),
  sets: new Set([1, 'a', null]),
  'typed arrays': [
    new Uint8Array([1, 2]),
    new Float32Array([0.5, Number.NaN]),
    new Float64Array([-0]),
    new BigInt64Array([-1n]),
    new Int16Array([-300]),
  ],
  buffers: Buffer.from('bytes'),
  'nested objects': { a: { b: [{ c: 'd' }, []] }, 'not a name': 1 },
};

function survives(name: string, value: unknown): Case {
  return {
    name: `${name} survive a grouping and a reshuffle`,
    build: (root) => {
      root
        .apply(create([value]))
        .apply(reshuffle())
        .map((one) => ({ key: 'k', value: one }))
        .apply(groupByKey())
        .flatMap(({ value }) => value)
        .apply(assertDeepEqual([value]));
    },
  };
}

/** A coder's values through a shuffle, as a value and, where it can be, as a key. */
function travels<T>(name: string, coder: Coder<T>, values: T[]): Case {
  return {
    name: `${name} travels through groupings`,
    build: (root: Root) => {
      root
        .apply(create(values, { coder }))
        .apply(reshuffle())
        .map((value) => ({ key: 0, value }))
        .apply(withCoder(new KVCoder(new VarIntCoder() as Coder<number>, coder)))
        .apply(groupByKey())
        .flatMap(({ value }) => value)
        .apply(withCoder(coder))
        .apply(assertDeepEqual(values));
    },
  };
}

const everything = row({
  id: int64,
  name: string,
  score: nullable(float64),
  ok: boolean,
  raw: bytes,
  tags: array(string),
  pixels: typedArray('float32'),
  counts: mapType(string, int64),
  at: millisInstant,
  inner: row({ a: int64 }),
});

const rows = [
  {
    id: 1,
    name: 'ä',
    score: null,
    ok: true,
    raw: new Uint8Array([1]),
    tags: ['x'],
    pixels: new Float32Array([0.5]),
    counts: new Map([['a', 1]]),
    at: new Date(5),
    inner: { a: -1 },
  },
];

export const values: Cases = [
  ...Object.entries(PLAIN).map(([name, value]) => survives(name, value)),
  travels('string_utf8', new StrUtf8Coder(), ['', 'a', 'ü']),
  travels('bytes', new BytesCoder(), [new Uint8Array(), new Uint8Array([0, 255])]),
  travels('varint', new VarIntCoder() as Coder<number>, [0, -1, 2 ** 40]),
  travels('bigint varint', new VarIntCoder({ bigint: true }) as Coder<bigint>, [-(2n ** 63n), 5n]),
  travels('double', new DoubleCoder(), [0, -0, 0.1, Number.NaN]),
  travels('bool', new BoolCoder(), [true, false]),
  travels('nullable', new NullableCoder(new StrUtf8Coder()), [null, 'a']),
  travels('kv', new KVCoder(new StrUtf8Coder(), new VarIntCoder() as Coder<number>), [
    { key: 'a', value: 1 },
  ]),
  travels('iterable', new IterableCoder(new StrUtf8Coder()), [[], ['a', 'b']]),
  {
    name: 'rows with fields of every kind travel',
    build: (root) => {
      root
        .apply(create(rows))
        .apply(withSchema(everything))
        .apply(reshuffle())
        .apply(assertDeepEqual(rows));
    },
  },
  {
    name: 'rows of an example travel',
    build: (root) => {
      root
        .apply(create([{ name: 'a', age: 3, height: 1.5 }]))
        .apply(withRowCoder({ name: '', age: 0, height: 0.5 }))
        .apply(reshuffle())
        .apply(assertDeepEqual([{ name: 'a', age: 3, height: 1.5 }]));
    },
  },
  {
    name: 'a row that does not fit fails the run, naming the field',
    encodes: true,
    build: (root) => {
      root
        .apply(create([{ name: 'a', age: 'three' as unknown as number }]))
        .apply(withRowCoder({ name: '', age: 0 }))
        .apply(reshuffle());
    },
    fails: { code: 'ROW_MISMATCH', message: /age/ },
  },
  {
    name: 'an element that cannot travel fails the run',
    encodes: true,
    build: (root) => {
      root
        .apply(create([1]))
        .map(() => () => 1)
        .apply(reshuffle());
    },
    fails: { code: 'CODER_MISMATCH', message: /function/ },
  },
];
