// SPDX-License-Identifier: Apache-2.0
// A schema type from an example value.

import { BeamBridgeError, checkOptionNames } from '../base/index.ts';
import {
  Decimal,
  describeValue,
  type FieldType,
  MicrosInstant,
  ownLogicalType,
  Tensor,
  typeName,
} from '../coders/index.ts';
import { tensor } from './tensors.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  decimal,
  float64,
  int64,
  map,
  microsInstant,
  millisInstant,
  nullable,
  row,
  type SchemaType,
  string,
  typedArray,
} from './types.ts';

/** What {@link inferSchema} is told besides the example. */
export interface InferOptions {
  /** The type where the example says nothing: of null and undefined (made nullable), and of the elements of an empty array. */
  unknown?: SchemaType;
}

/**
 * The schema type of an example value: whole numbers are int64, fractions float64 (as are NaN,
 * infinities, -0 and whole numbers beyond ±2^53), bigints bigint64, `Uint8Array`s bytes, other
 * typed arrays `typedArray`, `Tensor`s tensor of their shape, `Date`s millisInstant, `Map`s map, plain objects rows. The elements of
 * an array are taken together: whole numbers and fractions give float64, null among others gives
 * nullable, and objects give one row type with the fields of all, nullable where some lack them.
 *
 * One example says little: `[1, 2]` says int64 although fractions may follow. Declare the type
 * where you know it.
 *
 * @throws BeamBridgeError `INVALID_SCHEMA` where the example leaves a type open, names the path
 * @example
 * ```ts
 * inferSchema({ id: 7, pixels: [0.5, 1], label: 'seven' });
 * // row{id: int64, pixels: array<float64>, label: string}
 * ```
 */
export function inferSchema<T>(example: T, options: InferOptions = {}): SchemaType<T> {
  checkOptionNames('inferSchema', options, { unknown: true });
  return known(inferOpen(example, '', new Set()), '', options) as SchemaType<T>;
}

/** While inferring, a type may still be open: null says `nullable` of it, an empty array nothing. */
type BareOpen =
  | { kind: 'open' }
  | { kind: 'known'; type: SchemaType }
  | { kind: 'array'; element: Open }
  | { kind: 'map'; key: Open; value: Open }
  | { kind: 'row'; fields: Map<string, Open> };
type Open = BareOpen | { kind: 'nullable'; value: BareOpen };

const OPEN: BareOpen = { kind: 'open' };

function inferOpen(value: unknown, path: string, around: ReadonlySet<unknown>): Open {
  switch (typeof value) {
    case 'number':
      return just(Number.isSafeInteger(value) && !Object.is(value, -0) ? int64 : float64);
    case 'bigint':
      return just(bigint64);
    case 'string':
      return just(string);
    case 'boolean':
      return just(boolean);
    case 'undefined':
      return { kind: 'nullable', value: OPEN };
    case 'object':
      if (value === null) return { kind: 'nullable', value: OPEN };
      if (around.has(value)) throw cannot(path, 'the value refers to itself');
      return inferObject(value, path, new Set([...around, value]));
    default:
      throw cannot(path, `${describeValue(value)} has no schema type`);
  }
}

function just(type: SchemaType): Open {
  return { kind: 'known', type };
}

function inferObject(value: object, path: string, around: ReadonlySet<unknown>): Open {
  if (Array.isArray(value)) return { kind: 'array', element: together(value, path, around) };
  if (ArrayBuffer.isView(value)) return just(viewType(value, path));
  if (value instanceof Date) return just(millisInstant);
  if (value instanceof MicrosInstant) return just(microsInstant);
  if (value instanceof Decimal) return just(decimal);
  if (value instanceof Tensor) return just(tensor({ kind: value.dtype }, value.shape));
  if (value instanceof Map) {
    const key = together([...value.keys()], `${path}[key]`, around);
    return { kind: 'map', key, value: together([...value.values()], `${path}[value]`, around) };
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw cannot(path, `${describeValue(value)} has no schema type`, 'Give a plain object.');
  }
  const named = namedLogicalType(value);
  if (named) return just(named);
  const fields = new Map<string, Open>();
  for (const [name, field] of Object.entries(value)) {
    fields.set(name, inferOpen(field, path === '' ? name : `${path}.${name}`, around));
  }
  return { kind: 'row', fields };
}

/** The type that `{ beamLogicalType: URN }` names, which is how the official SDK's examples do. */
function namedLogicalType(value: object): SchemaType | undefined {
  const { beamLogicalType: urn, ...others } = value as { beamLogicalType?: unknown };
  if (typeof urn !== 'string' || Object.keys(others).length > 0) return undefined;
  const own = ownLogicalType(urn);
  return own && ({ kind: 'logical', urn, representation: own.reprType } as unknown as SchemaType);
}

