// SPDX-License-Identifier: Apache-2.0
// Values and mismatches in words, for every error of the coders and schemas.

import { BeamBridgeError, isThenable } from '../base/index.ts';

const LONGEST = 60;

let tellsTypesAlone = false;

/** What `encode`, which waits for nothing, throws without a value in it: among those of a configuration are passwords. */
export function withoutValues<T>(encode: () => T): T {
  const before = tellsTypesAlone;
  tellsTypesAlone = true;
  try {
    return encode();
  } finally {
    tellsTypesAlone = before;
  }
}

/** A value in a few words: its JavaScript type and as much of it as fits a message. */
export function describeValue(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'undefined';
  if (tellsTypesAlone) return describeType(value);
  switch (typeof value) {
    case 'string':
      return `string ${shorten(JSON.stringify(value))}`;
    case 'bigint':
      return `bigint ${shorten(value.toString())}n`;
    case 'number':
      return `number ${Object.is(value, -0) ? '-0' : value}`;
    case 'boolean':
      return `boolean ${value}`;
    case 'symbol':
      return 'a symbol';
    case 'function':
      return `function ${value.name || '(anonymous)'}`;
    default:
      return describeObject(value);
  }
}

function describeType(value: unknown): string {
  if (typeof value !== 'object' || value === null) return `a ${typeof value}`;
  return `an object of the class ${value.constructor?.name ?? 'Object'}`;
}

function describeObject(value: object): string {
  const name = value.constructor?.name ?? 'Object';
  if (Array.isArray(value)) return `${name === 'Array' ? 'array' : name} of ${value.length}`;
  if (ArrayBuffer.isView(value)) return `${name} of ${value.byteLength} bytes`;
  if (value instanceof Date)
    return `${name} ${Number.isNaN(value.getTime()) ? 'that is invalid' : value.toISOString()}`;
  if (isThenable(value))
    return value instanceof Promise ? 'a Promise' : `${name} with a then method`;
  if (value instanceof Map || value instanceof Set) return `${name} of ${value.size}`;
  return `${name} ${shorten(`{${Object.keys(value).join(', ')}}`)}`;
}

function shorten(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`;
}

/** The error for a value that a coder cannot write. */
export function mismatch(coder: string, value: unknown, hint?: string): BeamBridgeError {
  return new BeamBridgeError(
    'CODER_MISMATCH',
    `coder ${coder} cannot encode ${describeValue(value)}`,
    {
      hint: hint ?? hintFor(value),
    },
  );
}

function hintFor(value: unknown): string {
  if (isThenable(value)) return 'Await the promise before emitting its value.';
  return 'Emit values of the declared type, or declare another type for the PCollection.';
}

/** The error for a 64-bit integer that a JavaScript number cannot hold exactly. */
export function outOfRange(what: string, value: unknown): BeamBridgeError {
  return new BeamBridgeError(
    'INT64_OUT_OF_RANGE',
    `${what}: ${describeValue(value)} is outside the integers that a JavaScript number holds exactly (±2^53 - 1)`,
    {
      hint: 'Declare the type as bigint64 (coder: new VarIntCoder({ bigint: true })) and use bigint values.',
    },
  );
}

/** The error for bytes that no encoder writes. */
export function malformed(message: string): BeamBridgeError {
  return new BeamBridgeError('MALFORMED_DATA', message, {
    hint: 'The bytes were written by another coder, or were cut or damaged on the way.',
  });
}
