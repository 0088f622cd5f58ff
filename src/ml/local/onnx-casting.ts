// SPDX-License-Identifier: Apache-2.0
// Elements of examples in the type of a model's input. Typed arrays cut and wrap: 1.7 would be 1 and 300 be 44. Fractions are
// rounded to the input's precision, and everything else stays what it is or is refused, as
// python-env/beambridge_host/wire/casting.py does it.

import { BeamBridgeError } from '../../base/index.ts';
import { typeName } from '../../coders/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import type { Elements } from './onnx-elements.ts';
import type { OnnxData, OnnxPort } from './onnx-runtime.ts';

/** An element as the input's array holds it; undefined where it does not fit. */
type Cast = (value: unknown) => number | bigint | string | undefined;

/** An array of a type of tensor, and how its elements are made. */
interface Store {
  readonly make: (length: number) => { [index: number]: unknown } & OnnxData;
  readonly castOf: (isWhole: boolean) => Cast;
}

function fraction(round: (value: number) => number): (isWhole: boolean) => Cast {
  return (isWhole) => (value) => {
    if (typeof value === 'number') {
      const rounded = round(value);
      if (!Number.isFinite(rounded) && Number.isFinite(value)) return undefined;
      return isWhole && rounded !== value ? undefined : rounded;
    }
    if (typeof value === 'bigint') {
      const rounded = round(Number(value));
      return Number.isFinite(rounded) && BigInt(rounded) === value ? rounded : undefined;
    }
    // Of a nullable number, as NaN in Python.
    return value === null ? Number.NaN : typeof value === 'boolean' ? Number(value) : undefined;
  };
}

function whole(low: number, high: number): () => Cast {
  return () => (value) => {
    const number = typeof value === 'bigint' || typeof value === 'boolean' ? Number(value) : value;
    return Number.isInteger(number) && (number as number) >= low && (number as number) <= high
      ? (number as number)
      : undefined;
  };
}

function large(low: bigint, high: bigint): () => Cast {
  return () => (value) => {
    if (typeof value !== 'bigint' && typeof value !== 'boolean' && !Number.isInteger(value)) {
      return undefined;
    }
    const integer = BigInt(value as number);
    return integer >= low && integer <= high ? integer : undefined;
  };
}

const STORES: Readonly<Record<string, Store>> = {
  float32: { make: (n) => new Float32Array(n), castOf: fraction(Math.fround) },
  float64: { make: (n) => new Float64Array(n), castOf: fraction((value) => value) },
  int8: { make: (n) => new Int8Array(n), castOf: whole(-(2 ** 7), 2 ** 7 - 1) },
  uint8: { make: (n) => new Uint8Array(n), castOf: whole(0, 2 ** 8 - 1) },
  int16: { make: (n) => new Int16Array(n), castOf: whole(-(2 ** 15), 2 ** 15 - 1) },
  uint16: { make: (n) => new Uint16Array(n), castOf: whole(0, 2 ** 16 - 1) },
  int32: { make: (n) => new Int32Array(n), castOf: whole(-(2 ** 31), 2 ** 31 - 1) },
  uint32: { make: (n) => new Uint32Array(n), castOf: whole(0, 2 ** 32 - 1) },
  int64: { make: (n) => new BigInt64Array(n), castOf: large(-(2n ** 63n), 2n ** 63n - 1n) },
  uint64: { make: (n) => new BigUint64Array(n), castOf: large(0n, 2n ** 64n - 1n) },
  bool: { make: (n) => new Uint8Array(n), castOf: whole(0, 1) },
  string: {
    make: (n) => new Array<string>(n),
    castOf: () => (value) =>
      typeof value === 'string' && !value.includes('\0') ? value : undefined,
  },
};

const WHOLE = new Set(['byte', 'int16', 'int32', 'int64', 'bigint64', 'uint8']);

/** The type of the elements of a declared type, without what may be null. */
function elementOf(type: SchemaType): { kind: string; isNullable: boolean } {
  if (type.kind === 'array' || type.kind === 'iterable') return elementOf(type.element);
  if (type.kind === 'tensor') return { kind: type.element, isNullable: false };
  if (type.kind === 'nullable') return { ...elementOf(type.value), isNullable: true };
  return { kind: type.kind, isNullable: false };
}

/**
 * All elements of a batch in the type of the input.
 *
 * @throws BeamBridgeError `ROW_MISMATCH` for the first element whose value would change; `UNSUPPORTED` for a type
 *   that JavaScript has no array of
 */
export function dataOf(
  port: OnnxPort,
  declared: SchemaType,
  rows: readonly Elements[],
  total: number,
): OnnxData {
  const store = Object.hasOwn(STORES, port.type ?? 'float32')
    ? STORES[port.type ?? 'float32']
    : undefined;
  if (!store) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `the input ${port.name} takes ${port.type} values, which cannot be given from TypeScript`,
      { hint: 'Export the model with float32 inputs, or run it in Python with onnx(…).' },
    );
  }
  const { kind, isNullable } = elementOf(declared);
  // A nullable whole number is a fraction to libraries of numbers, see docs/python-types.md.
  const cast = store.castOf(WHOLE.has(kind) && !isNullable);
  const out = store.make(total);
  let at = 0;
  rows.forEach(({ flat, shape }, row) => {
    for (let i = 0; i < flat.length; i++) {
      const element = cast(flat[i]);
      if (element === undefined) {
        throw refused(
          port,
          flat[i],
          placeOf(i, shape),
          `row ${row + 1} of ${rows.length}`,
          declared,
        );
      }
      out[at++] = element;
    }
  });
  return out;
}

function placeOf(offset: number, shape: readonly number[]): string {
  let rest = offset;
  const places = [...shape].reverse().map((size) => {
    const place = rest % size;
    rest = Math.floor(rest / size);
    return place;
  });
  return places.length === 0 ? '' : ` at [${places.reverse().join(', ')}]`;
}

function refused(
  { name, type = 'float32' }: OnnxPort,
  value: unknown,
  place: string,
  row: string,
  declared: SchemaType,
): BeamBridgeError {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return new BeamBridgeError(
    'ROW_MISMATCH',
    `the input ${name} of the model takes ${type}, and ${row} has ${shown}${place} (${typeName(declared)}): ${why(value, type)}`,
    {
      hint: 'Declare the example in the type that the model takes, and convert the elements before RunInference.',
    },
  );
}

function why(value: unknown, type: string): string {
  if (type === 'string') {
    return typeof value === 'string' ? 'onnxruntime-node cuts texts at a NUL' : 'it is no text';
  }
  if (typeof value !== 'number' && typeof value !== 'bigint') return 'it is no number';
  if (type === 'bool') return 'only 0 and 1 are booleans';
  if (type.startsWith('float')) {
    return Number.isFinite(Math.fround(Number(value)))
      ? 'it would be rounded'
      : 'it is out of range';
  }
  return typeof value === 'number' && !Number.isInteger(value)
    ? 'it is not a whole number'
    : 'it is out of range';
}
