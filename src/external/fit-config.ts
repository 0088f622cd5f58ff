// SPDX-License-Identifier: Apache-2.0
// An object of options as the row that a transform's configuration is declared to be: fields by their names,
// also in this language's spelling of them, what may be missing as null, and nothing that there is not.

import { BeamBridgeError, unknownOption } from '../base/index.ts';
import { typeName } from '../coders/index.ts';
import type { RowType, SchemaType } from '../schema/index.ts';

/**
 * The value of `type` that `given` means.
 *
 * @param of - what the program called, with the path inside of it
 * @throws BeamBridgeError `INVALID_ARGUMENT` for a field that there is not, with the nearest, and for one that is missing
 */
export function fitConfig(
  of: string,
  given: Readonly<Record<string, unknown>>,
  type: RowType<unknown>,
): Record<string, unknown> {
  const names = type.fields.map(({ name }) => name);
  const named = new Map<string, unknown>();
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const name = [key, snakeCase(key), camelCase(key)].find((each) => names.includes(each));
    if (name === undefined) throw unknownOption(of, key, names);
    if (named.has(name)) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `${of}: ${name} is given twice`, {
        hint: `${snakeCase(name)} and ${camelCase(name)} are one field.`,
      });
    }
    named.set(name, value);
  }
  const missing = type.fields.filter(
    ({ name, type: field }) => !named.has(name) && field.kind !== 'nullable',
  );
  if (missing.length > 0) {
    const fields = missing.map(({ name, type: field }) => `${name}: ${typeName(field)}`);
    throw new BeamBridgeError('INVALID_ARGUMENT', `${of} needs ${fields.join(', ')}`, {
      hint: `Its fields are ${typeName(type).replace(/^row/, '')}.`,
    });
  }
  return Object.fromEntries(
    type.fields.map(({ name, type: field }) => [
      name,
      named.has(name) ? fit(`${of}.${name}`, named.get(name), field as SchemaType) : null,
    ]),
  );
}

/** What is inside of a value fitted, where there are rows in it. What does not fit the encoder says. */
function fit(of: string, value: unknown, type: SchemaType): unknown {
  switch (type.kind) {
    case 'nullable':
      return value === null ? null : fit(of, value, type.value as SchemaType);
    case 'array':
    case 'iterable':
      if (!Array.isArray(value)) return value;
      return value.map((each, i) => fit(`${of}[${i}]`, each, type.element as SchemaType));
    case 'map': {
      const entries = value instanceof Map ? [...value] : isObject(value) && Object.entries(value);
      if (!entries) return value;
      return new Map(
        entries.map(([key, each]) => [key, fit(`${of}[${key}]`, each, type.value as SchemaType)]),
      );
    }
    case 'row':
      return isObject(value) ? fitConfig(of, value, type as RowType<unknown>) : value;
    default:
      return value;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

/** `maxBatchSize` as `max_batch_size`. */
export function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
