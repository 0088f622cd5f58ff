// SPDX-License-Identifier: Apache-2.0
// Errors on their way between threads. A structured clone of one loses what this package and its users say by
// it: codes, hints, names of classes, and fields of their own.

import { BeamBridgeError, type ErrorCode } from '../../base/index.ts';

/** Something that was thrown. */
export type PlainError =
  | { readonly kind: 'value'; readonly value: unknown }
  | {
      readonly kind: 'error' | 'ours';
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
      readonly cause: PlainError | undefined;
      /** Fields of the error's own. */
      readonly fields: Readonly<Record<string, unknown>>;
    };

/** Errors are the cause of each other so often at most. */
const DEEPEST = 10;
/** Constructors of Node's own errors, by which programs tell them apart. */
const KNOWN = new Map<string, ErrorConstructor>(
  [Error, TypeError, RangeError, SyntaxError, ReferenceError, URIError, EvalError].map((type) => [
    type.name,
    type as ErrorConstructor,
  ]),
);

/** A form of what was thrown that can be cloned. */
export function toPlainError(thrown: unknown, depth = 0): PlainError {
  if (!(thrown instanceof Error)) return { kind: 'value', value: cloneable(thrown) };
  const ours = thrown instanceof BeamBridgeError ? thrown : undefined;
  const { message, stack } = thrown;
  const fields: Record<string, unknown> = {};
  if (ours) {
    const { code, shortMessage, hint, transform, appliedAt, detail } = ours;
    Object.assign(fields, { code, shortMessage, hint, transform, appliedAt, detail });
  } else {
    for (const [name, value] of Object.entries(thrown)) {
      if (name !== 'name' && name !== 'cause') fields[name] = cloneable(value);
    }
  }
  const hasCause = thrown.cause !== undefined && depth < DEEPEST;
  return {
    kind: ours ? 'ours' : 'error',
    name: thrown.name,
    message,
    stack,
    cause: hasCause ? toPlainError(thrown.cause, depth + 1) : undefined,
    fields,
  };
}

/** What {@link toPlainError} was given, as far as it could travel: classes of the program's are `Error`s of their name. */
export function fromPlainError(plain: PlainError): unknown {
  if (plain.kind === 'value') return plain.value;
  const cause = plain.cause && fromPlainError(plain.cause);
  if (plain.kind === 'ours') {
    const { code, shortMessage, ...details } = plain.fields;
    const error = new BeamBridgeError(code as ErrorCode, shortMessage as string, {
      ...details,
      cause,
    });
    if (plain.stack !== undefined) error.stack = plain.stack;
    return error;
  }
  const type = KNOWN.get(plain.name) ?? Error;
  const error = new type(plain.message, cause === undefined ? undefined : { cause });
  if (error.name !== plain.name) hide(error, 'name', plain.name);
  if (plain.stack !== undefined) hide(error, 'stack', plain.stack);
  return Object.assign(error, plain.fields);
}

function hide(error: Error, name: string, value: string): void {
  Object.defineProperty(error, name, {
    value,
    enumerable: false,
    configurable: true,
    writable: true,
  });
}

function cloneable(value: unknown): unknown {
  if (value instanceof Error) return value.message;
  try {
    return structuredClone(value);
  } catch {
    return String(value);
  }
}