function viewType(value: ArrayBufferView, path: string): SchemaType {
  if (value instanceof Uint8Array) return bytes;
  if (value instanceof Int8Array) return typedArray('byte');
  if (value instanceof Int16Array) return typedArray('int16');
  if (value instanceof Int32Array) return typedArray('int32');
  if (value instanceof BigInt64Array) return typedArray('bigint64');
  if (value instanceof Float32Array) return typedArray('float32');
  if (value instanceof Float64Array) return typedArray('float64');
  // Unsigned elements have no type of their own: the next wider one holds them all.
  if (value instanceof Uint16Array) return array(int64);
  if (value instanceof Uint32Array) return array(int64);
  throw cannot(
    path,
    `${describeValue(value)} has no schema type`,
    'Use signed elements, or bytes.',
  );
}

function together(values: readonly unknown[], path: string, around: ReadonlySet<unknown>): Open {
  let all: Open = OPEN;
  for (const [index, value] of values.entries()) {
    const at = `${path}[${index}]`;
    all = unify(all, inferOpen(value, at, around), at);
  }
  return all;
}

/** The one type that both values have. */
function unify(a: Open, b: Open, path: string): Open {
  if (a.kind === 'open') return b;
  if (b.kind === 'open') return a;
  if (a.kind === 'nullable' || b.kind === 'nullable') {
    return optional(unify(bare(a), bare(b), path));
  }
  if (a.kind === 'known' && b.kind === 'known') return just(unifyKnown(a.type, b.type, path));
  if (a.kind === 'array' && b.kind === 'array') {
    return { kind: 'array', element: unify(a.element, b.element, path) };
  }
  if (a.kind === 'map' && b.kind === 'map') {
    return { kind: 'map', key: unify(a.key, b.key, path), value: unify(a.value, b.value, path) };
  }
  if (a.kind === 'row' && b.kind === 'row') return unifyRows(a.fields, b.fields, path);
  throw cannot(path, 'the elements have different types', 'Declare the type instead.');
}

function bare(open: Open): BareOpen {
  return open.kind === 'nullable' ? open.value : open;
}

function optional(open: Open): Open {
  return open.kind === 'nullable' ? open : { kind: 'nullable', value: open };
}

function unifyRows(a: Map<string, Open>, b: Map<string, Open>, path: string): Open {
  const fields = new Map<string, Open>();
  for (const name of new Set([...a.keys(), ...b.keys()])) {
    const [left, right] = [a.get(name), b.get(name)];
    fields.set(
      name,
      left && right ? unify(left, right, `${path}.${name}`) : optional((left ?? right)!),
    );
  }
  return { kind: 'row', fields };
}

function unifyKnown(a: SchemaType, b: SchemaType, path: string): SchemaType {
  if (typeName(a) === typeName(b)) return a;
  const kinds = new Set<FieldType['kind']>([a.kind, b.kind]);
  if (kinds.has('int64') && kinds.has('float64')) return float64;
  if (kinds.has('int64') && kinds.has('bigint64')) return bigint64;
  throw cannot(
    path,
    `${typeName(a)} and ${typeName(b)} stand in one array`,
    'Declare the type instead.',
  );
}

/** The finished type, or an error where the example left it open. */
function known(open: Open, path: string, options: InferOptions): SchemaType {
  switch (open.kind) {
    case 'known':
      return open.type;
    case 'array':
      return array(known(open.element, `${path}[]`, options));
    case 'map':
      return map(
        known(open.key, `${path}[key]`, options),
        known(open.value, `${path}[value]`, options),
      );
    case 'nullable':
      return nullable(known(open.value, path, options));
    case 'row': {
      const entries = [...open.fields].map(([name, field]) => {
        const at = path === '' ? name : `${path}.${name}`;
        return [name, known(field, at, options)] as const;
      });
      return row(Object.fromEntries(entries));
    }
    default:
      if (options.unknown) return options.unknown;
      throw cannot(
        path,
        'null, undefined and empty arrays do not tell a type',
        'Declare the type, or say what it is with { unknown: type }.',
      );
  }
}

function cannot(path: string, why: string, hint?: string): BeamBridgeError {
  const at = path === '' ? 'the example' : `the example at ${path}`;
  return new BeamBridgeError('INVALID_SCHEMA', `no schema can be inferred from ${at}: ${why}`, {
    hint,
  });
}
